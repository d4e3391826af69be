"""Experiments, their arms, and what was found at each look."""

from decimal import Decimal

from django.contrib.postgres.constraints import ExclusionConstraint
from django.contrib.postgres.fields import ArrayField, IntegerRangeField, RangeOperators
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


class SavedGroup(models.Model):
    """A long list of values with a name: conditions say {"user_id": {"$inGroup": "testers"}}."""

    key = models.CharField(max_length=100, unique=True, validators=[key_validator])
    name = models.CharField(max_length=200)
    description = models.TextField(blank=True)
    attribute = models.CharField(max_length=100, blank=True, help_text="What its values are of: user_id, country, …")
    values = models.JSONField(default=list, blank=True, help_text="Texts or numbers, at most 100,000.")

    class Meta:
        ordering = ["key"]

    def __str__(self) -> str:
        return self.name


class Status(models.TextChoices):
    DRAFT = "draft"
    IN_REVIEW = "in_review", "In review"
    SCHEDULED = "scheduled"
    RUNNING = "running"
    PAUSED = "paused"
    STOPPED = "stopped"
    DECIDED = "decided"
    ARCHIVED = "archived"


PLANNED = (Status.DRAFT, Status.IN_REVIEW, Status.SCHEDULED)  # nobody has been let in yet
LIVE = (Status.RUNNING, Status.PAUSED)  # holds its buckets; a paused one lets nobody new in


class Decision(models.TextChoices):
    SHIPPED = "shipped"
    REJECTED = "rejected"
    INCONCLUSIVE = "inconclusive"


class Type(models.TextChoices):
    AB = "ab", "A/B test"
    AA = "aa", "A/A test: the arms are the same"
    SWITCHBACK = "switchback", "Switchback: whole scenarios switch arm by the hour"
    INTERLEAVING = "interleaving", "Interleaving: two rankers share one list"
    HOLDOUT = "holdout", "Holdout: all that was shipped against none of it"


class Unit(models.TextChoices):
    USER = "user_id", "User"
    DEVICE = "device_id", "Device"
    SESSION = "session_id", "Session"
    MERCHANT = "merchant_id", "Merchant"
    ITEM = "item_id", "Item"


class Analysis(models.TextChoices):
    GROUP_SEQUENTIAL = "group_sequential", "Group sequential: look daily, decide when the bound is crossed"
    ALWAYS_VALID = "always_valid", "Always valid: look whenever you like, wider intervals"
    FIXED = "fixed", "Fixed horizon: one decision at the planned end"


class Spending(models.TextChoices):
    OBRIEN_FLEMING = "obrien_fleming", "O'Brien-Fleming: strict at first, almost nothing lost at the end"
    POCOCK = "pocock", "Pocock: the same bound at every look"


class Prior(models.TextChoices):
    HISTORY = "history", "Fitted to past experiments"
    FLAT = "flat", "Flat: the data alone"
    OWN = "own", "Own"


class Correction(models.TextChoices):
    HOLM = "holm", "Holm: no false alarm at all"
    BENJAMINI_HOCHBERG = "bh", "Benjamini-Hochberg: few among the alarms"


class Experiment(models.Model):
    key = models.CharField(max_length=100, unique=True, validators=[key_validator])
    name = models.CharField(max_length=200)
    type = models.CharField(max_length=12, choices=Type.choices, default=Type.AB)
    hypothesis = models.TextField(blank=True, help_text="What you expect to change, for whom, and why.")
    owner = models.ForeignKey(User, on_delete=models.PROTECT, null=True, blank=True)
    tags = ArrayField(models.CharField(max_length=50), default=list, blank=True)
    links = models.JSONField(default=list, blank=True, help_text="[{“label”: “design”, “url”: “https://…”}]")
    is_template = models.BooleanField(default=False, help_text="Never starts; others are copied from it.")
    copied_from = models.ForeignKey(
        "self", on_delete=models.SET_NULL, null=True, blank=True, editable=False, related_name="copies"
    )
    scenarios = models.ManyToManyField(Scenario, related_name="experiments")
    unit = models.CharField(max_length=12, choices=Unit.choices, default=Unit.USER)
    cluster = models.CharField(
        max_length=12,
        choices=Unit.choices,
        blank=True,
        help_text="Units of one cluster resemble each other: errors are counted over clusters.",
    )
    switch_hours = models.PositiveSmallIntegerField(
        default=24, validators=[MinValueValidator(1), MaxValueValidator(168)], help_text="Of a switchback: one window."
    )
    burn_in_minutes = models.PositiveSmallIntegerField(
        default=0, help_text="Of a switchback: start of every window that is left out, for what carries over."
    )
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
    targeting = models.JSONField(
        default=dict,
        blank=True,
        help_text="Who may take part, by attributes of the request: {“country”: {“$in”: [“IN”, “BR”]}}; empty: all.",
    )
    coverage = models.DecimalField(
        max_digits=5,
        decimal_places=4,
        default=Decimal(1),
        validators=[MinValueValidator(Decimal(0)), MaxValueValidator(Decimal(1))],
        help_text="Share of the units that take part, from 0 to 1.",
    )
    sticky = models.BooleanField(
        default=False,
        help_text="A unit keeps the arm it has met, whatever becomes of weights, coverage or targeting: the caller "
        "sends back what the last answer gave it to keep.",
    )
    fallback = models.CharField(
        max_length=12,
        choices=Unit.choices,
        blank=True,
        help_text="Of a sticky one: the id that stands in where the unit's own is missing.",
    )
    testers = models.JSONField(
        default=dict, blank=True, editable=False, help_text="{id: arm}: who always sees this arm, and is never counted."
    )
    pieces = models.JSONField(
        default=dict, blank=True, editable=False, help_text="{arm: [[start, end, low, high], …]}: docs/methods.md."
    )
    dealt_in = models.PositiveIntegerField(default=1, editable=False, help_text="Phase in which units were dealt anew.")
    refused_before = models.PositiveIntegerField(
        default=0, editable=False, help_text="Of a sticky one: units that met an earlier deal take no part."
    )
    status = models.CharField(max_length=10, choices=Status.choices, default=Status.DRAFT, editable=False)
    phase = models.PositiveIntegerField(default=1, editable=False)
    confidence = models.DecimalField(
        max_digits=4,
        decimal_places=3,
        default=Decimal("0.95"),
        validators=[MinValueValidator(Decimal("0.5")), MaxValueValidator(Decimal("0.999"))],
    )
    analysis = models.CharField(max_length=16, choices=Analysis.choices, default=Analysis.GROUP_SEQUENTIAL)
    spending = models.CharField(max_length=16, choices=Spending.choices, default=Spending.OBRIEN_FLEMING)
    correction = models.CharField(max_length=4, choices=Correction.choices, default=Correction.HOLM)
    prior = models.CharField(max_length=8, choices=Prior.choices, default=Prior.HISTORY)
    prior_mean = models.FloatField(default=0.0, help_text="Of an own prior: expected lift, 0.01 = +1 %.")
    prior_sd = models.FloatField(
        default=0.05,
        validators=[MinValueValidator(1e-6)],
        help_text="Of an own prior: standard deviation of lifts.",
    )
    cuped = models.BooleanField("CUPED", default=True, help_text="Adjust for what each unit did before exposure.")
    pre_days = models.PositiveSmallIntegerField(
        default=14, validators=[MinValueValidator(1), MaxValueValidator(60)], help_text="Days before exposure it reads."
    )
    slices = ArrayField(
        models.CharField(max_length=50),
        default=list,
        blank=True,
        help_text="Segments that are compared: country, platform, visitor, category, recall_source.",
    )
    planned_days = models.PositiveIntegerField(
        default=14, validators=[MinValueValidator(1), MaxValueValidator(365)], help_text="Run at least this long."
    )
    planned_units = models.PositiveBigIntegerField(
        null=True, blank=True, help_text="Units of all arms it was planned for; empty: what the days bring."
    )
    holdback = models.DecimalField(
        max_digits=4,
        decimal_places=3,
        default=Decimal(0),
        validators=[MinValueValidator(Decimal(0)), MaxValueValidator(Decimal("0.5"))],
        help_text="Share that stays in the control after shipping, to watch the long run.",
    )
    metrics = models.ManyToManyField(Metric, through="ExperimentMetric")
    submitted_by = models.CharField(max_length=200, blank=True, editable=False)
    reviewed_by = models.CharField(max_length=200, blank=True, editable=False)
    review_note = models.TextField(blank=True, editable=False)
    scheduled_for = models.DateTimeField(null=True, blank=True, editable=False)
    started_at = models.DateTimeField(null=True, blank=True, editable=False)
    paused_at = models.DateTimeField(null=True, blank=True, editable=False)
    stopped_at = models.DateTimeField(null=True, blank=True, editable=False)
    decision = models.CharField(max_length=12, choices=Decision.choices, blank=True, editable=False)
    decided_at = models.DateTimeField(null=True, blank=True, editable=False)
    decided_by = models.CharField(max_length=200, blank=True, editable=False)
    decision_note = models.TextField(blank=True, editable=False, help_text="Why, for those who ask in a year.")
    decision_look = models.PositiveIntegerField(null=True, blank=True, editable=False)
    shipped_arm = models.CharField(max_length=100, blank=True, editable=False)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["-created_at"]
        constraints = [
            models.CheckConstraint(
                condition=models.Q(first_bucket__lt=models.F("end_bucket")) & models.Q(end_bucket__lte=BUCKETS),
                name="buckets_span_something",
            ),
            models.CheckConstraint(
                condition=models.Q(status__in=[*PLANNED, Status.ARCHIVED]) | models.Q(started_at__isnull=False),
                name="started_has_a_time",
            ),
            models.CheckConstraint(
                condition=~models.Q(status=Status.DECIDED) | ~models.Q(decision=""), name="decided_says_what"
            ),
            models.CheckConstraint(
                condition=models.Q(is_template=False) | models.Q(status__in=[Status.DRAFT, Status.ARCHIVED]),
                name="template_never_starts",
            ),
        ]

    def __str__(self) -> str:
        return self.name


class FurtherLayer(models.Model):
    """A share of one more layer: its units must lie in the buckets of every layer it claims."""

    experiment = models.ForeignKey(Experiment, on_delete=models.CASCADE, related_name="further_layers")
    layer = models.ForeignKey(Layer, on_delete=models.PROTECT)
    first_bucket = models.PositiveIntegerField(default=0, validators=[MaxValueValidator(BUCKETS - 1)])
    end_bucket = models.PositiveIntegerField(
        default=BUCKETS, validators=[MinValueValidator(1), MaxValueValidator(BUCKETS)]
    )

    class Meta:
        ordering = ["experiment", "layer"]
        constraints = [
            models.UniqueConstraint(fields=["experiment", "layer"], name="further_layer_once"),
            models.CheckConstraint(
                condition=models.Q(first_bucket__lt=models.F("end_bucket")) & models.Q(end_bucket__lte=BUCKETS),
                name="further_buckets_span_something",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.experiment_id} in {self.layer_id}: {self.first_bucket} to {self.end_bucket}"


class Prerequisite(models.Model):
    """Its units must be in one of these arms of another experiment."""

    experiment = models.ForeignKey(Experiment, on_delete=models.CASCADE, related_name="requires")
    required = models.ForeignKey(Experiment, on_delete=models.PROTECT, related_name="required_by")
    arms = ArrayField(models.CharField(max_length=100), help_text="Keys of arms; the unit must be in one of them.")

    class Meta:
        ordering = ["experiment", "required"]
        constraints = [
            models.UniqueConstraint(fields=["experiment", "required"], name="required_once"),
            models.CheckConstraint(
                condition=~models.Q(required=models.F("experiment")), name="nothing_requires_itself"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.experiment_id} requires {self.required_id}"


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
    version = models.PositiveIntegerField(
        null=True, blank=True, editable=False, help_text="Of the definition, pinned at the start."
    )

    class Meta:
        ordering = ["experiment", "id"]
        constraints = [models.UniqueConstraint(fields=["experiment", "metric"], name="metric_once")]

    def __str__(self) -> str:
        return f"{self.metric_id} ({self.role})"


class Claim(models.Model):
    """Buckets of a layer that an experiment holds, or held until `released_at`. The database refuses an overlap.

    One built-in range carries layer and buckets, `layer id x 10,000 + bucket`: the embedded server has no btree_gist.
    """

    experiment = models.ForeignKey(Experiment, on_delete=models.CASCADE, related_name="claims")
    layer = models.ForeignKey(Layer, on_delete=models.PROTECT, related_name="claims")
    span = IntegerRangeField()
    claimed_at = models.DateTimeField()
    released_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["claimed_at"]
        constraints = [
            ExclusionConstraint(
                name="buckets_held_once",
                expressions=[("span", RangeOperators.OVERLAPS)],
                condition=models.Q(released_at__isnull=True),
            )
        ]

    def __str__(self) -> str:
        return f"{self.experiment_id} holds {self.span}"

    @property
    def first_bucket(self) -> int:
        return int(self.span.lower) % BUCKETS

    @property
    def end_bucket(self) -> int:
        return int(self.span.upper - self.span.lower) + self.first_bucket


class Phase(models.Model):
    """A stretch of time in which nobody changed arm: a change of weights or arms opens the next, a ramp does not."""

    experiment = models.ForeignKey(Experiment, on_delete=models.CASCADE, related_name="phases")
    number = models.PositiveIntegerField()
    weights = models.JSONField(help_text="{arm: share of the units} in force.")
    started_at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True, blank=True)
    reason = models.CharField(max_length=500, blank=True)

    class Meta:
        ordering = ["experiment", "number"]
        constraints = [models.UniqueConstraint(fields=["experiment", "number"], name="phase_number_once")]

    def __str__(self) -> str:
        return f"{self.experiment_id} phase {self.number}"


class RampStage(models.Model):
    """One step of a ramp: cover so many, hold so long, and go on only with enough units and unharmed guardrails."""

    class Outcome(models.TextChoices):
        WAITING = "waiting"
        HOLDING = "holding"
        ADVANCED = "advanced"
        ROLLED_BACK = "rolled_back", "rolled back"

    experiment = models.ForeignKey(Experiment, on_delete=models.CASCADE, related_name="ramp")
    position = models.PositiveSmallIntegerField()
    coverage = models.DecimalField(
        max_digits=5, decimal_places=4, validators=[MinValueValidator(Decimal("0.0001")), MaxValueValidator(Decimal(1))]
    )
    hold_hours = models.PositiveIntegerField(default=24)
    least_units = models.PositiveBigIntegerField(default=0, help_text="Units of all arms before it may go on.")
    outcome = models.CharField(max_length=12, choices=Outcome.choices, default=Outcome.WAITING, editable=False)
    entered_at = models.DateTimeField(null=True, blank=True, editable=False)
    left_at = models.DateTimeField(null=True, blank=True, editable=False)
    evidence = models.JSONField(default=dict, blank=True, editable=False, help_text="What the gate saw.")

    class Meta:
        ordering = ["experiment", "position"]
        constraints = [models.UniqueConstraint(fields=["experiment", "position"], name="ramp_position_once")]

    def __str__(self) -> str:
        return f"{self.experiment_id} to {self.coverage}"


class Comment(models.Model):
    """What somebody said about an experiment. The database refuses to change or delete it."""

    experiment = models.ForeignKey(Experiment, on_delete=models.PROTECT, related_name="comments")
    author = models.CharField(max_length=200)
    at = models.DateTimeField(auto_now_add=True)
    text = models.TextField(max_length=10_000)

    class Meta:
        ordering = ["experiment", "at"]

    def __str__(self) -> str:
        return f"{self.author}: {self.text[:60]}"


class Progress(models.Model):
    """How far the analysis that runs now, or ran last, has come."""

    experiment = models.OneToOneField(Experiment, on_delete=models.CASCADE, related_name="progress")
    stage = models.CharField(max_length=100)
    share = models.FloatField(default=0.0, help_text="Done, from 0 to 1.")
    asked_at = models.DateTimeField()
    finished_at = models.DateTimeField(null=True, blank=True)
    failure = models.TextField(blank=True, help_text="Why it ended without a look, in words.")

    def __str__(self) -> str:
        return f"{self.experiment_id}: {self.stage}"


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


class Redrawn(models.Model):
    """A look checked by the bootstrap, on demand."""

    look = models.OneToOneField(Look, on_delete=models.PROTECT, related_name="redrawn")
    made_at = models.DateTimeField(auto_now_add=True)
    draws = models.PositiveIntegerField()
    results = models.JSONField(help_text="[{metric, arm, buckets, difference, lift, se}]: docs/methods.md.")

    def __str__(self) -> str:
        return f"{self.look}, drawn again"
