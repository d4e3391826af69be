"""What is measured, how that was defined over time, what money was worth, and what was measured per scenario."""

from decimal import Decimal

from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.core.exceptions import ValidationError
from django.core.validators import MaxValueValidator, MinValueValidator, RegexValidator
from django.db import models

from firstlight.accounts.models import User
from firstlight.catalog.models import Scenario, key_validator
from firstlight.metrics import faults

currency_validator = RegexValidator(r"^[A-Z]{3}\Z", "Three capital letters, as in INR.")
MOST_HOURS = 24 * 366


class Kind(models.TextChoices):
    PROPORTION = "proportion", "Share of units that did it"
    MEAN = "mean", "Mean per unit"
    RATIO = "ratio", "Ratio of two sums (delta method)"
    QUANTILE = "quantile", "Quantile of units or of events"
    RETENTION = "retention", "Share of units that came back to do it"
    FUNNEL = "funnel", "Share that took all steps, of those that took the first"


class Value(models.TextChoices):
    """What one event adds."""

    COUNT = "count", "1 per event"
    VALUE = "value", "the event's value (money)"
    NET = "net", "value of orders less refunds and cancellations"
    DISTINCT = "distinct", "1 per value of a field not met before"


class Per(models.TextChoices):
    """What a quantile is of."""

    UNIT = "unit", "units' sums"
    EVENT = "event", "single events"


class Direction(models.TextChoices):
    INCREASE = "increase", "More is better"
    DECREASE = "decrease", "Less is better"


class Objective(models.TextChoices):
    USER = "user"
    MERCHANT = "merchant"
    PLATFORM = "platform"


class Metric(models.Model):
    """A definition, as it stands now; `versions` keeps how it stood before.

    A filter is a list of `{"field": …, "op": "eq"|"ne"|"in"|"gt"|"ge"|"lt"|"le", "value": …}`, all of which must hold;
    a field is a column of the event table. A step of a funnel is `{"event": …, "filters": […]}`.
    """

    key = models.CharField(max_length=100, unique=True, validators=[key_validator])
    name = models.CharField(max_length=200)
    description = models.TextField(blank=True)
    owner = models.ForeignKey(
        User, on_delete=models.SET_NULL, null=True, blank=True, help_text="Who answers for what it means."
    )
    tags = ArrayField(models.CharField(max_length=50), default=list, blank=True, help_text="Separated by commas.")
    certified = models.BooleanField(
        default=False, help_text="Checked by somebody who may vouch for it; a change of the definition takes it away."
    )
    version = models.PositiveIntegerField(default=1, editable=False, help_text="Number of the newest definition.")

    kind = models.CharField(max_length=12, choices=Kind.choices)
    numerator_event = models.CharField(
        max_length=100, blank=True, help_text="click, order, x.shared, … A funnel has steps instead."
    )
    numerator_value = models.CharField(max_length=8, choices=Value.choices, default=Value.COUNT)
    numerator_field = models.CharField(
        max_length=40, blank=True, help_text="What is counted distinct: item_id, merchant_id, session_id, …"
    )
    numerator_filter = models.JSONField(default=list, blank=True)
    denominator_event = models.CharField(max_length=100, blank=True, help_text="For a ratio: impression, order, …")
    denominator_value = models.CharField(max_length=8, choices=Value.choices, default=Value.COUNT, blank=True)
    denominator_field = models.CharField(max_length=40, blank=True, help_text="What is counted distinct.")
    denominator_filter = models.JSONField(default=list, blank=True)
    steps = models.JSONField(
        default=list, blank=True, help_text="For a funnel: 2 to 10 steps in order, the first included."
    )
    quantile = models.FloatField(null=True, blank=True, help_text="For a quantile: 0.5 is the median, 0.9 the P90.")
    per = models.CharField(max_length=5, choices=Per.choices, default=Per.UNIT, help_text="What a quantile is of.")

    delay_hours = models.PositiveIntegerField(
        default=0,
        validators=[MaxValueValidator(MOST_HOURS)],
        help_text="Events sooner after the unit's exposure do not count.",
    )
    window_hours = models.PositiveIntegerField(
        null=True,
        blank=True,
        validators=[MinValueValidator(1), MaxValueValidator(MOST_HOURS)],
        help_text="Attribution window from the unit's exposure; empty counts all until the look.",
    )
    maturity_hours = models.PositiveIntegerField(
        default=0,
        validators=[MaxValueValidator(MOST_HOURS)],
        help_text="A unit counts only so long after its window has closed, for refunds come late. 0 counts it at once.",
    )
    in_scenario = models.BooleanField(
        default=True, help_text="Count only events in the experiment's scenarios; off counts them everywhere."
    )
    cap_value = models.FloatField(
        null=True, blank=True, help_text="What one unit adds is cut here, in the metric's own unit."
    )
    cap_share = models.FloatField(
        null=True, blank=True, help_text="0.999 cuts at the P99.9 of all units with any, arms together."
    )
    currency = models.CharField(
        max_length=3,
        blank=True,
        validators=[currency_validator],
        help_text="What money is converted to by the rate of its day; empty leaves it as it comes.",
    )
    direction = models.CharField(max_length=8, choices=Direction.choices, default=Direction.INCREASE)
    objective = models.CharField(max_length=8, choices=Objective.choices, default=Objective.USER)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["key"]
        permissions = [("certify_metric", "Can certify metric")]
        constraints = [
            models.CheckConstraint(
                condition=models.Q(kind=Kind.RATIO) ^ models.Q(denominator_event=""),
                name="only_a_ratio_has_denominator",
            ),
            models.CheckConstraint(
                condition=models.Q(kind=Kind.FUNNEL, numerator_event="") & ~models.Q(steps=[])
                | ~models.Q(kind=Kind.FUNNEL) & ~models.Q(numerator_event="") & models.Q(steps=[]),
                name="a_funnel_has_steps_all_else_a_numerator",
            ),
            models.CheckConstraint(
                condition=models.Q(kind=Kind.QUANTILE, quantile__isnull=False, quantile__gt=0, quantile__lt=1)
                | ~models.Q(kind=Kind.QUANTILE) & models.Q(quantile__isnull=True, per=Per.UNIT),
                name="only_a_quantile_has_one",
            ),
            models.CheckConstraint(
                condition=~models.Q(kind=Kind.RETENTION) | models.Q(window_hours__isnull=False),
                name="who_returns_does_so_in_a_window",
            ),
            models.CheckConstraint(
                condition=models.Q(window_hours__isnull=True) | models.Q(window_hours__gt=models.F("delay_hours")),
                name="window_closes_after_the_delay",
            ),
            models.CheckConstraint(
                condition=models.Q(cap_value__isnull=True) | models.Q(cap_value__gt=0, cap_share__isnull=True),
                name="one_cap_at_most_above_zero",
            ),
            models.CheckConstraint(
                condition=models.Q(cap_share__isnull=True) | models.Q(cap_share__gt=0, cap_share__lt=1),
                name="cap_share_is_a_share",
            ),
            models.CheckConstraint(
                condition=models.Q(numerator_value=Value.DISTINCT) ^ models.Q(numerator_field=""),
                name="numerator_field_is_of_distinct",
            ),
            models.CheckConstraint(
                condition=models.Q(denominator_value=Value.DISTINCT) ^ models.Q(denominator_field=""),
                name="denominator_field_is_of_distinct",
            ),
        ]

    def __str__(self) -> str:
        return self.name

    def clean(self) -> None:
        """What can be saved can be counted: each fault stands at its field."""
        values = {name: getattr(self, name) for name in faults.FIELDS}
        if found := faults.by_field(faults.of_metric(values)):
            raise ValidationError(found)


class MetricVersion(models.Model):
    """How a metric was defined from `at` on. The database lets nobody change or delete a row."""

    metric = models.ForeignKey(Metric, on_delete=models.PROTECT, related_name="versions")
    number = models.PositiveIntegerField()
    definition = models.JSONField(help_text="As `Definition.stored` writes it.")
    changed_by = models.CharField(max_length=150, help_text="Username or key, as in the audit trail.")
    at = models.DateTimeField()
    note = models.CharField(max_length=500, blank=True)

    class Meta:
        ordering = ["-number"]
        constraints = [
            models.UniqueConstraint(fields=["metric", "number"], name="one_definition_per_number"),
            models.CheckConstraint(condition=models.Q(number__gte=1), name="versions_count_from_one"),
        ]

    def __str__(self) -> str:
        return f"version {self.number}"


class Rate(models.Model):
    """What one unit of a currency was worth in the base currency (setting BASE_CURRENCY) on a day."""

    currency = models.CharField(max_length=3, validators=[currency_validator])
    day = models.DateField(help_text="UTC. A day without a rate takes the last one before it.")
    per_unit = models.DecimalField(
        max_digits=24,
        decimal_places=12,
        validators=[MinValueValidator(Decimal("1e-12"))],
        help_text="Worth of 1 in the base currency.",
    )

    class Meta:
        ordering = ["-day", "currency"]
        constraints = [
            models.UniqueConstraint(fields=["currency", "day"], name="one_rate_a_day"),
            models.CheckConstraint(condition=models.Q(per_unit__gt=0), name="rate_is_above_zero"),
            models.CheckConstraint(condition=models.Q(currency__regex=r"^[A-Z]{3}$"), name="currency_is_a_code"),
        ]

    def __str__(self) -> str:
        return f"{self.currency} on {self.day}"

    def clean(self) -> None:
        if self.currency == settings.BASE_CURRENCY:
            raise ValidationError({"currency": f"{self.currency} is the base currency, worth 1 on every day."})


class Grain(models.TextChoices):
    HOUR = "hour"
    DAY = "day"


class MeasuredDay(models.Model):
    """How far the measures of one UTC day follow the lake. Behind when `touched` is ahead of `measured`."""

    day = models.DateField(primary_key=True)
    touched = models.BigIntegerField(help_text="Last batch of the lake that brought what may change this day.")
    measured = models.BigIntegerField(default=0, help_text="Batch up to which its measures count.")

    class Meta:
        ordering = ["day"]

    def __str__(self) -> str:
        return f"{self.day}: {self.measured} of {self.touched}"


class ScenarioMeasure(models.Model):
    """One scenario in one hour or day, whole (`recall_source` = "") or for one recall source.

    Events add up over recall sources and windows, units do not; shares do not exist here, they are divided when read.
    `gross` and `net` are sums per currency as JSON, for sums over currencies have no meaning.
    """

    scenario = models.ForeignKey(Scenario, on_delete=models.CASCADE, related_name="measures")
    grain = models.CharField(max_length=4, choices=Grain.choices)
    starts_at = models.DateTimeField()
    recall_source = models.CharField(max_length=200, blank=True)
    impressions = models.BigIntegerField()
    clicks = models.BigIntegerField()
    clicked_impressions = models.BigIntegerField(
        help_text="Impressions with a click on the same item in the same view."
    )
    carts = models.BigIntegerField()
    orders = models.BigIntegerField()
    units = models.BigIntegerField(help_text="Units seen.")
    buyers = models.BigIntegerField(help_text="Units with an order.")
    returning_units = models.BigIntegerField(help_text="Units also seen in the seven days before.")
    gross = models.JSONField(default=dict, help_text="{currency: decimal string} of orders.")
    net = models.JSONField(
        default=dict, help_text="{currency: decimal string} of orders less refunds and cancellations."
    )
    measured_at = models.DateTimeField()

    class Meta:
        ordering = ["starts_at"]
        constraints = [
            models.UniqueConstraint(
                fields=["scenario", "grain", "recall_source", "starts_at"], name="one_measure_per_window"
            )
        ]

    def __str__(self) -> str:
        return f"{self.scenario_id} {self.grain} {self.starts_at:%Y-%m-%d %H:%M} {self.recall_source}"
