"""Campaigns, what they believe, and the tables that slots are served from."""

from decimal import Decimal

from django.contrib.postgres.fields import ArrayField
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models

from bandits.policies import posterior
from firstlight.accounts.models import User
from firstlight.catalog.models import Category, Merchant, Scenario, key_validator


class Status(models.TextChoices):
    DRAFT = "draft"
    RUNNING = "running"
    STOPPED = "stopped"


class Campaign(models.Model):
    """A bandit that discovers new items in given slots of one scenario."""

    key = models.CharField(max_length=100, unique=True, validators=[key_validator])
    name = models.CharField(max_length=200)
    owner = models.ForeignKey(User, on_delete=models.PROTECT, null=True, blank=True)
    scenario = models.ForeignKey(Scenario, on_delete=models.PROTECT, related_name="campaigns")
    positions = ArrayField(
        models.PositiveSmallIntegerField(validators=[MinValueValidator(1), MaxValueValidator(500)]),
        help_text="Slots of the page that the campaign fills: 3, 8.",
    )
    status = models.CharField(max_length=8, choices=Status.choices, default=Status.DRAFT, editable=False)

    # Pool rule: an item takes part while all that is set here holds.
    pool_categories = models.ManyToManyField(Category, blank=True)
    pool_merchants = models.ManyToManyField(Merchant, blank=True)
    pool_tags = ArrayField(models.CharField(max_length=100), default=list, blank=True, help_text="Any of these tags.")
    pool_max_age_days = models.PositiveIntegerField(null=True, blank=True, help_text="Listed at most so long ago.")
    pool_in_stock = models.BooleanField("pool: in stock only", default=True)

    merchant_cap = models.PositiveSmallIntegerField(
        null=True, blank=True, validators=[MinValueValidator(1)], help_text="Most items of one merchant on a page."
    )
    floor = models.DecimalField(
        max_digits=4,
        decimal_places=3,
        default=Decimal("0.05"),
        validators=[MinValueValidator(Decimal(0)), MaxValueValidator(Decimal(1))],
        help_text="Share of requests in which one slot is drawn uniformly, so that every item keeps a chance.",
    )
    attribution_hours = models.PositiveIntegerField(
        default=24, validators=[MinValueValidator(1), MaxValueValidator(24 * 30)], help_text="A click counts this long."
    )
    prior_strength_cap = models.PositiveIntegerField(
        default=100,
        validators=[MinValueValidator(10), MaxValueValidator(2000)],
        help_text="Most impressions that the prior of a new item may weigh.",
    )
    started_at = models.DateTimeField(null=True, blank=True, editable=False)
    stopped_at = models.DateTimeField(null=True, blank=True, editable=False)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["-created_at"]
        constraints = [
            models.CheckConstraint(
                condition=models.Q(status=Status.DRAFT) | models.Q(started_at__isnull=False),
                name="started_campaign_has_a_time",
            )
        ]

    def __str__(self) -> str:
        return self.name


class Posterior(models.Model):
    """One version of what a campaign believes: Beta(a0 + successes, b0 + trials - successes) per item.

    `batch` is the watermark: every event of the lake up to this batch is counted in it, once.
    """

    campaign = models.ForeignKey(Campaign, on_delete=models.CASCADE, related_name="posteriors")
    number = models.PositiveIntegerField()
    computed_at = models.DateTimeField(auto_now_add=True)
    batch = models.BigIntegerField()
    prior_a = models.FloatField()
    prior_b = models.FloatField()
    items = ArrayField(models.CharField(max_length=200), help_text="Item keys, sorted.")
    trials = ArrayField(models.FloatField(), help_text="Impressions, in the order of `items`.")
    successes = ArrayField(models.FloatField(), help_text="Clicked impressions, in the order of `items`.")
    scenario_trials = models.FloatField(default=0, help_text="Impressions of all items of the scenario.")
    scenario_successes = models.FloatField(default=0, help_text="Clicked impressions of all items of the scenario.")

    class Meta:
        ordering = ["campaign", "-number"]
        get_latest_by = "number"
        constraints = [models.UniqueConstraint(fields=["campaign", "number"], name="posterior_number_once")]

    def __str__(self) -> str:
        return f"{self.campaign_id} posterior {self.number}"

    @property
    def beliefs(self) -> posterior.Beliefs:
        """As the policies reckon with it."""
        return posterior.beliefs(self.items, self.trials, self.successes, self.prior_a, self.prior_b)


class DrawTable(models.Model):
    """S rows of ranked items drawn from one posterior; what a request is answered from. Never changed."""

    campaign = models.ForeignKey(Campaign, on_delete=models.CASCADE, related_name="tables")
    posterior = models.ForeignKey(Posterior, on_delete=models.PROTECT)
    created_at = models.DateTimeField(auto_now_add=True)
    seed = models.BigIntegerField(help_text="Of the generator that drew it.")
    items = ArrayField(models.CharField(max_length=200), help_text="Item keys; a row holds indices into them.")
    merchants = ArrayField(models.CharField(max_length=200, blank=True), help_text="In the order of `items`.")
    categories = ArrayField(models.CharField(max_length=200, blank=True), help_text="In the order of `items`.")
    n_rows = models.PositiveIntegerField()
    depth = models.PositiveIntegerField()
    rows = models.BinaryField(help_text="n_rows x depth indices, little-endian uint32, C order, best first.")

    class Meta:
        ordering = ["-id"]
        get_latest_by = "id"

    def __str__(self) -> str:
        return f"table {self.pk}"
