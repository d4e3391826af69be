"""Campaigns, what is counted for them, what they believe, what slots are served from, and what became of items."""

from decimal import Decimal
from typing import Any

import numpy as np
from django.contrib.postgres.fields import ArrayField
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import F, Q

from bandits.policies import beliefs
from firstlight.accounts.models import User
from firstlight.catalog.models import Category, Merchant, Scenario, key_validator

MOST_ITEMS, MOST_SEGMENTS = 10_000, 50


class Status(models.TextChoices):
    DRAFT = "draft"
    RUNNING = "running"
    PAUSED = "paused"
    STOPPED = "stopped"


class Reward(models.TextChoices):
    """What an impression is worth, within the attribution time."""

    CLICK = "click", "a click"
    CART = "cart", "put into the cart"
    ORDER = "order", "an order"
    NET_VALUE = "net_value", "net value: orders less cancels and refunds"
    WEIGHTED = "weighted", "clicks, orders and net value by the objectives of the scenario"


class PolicyKind(models.TextChoices):
    THOMPSON = "thompson", "Thompson sampling"
    TOP_TWO = "top_two", "top-two Thompson sampling"
    EPSILON_GREEDY = "epsilon_greedy", "epsilon-greedy"
    UNIFORM = "uniform", "uniform: every item alike"
    LINEAR = "linear", "linear Thompson sampling on the request's attributes"
    LOGISTIC = "logistic", "logistic Thompson sampling on the request's attributes"


class PriorKind(models.TextChoices):
    FITTED = "fitted", "fitted to categories and merchants"
    DYNAMIC = "dynamic", "against the incumbents"


class Guard(models.TextChoices):
    CLICK_RATE = "click_rate", "clicks per impression of the scenario"
    CONVERSION = "conversion", "share of units that order"
    REFUND_RATE = "refund_rate", "refunds per order"


class UnitColumn(models.TextChoices):
    USER = "user_id", "user"
    DEVICE = "device_id", "device"
    SESSION = "session_id", "session"


def _share(default: str, help_text: str, *, places: int = 3, most: str = "1") -> models.DecimalField[Any, Any]:
    return models.DecimalField(
        max_digits=places + 1,
        decimal_places=places,
        default=Decimal(default),
        validators=[MinValueValidator(Decimal(0)), MaxValueValidator(Decimal(most))],
        help_text=help_text,
    )


def _keys(help_text: str, at_most: int = 1_000) -> ArrayField[Any, Any]:
    return ArrayField(models.CharField(max_length=200), default=list, blank=True, size=at_most, help_text=help_text)


def all_guards() -> list[str]:
    return [guard.value for guard in Guard]


class Campaign(models.Model):
    """A bandit that discovers new items in given slots of one scenario."""

    key = models.CharField(max_length=100, unique=True, validators=[key_validator])
    name = models.CharField(max_length=200)
    owner = models.ForeignKey(User, on_delete=models.PROTECT, null=True, blank=True)
    status = models.CharField(max_length=8, choices=Status.choices, default=Status.DRAFT, editable=False)
    paused_because = models.TextField(blank=True, editable=False, help_text="In words; empty while it is not paused.")

    # Slots
    scenario = models.ForeignKey(Scenario, on_delete=models.PROTECT, related_name="campaigns")
    positions = ArrayField(
        models.PositiveSmallIntegerField(validators=[MinValueValidator(1), MaxValueValidator(500)]),
        help_text="Slots of the page that the campaign fills: 3, 8.",
    )
    most_per_page = models.PositiveSmallIntegerField(
        null=True, blank=True, validators=[MinValueValidator(1)], help_text="Most items of the campaign on a page."
    )
    merchant_cap = models.PositiveSmallIntegerField(
        null=True, blank=True, validators=[MinValueValidator(1)], help_text="Most items of one merchant on a page."
    )
    segment_by = models.CharField(
        max_length=100,
        blank=True,
        help_text="Request attribute whose values learn apart: country, platform; or category. Empty: all together.",
    )
    segments = _keys("Values that get a table of their own; all others share one.", MOST_SEGMENTS)

    # Pool rule: an item takes part while all that is set here holds.
    pool_by_rule = models.BooleanField(
        "pool: by rule", default=True, help_text="Off: only the items picked by hand take part."
    )
    pool_categories = models.ManyToManyField(Category, blank=True)
    pool_merchants = models.ManyToManyField(Merchant, blank=True)
    pool_tags = ArrayField(models.CharField(max_length=100), default=list, blank=True, help_text="Any of these tags.")
    pool_max_age_days = models.PositiveIntegerField(null=True, blank=True, help_text="Listed at most so long ago.")
    pool_in_stock = models.BooleanField("pool: in stock only", default=True)
    pool_price_from = models.DecimalField(max_digits=18, decimal_places=4, null=True, blank=True)
    pool_price_to = models.DecimalField(max_digits=18, decimal_places=4, null=True, blank=True)
    pool_currency = models.CharField(max_length=3, blank=True, help_text="Of these prices, ISO 4217.")
    pool_countries = _keys("Where the item ships from, ISO 3166-1 alpha-2.", 250)
    pool_items = _keys("Picked by hand: they take part whatever the rule says.", MOST_ITEMS)
    pool_excluded = _keys("Never take part.", MOST_ITEMS)

    # Reward
    reward = models.CharField(max_length=10, choices=Reward.choices, default=Reward.CLICK)
    attribution_hours = models.PositiveIntegerField(
        default=24,
        validators=[MinValueValidator(1), MaxValueValidator(24 * 30)],
        help_text="What follows an impression within so long is its reward.",
    )
    value_cap = models.DecimalField(
        max_digits=18,
        decimal_places=4,
        default=Decimal(100),
        validators=[MinValueValidator(Decimal("0.0001"))],
        help_text="Net value of one impression counts up to here; a weighted reward is full at it.",
    )
    value_currency = models.CharField(max_length=3, blank=True, help_text="ISO 4217; empty: as sent.")
    delay_aware = models.BooleanField(
        default=True, help_text="An impression whose reward may still come is part of one."
    )
    position_aware = models.BooleanField(
        default=True, help_text="An impression in a slot that few look at is part of one."
    )
    half_life_days = models.FloatField(
        null=True,
        blank=True,
        validators=[MinValueValidator(0.1)],
        help_text="After which data counts half. Empty: never.",
    )

    # Prior
    prior = models.CharField(max_length=8, choices=PriorKind.choices, default=PriorKind.FITTED)
    prior_strength_cap = models.PositiveIntegerField(
        default=100,
        validators=[MinValueValidator(10), MaxValueValidator(2000)],
        help_text="Most impressions that the prior of a new item may weigh.",
    )
    prior_chance = _share(
        "0.2", "Dynamic prior: chance that a new item is believed better than an incumbent.", most="0.9"
    )

    # Policy
    policy = models.CharField(max_length=14, choices=PolicyKind.choices, default=PolicyKind.THOMPSON)
    epsilon = _share("0.1", "Epsilon-greedy: share of requests that are served at random.")
    floor = _share("0.05", "Share of requests in which one slot is drawn uniformly, so that every item keeps a chance.")
    daily_budget = models.PositiveIntegerField(
        null=True,
        blank=True,
        validators=[MinValueValidator(1)],
        help_text="Most impressions of the campaign a UTC day.",
    )
    item_guarantee = models.PositiveIntegerField(
        null=True, blank=True, help_text="Impressions that every item gets within the days of the guarantee."
    )
    guarantee_days = models.PositiveIntegerField(default=7, validators=[MinValueValidator(1), MaxValueValidator(90)])
    item_cap = models.PositiveIntegerField(
        null=True, blank=True, validators=[MinValueValidator(1)], help_text="Most impressions of one item."
    )
    merchant_share_cap = _share("1", "Most of the campaign's impressions of a day that one merchant may get.")
    merchant_floor = _share("0", "Least of them that the merchants share alike, whatever their items earn.")

    # Shares without it
    unit = models.CharField(max_length=10, choices=UnitColumn.choices, default=UnitColumn.USER)
    control_share = _share(
        "0", "Of the units that never see the campaign: what it is worth is told against them.", most="0.5"
    )
    uniform_share = _share("0", "Of the units that see every item alike: plain inference.", most="0.5")

    # Graduation and retirement
    graduates = models.BooleanField(default=True, help_text="Items leave the pool when it is known what they are.")
    graduate_at = _share("0.9", "Least probability to be better than the bar.")
    retire_at = _share("0.05", "Probability to be better than the bar at which an item is given up.")
    least_impressions = models.PositiveIntegerField(default=100, validators=[MinValueValidator(100)])
    least_age_hours = models.PositiveIntegerField(default=24, validators=[MaxValueValidator(24 * 90)])
    bar = models.DecimalField(
        max_digits=12,
        decimal_places=6,
        null=True,
        blank=True,
        validators=[MinValueValidator(Decimal(0))],
        help_text="Reward per impression. Empty: the median of the incumbents of the item's category.",
    )

    # Safety
    guards = ArrayField(
        models.CharField(max_length=11, choices=Guard.choices), default=all_guards, blank=True, size=len(Guard)
    )
    guard_margin = _share("0.05", "How much worse than its control share the scenario may be, relatively.")

    started_at = models.DateTimeField(null=True, blank=True, editable=False)
    stopped_at = models.DateTimeField(null=True, blank=True, editable=False)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["-created_at"]
        constraints = [
            models.CheckConstraint(
                condition=Q(status=Status.DRAFT) | Q(started_at__isnull=False),
                name="started_campaign_has_a_time",
            ),
            models.CheckConstraint(
                condition=Q(control_share__gte=0)
                & Q(uniform_share__gte=0)
                & Q(control_share__lte=1 - F("uniform_share")),
                name="campaign_shares_fit",
            ),
            models.CheckConstraint(condition=Q(retire_at__lt=F("graduate_at")), name="retires_below_graduation"),
        ]

    def __str__(self) -> str:
        return self.name


class Ledger(models.Model):
    """What is counted of one scenario, in one way, for all campaigns that count so; `batch` is its watermark.

    Every event of the lake up to this batch is in its days, once: a day that new events reach is counted anew as a
    whole, in the transaction that moves the watermark.
    """

    scenario = models.ForeignKey(Scenario, on_delete=models.CASCADE, related_name="ledgers")
    attribution_hours = models.PositiveIntegerField()
    segment_by = models.CharField(max_length=100, blank=True)
    value_cap = models.DecimalField(max_digits=18, decimal_places=4)
    value_currency = models.CharField(max_length=3, blank=True)
    batch = models.BigIntegerField(default=0)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["scenario", "attribution_hours", "segment_by", "value_cap", "value_currency"],
                name="one_ledger_each",
            )
        ]

    def __str__(self) -> str:
        return f"{self.scenario_id} within {self.attribution_hours} h {self.segment_by}".strip()


class LedgerDay(models.Model):
    """The counts of one UTC day of impressions; bandits.ledgers says what its columns mean."""

    ledger = models.ForeignKey(Ledger, on_delete=models.CASCADE, related_name="days")
    day = models.DateField()
    counts = models.BinaryField(help_text="Arrow IPC stream, Zstandard.")
    delays = models.BinaryField(default=b"", help_text="Arrow IPC stream: how long rewards took.")

    class Meta:
        constraints = [models.UniqueConstraint(fields=["ledger", "day"], name="ledger_day_once")]

    def __str__(self) -> str:
        return f"{self.ledger_id} on {self.day}"


class Posterior(models.Model):
    """One version of what a campaign believes of its items, in one segment; `kind` says how `arrays` are read.

    `batch` is the watermark: every event of the lake up to this batch is counted in it, once.
    """

    campaign = models.ForeignKey(Campaign, on_delete=models.CASCADE, related_name="posteriors")
    segment = models.CharField(max_length=200, blank=True, help_text="Empty: all traffic together.")
    number = models.PositiveIntegerField()
    computed_at = models.DateTimeField(auto_now_add=True)
    batch = models.BigIntegerField()
    kind = models.CharField(max_length=10, default="beta")  # of bandits.policies.beliefs
    prior_a = models.FloatField()
    prior_b = models.FloatField()
    items = ArrayField(models.CharField(max_length=200), help_text="Item keys, sorted.")
    trials = ArrayField(models.FloatField(), help_text="Impressions as they weigh, in the order of `items`.")
    successes = ArrayField(models.FloatField(), help_text="Rewards as they weigh, in the order of `items`.")
    arrays = models.BinaryField(
        default=b"", help_text="msgpack: {name: little-endian float64 in the order of `items`}; priors, values, pace."
    )
    context = models.BinaryField(default=b"", help_text="msgpack: the model of a contextual policy.")
    scenario_trials = models.FloatField(default=0, help_text="Impressions of all items of the scenario.")
    scenario_successes = models.FloatField(default=0, help_text="Rewards of all items of the scenario.")
    told = models.JSONField(default=dict, help_text="What it stands on: priors by level, slots, delays, budgets.")

    class Meta:
        ordering = ["campaign", "-number"]
        get_latest_by = "number"
        constraints = [models.UniqueConstraint(fields=["campaign", "segment", "number"], name="posterior_number_once")]

    def __str__(self) -> str:
        return f"{self.campaign_id} posterior {self.number} {self.segment}".strip()

    @property
    def numbers(self) -> dict[str, beliefs.Vector]:
        """What `arrays` has, by name; empty in rows from before there was more than a click."""
        return beliefs.unpack(bytes(self.arrays)) if self.arrays else {}

    @property
    def beliefs(self) -> beliefs.Beliefs:
        """As the policies reckon with it."""
        if numbers := self.numbers:
            return beliefs.of(self.kind, self.items, numbers)
        trials, successes = (np.asarray(values, np.float64) for values in (self.trials, self.successes))
        return beliefs.Beta(tuple(self.items), self.prior_a + successes, self.prior_b + trials - successes)


class DrawTable(models.Model):
    """S rows of ranked items drawn from one posterior; what a request is answered from. Never changed."""

    campaign = models.ForeignKey(Campaign, on_delete=models.CASCADE, related_name="tables")
    posterior = models.ForeignKey(Posterior, on_delete=models.PROTECT)
    segment = models.CharField(max_length=200, blank=True)
    arm = models.CharField(max_length=7, default="learned", help_text="learned, or uniform.")
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


class Outcome(models.Model):
    """An item left the pool of a campaign, with the evidence; a person may take it back, with a reason."""

    class Kind(models.TextChoices):
        GRADUATED = "graduated"
        RETIRED = "retired"

    campaign = models.ForeignKey(Campaign, on_delete=models.CASCADE, related_name="outcomes")
    item = models.CharField(max_length=200)
    kind = models.CharField(max_length=9, choices=Kind.choices)
    decided_at = models.DateTimeField()
    decided_by = models.CharField(max_length=150, default="worker")
    evidence = models.JSONField()
    reversed_at = models.DateTimeField(null=True, blank=True)
    reversed_by = models.CharField(max_length=150, blank=True)
    reason = models.CharField(max_length=500, blank=True, help_text="Why it was taken back.")

    class Meta:
        ordering = ["-decided_at", "-id"]
        constraints = [
            models.UniqueConstraint(
                fields=["campaign", "item"], condition=Q(reversed_at__isnull=True), name="one_outcome_in_force"
            ),
            models.CheckConstraint(
                condition=Q(reversed_at__isnull=True) | ~Q(reason=""), name="who_takes_back_says_why"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.item} {self.kind}"


class CampaignLook(models.Model):
    """What a campaign was worth and whether it does harm, as it was read at one time. Never changed."""

    campaign = models.ForeignKey(Campaign, on_delete=models.CASCADE, related_name="looks")
    number = models.PositiveIntegerField()
    computed_at = models.DateTimeField(auto_now_add=True)
    until = models.DateTimeField(help_text="Events before this were read.")
    results = models.JSONField()

    class Meta:
        ordering = ["campaign", "-number"]
        get_latest_by = "number"
        constraints = [models.UniqueConstraint(fields=["campaign", "number"], name="campaign_look_once")]

    def __str__(self) -> str:
        return f"{self.campaign_id} look {self.number}"


class Simulation(models.Model):
    """A campaign played through before it starts, with two or three settings side by side."""

    class State(models.TextChoices):
        WAITING = "waiting"
        RUNNING = "running"
        DONE = "done"
        FAILED = "failed"

    campaign = models.ForeignKey(Campaign, on_delete=models.CASCADE, related_name="simulations")
    asked = models.JSONField(help_text="Days, repetitions, and settings by name.")
    state = models.CharField(max_length=7, choices=State.choices, default=State.WAITING)
    progress = models.FloatField(default=0, help_text="Share that is done.")
    results = models.JSONField(null=True)
    why = models.CharField(max_length=500, blank=True, help_text="Why it failed.")
    created_by = models.CharField(max_length=150)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["-id"]

    def __str__(self) -> str:
        return f"simulation {self.pk}"
