"""What is measured, and what was measured per scenario."""

from django.core.exceptions import ValidationError
from django.core.validators import MinValueValidator
from django.db import models

from firstlight.catalog.models import Scenario, key_validator
from firstlight.metrics import definitions


class Kind(models.TextChoices):
    PROPORTION = "proportion", "Share of units that did it"
    MEAN = "mean", "Mean per unit"
    RATIO = "ratio", "Ratio of two sums (delta method)"


class Value(models.TextChoices):
    """What one event adds."""

    COUNT = "count", "1 per event"
    VALUE = "value", "the event's value (money)"


class Direction(models.TextChoices):
    INCREASE = "increase", "More is better"
    DECREASE = "decrease", "Less is better"


class Objective(models.TextChoices):
    USER = "user"
    MERCHANT = "merchant"
    PLATFORM = "platform"


class Metric(models.Model):
    """A definition. A mean sums the numerator per unit; a proportion asks if there was any; a ratio divides two sums.

    A filter is a list of `{"field": …, "op": "eq"|"ne"|"in"|"gt"|"ge"|"lt"|"le", "value": …}`, all of which must hold;
    a field is a column of the event table.
    """

    key = models.CharField(max_length=100, unique=True, validators=[key_validator])
    name = models.CharField(max_length=200)
    description = models.TextField(blank=True)
    kind = models.CharField(max_length=12, choices=Kind.choices)
    numerator_event = models.CharField(max_length=100, help_text="click, order, x.shared, …")
    numerator_value = models.CharField(max_length=8, choices=Value.choices, default=Value.COUNT)
    numerator_filter = models.JSONField(default=list, blank=True)
    denominator_event = models.CharField(max_length=100, blank=True, help_text="For a ratio: impression, order, …")
    denominator_value = models.CharField(max_length=8, choices=Value.choices, default=Value.COUNT, blank=True)
    denominator_filter = models.JSONField(default=list, blank=True)
    window_hours = models.PositiveIntegerField(
        null=True,
        blank=True,
        validators=[MinValueValidator(1)],
        help_text="Attribution window from the unit's exposure; empty counts all until the look.",
    )
    in_scenario = models.BooleanField(
        default=True, help_text="Count only events in the experiment's scenarios; off counts them everywhere."
    )
    direction = models.CharField(max_length=8, choices=Direction.choices, default=Direction.INCREASE)
    objective = models.CharField(max_length=8, choices=Objective.choices, default=Objective.USER)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["key"]
        constraints = [
            models.CheckConstraint(
                condition=models.Q(kind=Kind.RATIO) ^ models.Q(denominator_event=""),
                name="only_a_ratio_has_denominator",
            )
        ]

    def __str__(self) -> str:
        return self.name

    def clean(self) -> None:
        """What can be saved can be counted: each fault stands at its field."""
        faults = {
            "numerator_event": definitions.validate_event(self.numerator_event),
            "numerator_filter": definitions.validate(self.numerator_filter),
            "denominator_event": definitions.validate_denominator(self.kind, self.denominator_event),
            "denominator_filter": definitions.validate(self.denominator_filter),
        }
        found = {field: [str(one) for one in several] for field, several in faults.items() if several}
        if found:
            raise ValidationError(found)


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
