"""Experiments, their arms, and what was found at each look."""

from decimal import Decimal

from django.contrib.postgres.constraints import ExclusionConstraint
from django.contrib.postgres.fields import IntegerRangeField, RangeOperators
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models

from firstlight.accounts.models import User
from firstlight.catalog.models import Scenario, key_validator
from firstlight.metrics.models import Metric

BUCKETS = 10_000  # the resolution of the hash: a bucket is one ten-thousandth of a layer


class Layer(models.Model):
    """A set of parameters whose experiments exclude each other; experiments in different layers overlap."""

    key = models.CharField(max_length=100, unique=True, validators=[key_validator])
    name = models.CharField(max_length=200)
    description = models.TextField(blank=True)

    class Meta:
        ordering = ["key"]

    def __str__(self) -> str:
        return self.name


class Status(models.TextChoices):
    DRAFT = "draft"
    RUNNING = "running"
    STOPPED = "stopped"


class Unit(models.TextChoices):
    USER = "user_id", "User"
    DEVICE = "device_id", "Device"
    SESSION = "session_id", "Session"
    MERCHANT = "merchant_id", "Merchant"
    ITEM = "item_id", "Item"


class Experiment(models.Model):
    key = models.CharField(max_length=100, unique=True, validators=[key_validator])
    name = models.CharField(max_length=200)
    hypothesis = models.TextField(blank=True, help_text="What you expect to change, for whom, and why.")
    owner = models.ForeignKey(User, on_delete=models.PROTECT, null=True, blank=True)
    scenarios = models.ManyToManyField(Scenario, related_name="experiments")
    unit = models.CharField(max_length=12, choices=Unit.choices, default=Unit.USER)
    layer = models.ForeignKey(
        Layer, on_delete=models.PROTECT, null=True, blank=True, help_text="Empty: overlaps with every other experiment."
    )
    first_bucket = models.PositiveIntegerField(
        default=0, validators=[MaxValueValidator(BUCKETS - 1)], help_text="Start of its share of the layer, 0 to 9,999."
    )
    end_bucket = models.PositiveIntegerField(
        default=BUCKETS,
        validators=[MinValueValidator(1), MaxValueValidator(BUCKETS)],
        help_text="End of its share of the layer, not included.",
    )
    coverage = models.DecimalField(
        max_digits=5,
        decimal_places=4,
        default=Decimal(1),
        validators=[MinValueValidator(Decimal(0)), MaxValueValidator(Decimal(1))],
        help_text="Share of the units that take part, from 0 to 1.",
    )
    status = models.CharField(max_length=8, choices=Status.choices, default=Status.DRAFT, editable=False)
    phase = models.PositiveIntegerField(default=1, editable=False)
    confidence = models.DecimalField(
        max_digits=4,
        decimal_places=3,
        default=Decimal("0.95"),
        validators=[MinValueValidator(Decimal("0.5")), MaxValueValidator(Decimal("0.999"))],
    )
    planned_days = models.PositiveIntegerField(
        default=14, validators=[MinValueValidator(1), MaxValueValidator(365)], help_text="Run at least this long."
    )
    metrics = models.ManyToManyField(Metric, through="ExperimentMetric")
    started_at = models.DateTimeField(null=True, blank=True, editable=False)
    stopped_at = models.DateTimeField(null=True, blank=True, editable=False)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["-created_at"]
        constraints = [
            models.CheckConstraint(
                condition=models.Q(first_bucket__lt=models.F("end_bucket")) & models.Q(end_bucket__lte=BUCKETS),
                name="buckets_span_something",
            ),
            models.CheckConstraint(
                condition=models.Q(status=Status.DRAFT) | models.Q(started_at__isnull=False), name="started_has_a_time"
            ),
        ]

    def __str__(self) -> str:
        return self.name


class Arm(models.Model):
    """One variant. The arm with the lowest position is the control."""

    experiment = models.ForeignKey(Experiment, on_delete=models.CASCADE, related_name="arms")
    position = models.PositiveSmallIntegerField(default=0, help_text="0 is the control.")
    key = models.CharField(max_length=100, validators=[key_validator])
    name = models.CharField(max_length=200, blank=True)
    weight = models.DecimalField(
        max_digits=5,
        decimal_places=4,
        validators=[MinValueValidator(Decimal(0)), MaxValueValidator(Decimal(1))],
        help_text="Share of the units; the arms sum to 1.",
    )
    parameters = models.JSONField(default=dict, blank=True, help_text="What the recommender reads: {“ranker”: “din”}.")
    objective_weights = models.JSONField(
        null=True, blank=True, help_text="{“user”: 0.6, “merchant”: 0.2, “platform”: 0.2}; empty: the scenario's own."
    )

    class Meta:
        ordering = ["experiment", "position"]
        constraints = [
            models.UniqueConstraint(fields=["experiment", "key"], name="arm_key_once"),
            models.UniqueConstraint(fields=["experiment", "position"], name="arm_position_once"),
        ]

    def __str__(self) -> str:
        return self.name or self.key


class MetricRole(models.TextChoices):
    PRIMARY = "primary", "Goal: decides"
    SECONDARY = "secondary", "Shown"
    GUARDRAIL = "guardrail", "Must not get worse than the margin"


class ExperimentMetric(models.Model):
    experiment = models.ForeignKey(Experiment, on_delete=models.CASCADE, related_name="measured")
    metric = models.ForeignKey(Metric, on_delete=models.PROTECT)
    role = models.CharField(max_length=10, choices=MetricRole.choices, default=MetricRole.PRIMARY)
    margin = models.DecimalField(
        max_digits=4,
        decimal_places=3,
        default=Decimal("0.02"),
        validators=[MinValueValidator(Decimal(0)), MaxValueValidator(Decimal("0.5"))],
        help_text="For a guardrail: the relative loss that would still be borne, 0.02 = 2 %.",
    )

    class Meta:
        ordering = ["experiment", "id"]
        constraints = [models.UniqueConstraint(fields=["experiment", "metric"], name="metric_once")]

    def __str__(self) -> str:
        return f"{self.metric_id} ({self.role})"


class Claim(models.Model):
    """The buckets of a layer that a running experiment holds. Overlap is refused by the database itself.

    One built-in range carries layer and buckets, `layer id x 10,000 + bucket`: the embedded server has no btree_gist.
    """

    experiment = models.OneToOneField(Experiment, on_delete=models.CASCADE, related_name="claim")
    span = IntegerRangeField()

    class Meta:
        constraints = [ExclusionConstraint(name="buckets_held_once", expressions=[("span", RangeOperators.OVERLAPS)])]

    def __str__(self) -> str:
        return f"{self.experiment_id} holds {self.span}"


class Look(models.Model):
    """One stored analysis. The database refuses to change or delete it."""

    experiment = models.ForeignKey(Experiment, on_delete=models.PROTECT, related_name="looks")
    number = models.PositiveIntegerField()
    computed_at = models.DateTimeField(auto_now_add=True)
    until = models.DateTimeField(help_text="Events before this time were counted.")
    batch = models.BigIntegerField(help_text="Last batch of the lake that was read.")
    verdict = models.CharField(max_length=20, help_text="ship, keep running, end, abort, cannot tell")
    sentence = models.TextField()
    results = models.JSONField(help_text="Arms, moments, estimates, health, reasons: docs/methods.md.")

    class Meta:
        ordering = ["experiment", "-number"]
        get_latest_by = "number"
        constraints = [models.UniqueConstraint(fields=["experiment", "number"], name="look_number_once")]

    def __str__(self) -> str:
        return f"{self.experiment_id} look {self.number}"
