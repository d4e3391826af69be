"""The calculator: size, days and detectable effect of a plan, or of another that is only tried out."""

from dataclasses import replace
from decimal import Decimal
from typing import Any

from django.utils import timezone
from drf_spectacular.utils import extend_schema, extend_schema_field
from rest_framework import serializers
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from experiments import sizing
from experiments.models import Analysis, Experiment, ExperimentMetric, MetricRole, Spending
from experiments.sizing import Baseline, Design, Traffic
from firstlight.accounts.resources import Resource
from firstlight.doors.serializers import Fraction, Strict
from firstlight.kernel.withheld import Withheld
from firstlight.metrics.models import Metric

MOST_UNITS = 10**12
NUMBER: dict[str, Any] = {
    "oneOf": [
        {"type": "number"},
        {"type": "object", "required": ["withheld"], "properties": {"withheld": {"type": "string"}}},
    ]
}


@extend_schema_field(NUMBER)
class Number(serializers.Field[Any, Any, Any, Any]):
    """A number, or why there is none."""

    def to_representation(self, value: Any) -> Any:
        return {"withheld": value.reason.value} if isinstance(value, Withheld) else value


class Given(Strict):
    """A baseline that is known from elsewhere."""

    mean = serializers.FloatField(min_value=-1e15, max_value=1e15)
    sd = serializers.FloatField(min_value=1e-12, max_value=1e15, help_text="Of one unit; of a ratio, linearised.")


class PlanSerializer(Strict):
    """At most one of `mde`, `days` and `units`; none asks for the plan as it stands. All else is the plan's own."""

    mde = Fraction(decimals=6, low="0.000001", high="9", required=False, help_text="Relative lift to be found.")
    days = serializers.IntegerField(min_value=1, max_value=365, required=False)
    units = serializers.IntegerField(min_value=2, max_value=MOST_UNITS, required=False, help_text="Of all arms.")
    metrics = serializers.ListField(
        child=serializers.SlugRelatedField(slug_field="key", queryset=Metric.objects.all()),
        required=False,
        max_length=20,
        help_text="As goals; else the metrics of the plan in their roles.",
    )
    baseline = Given(required=False, help_text="Of every metric asked for; else from the newest look that has it.")
    weights = serializers.ListField(
        child=Fraction(decimals=4, low="0.0001"),
        min_length=2,
        max_length=20,
        required=False,
        help_text="Control first.",
    )
    power = Fraction(low="0.5", high="0.999", required=False, help_text="0.8 else.")
    analysis = serializers.ChoiceField(choices=Analysis.choices, required=False)
    spending = serializers.ChoiceField(choices=Spending.choices, required=False)
    variance_reduction = Fraction(
        high="0.99", required=False, help_text="By CUPED; else what it took away in the look of the baseline."
    )

    def validate_weights(self, weights: list[Decimal]) -> list[Decimal]:
        if sum(weights) != 1:
            raise serializers.ValidationError(f"The weights sum to {sum(weights)}, not to 1.")
        return weights

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if len(attrs.keys() & {"mde", "days", "units"}) > 1:
            raise serializers.ValidationError("Ask for one of mde, days and units.")
        return attrs


class SizedSerializer(serializers.Serializer[dict[str, Any]]):
    metric = serializers.CharField()
    role = serializers.ChoiceField(choices=MetricRole.choices)
    mean = Number()
    sd = Number()
    source = serializers.CharField(help_text="Where mean and sd are from.")  # type: ignore[assignment]
    variance_reduction = serializers.FloatField()
    alpha = serializers.FloatField(help_text="Two-sided, of this comparison.")
    power = serializers.FloatField()
    inflation = serializers.FloatField(help_text="Units that the way of looking needs, over those of one look.")
    units = Number(help_text="Of all arms.")
    days = Number()
    detectable = Number(help_text="Relative; of a guardrail the margin that can be shown.")


class PowerSerializer(serializers.Serializer[dict[str, Any]]):
    units_per_day = Number(help_text="Different ones that take part on a first day.")
    metrics = SizedSerializer(many=True)


class Calculator(Resource):
    @extend_schema(request=PlanSerializer, responses=PowerSerializer)
    @action(detail=True, methods=["post"])
    def power(self, request: Request, key: str) -> Response:
        """How many units and days the plan needs for an effect, or which effect it finds with those it gets."""
        experiment = self.get_object()
        body = PlanSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        return Response(PowerSerializer(_sized(experiment, body.validated_data)).data)


def _sized(experiment: Experiment, asked: dict[str, Any]) -> dict[str, Any]:
    lines = _lines(experiment, asked)
    design = _design(experiment, asked, lines)
    traffic = sizing.traffic_of(experiment, timezone.now())
    rows = [_row(experiment, line, design, traffic, asked) for line in lines] if len(design.weights) > 1 else []
    first_day = traffic if isinstance(traffic, Withheld) else traffic.units(1)
    return {"units_per_day": first_day, "metrics": rows}


def _lines(experiment: Experiment, asked: dict[str, Any]) -> list[ExperimentMetric]:
    """Those asked for, as goals; else those of the plan that decide."""
    if "metrics" in asked:
        return [ExperimentMetric(experiment=experiment, metric=metric) for metric in asked["metrics"]]
    return list(experiment.measured.exclude(role=MetricRole.SECONDARY).select_related("metric").order_by("pk"))


def _design(experiment: Experiment, asked: dict[str, Any], lines: list[ExperimentMetric]) -> Design:
    roles = [line.role for line in lines]
    planned = replace(
        sizing.design_of(experiment, target=float(asked.get("power", 0.8))),
        n_goals=max(1, roles.count(MetricRole.PRIMARY)),
        n_guardrails=roles.count(MetricRole.GUARDRAIL),
    )
    tried: dict[str, Any] = {name: asked[name] for name in ("analysis", "spending") if name in asked}
    if "weights" in asked:
        tried["weights"] = tuple(map(float, asked["weights"]))
    return replace(planned, **tried)


def _row(
    experiment: Experiment, line: ExperimentMetric, design: Design, traffic: Traffic | Withheld, asked: dict[str, Any]
) -> dict[str, Any]:
    base, test = _baseline(experiment, line, asked), design.test(line.role)
    row = {
        "metric": line.metric.key,
        "role": line.role,
        "alpha": test.alpha,
        "power": design.power_of(line.role),
        "inflation": test.inflation,
    }
    if isinstance(base, Withheld):
        none = dict.fromkeys(("mean", "sd", "units", "days", "detectable"), base)
        return {**row, **none, "source": "", "variance_reduction": 0.0}
    about = {"mean": base.mean, "sd": base.sd, "source": base.source, "variance_reduction": base.saved}
    wanted = line.margin if line.role == MetricRole.GUARDRAIL else asked.get("mde")
    if "mde" in asked:
        assert wanted is not None
        units = sizing.units_for(float(wanted), base, design, line.role)
        return {**row, **about, "units": units, "days": _days(traffic, units), "detectable": float(wanted)}
    units = _available(experiment, traffic, asked)
    found = units if isinstance(units, Withheld) else sizing.lift_found(units, base, design, line.role)
    days = asked["days"] if "days" in asked else _days(traffic, units)
    return {**row, **about, "units": units, "days": days, "detectable": found}


def _baseline(experiment: Experiment, line: ExperimentMetric, asked: dict[str, Any]) -> Baseline | Withheld:
    if given := asked.get("baseline"):
        base: Baseline | Withheld = Baseline(given["mean"], given["sd"], "given")
    else:
        base = sizing.baseline_of(line.metric.key, list(experiment.scenarios.all()), experiment)
    if isinstance(base, Withheld):
        return base
    kept = base.saved if experiment.cuped else 0.0
    return replace(base, saved=float(asked.get("variance_reduction", kept)))


def _available(experiment: Experiment, traffic: Traffic | Withheld, asked: dict[str, Any]) -> float | Withheld:
    """Asked for, planned, or what the days bring."""
    planned = None if "days" in asked else asked.get("units", experiment.planned_units)
    if planned is not None:
        return int(planned)
    return traffic if isinstance(traffic, Withheld) else traffic.units(asked.get("days", experiment.planned_days))


def _days(traffic: Traffic | Withheld, units: float | Withheld) -> float | Withheld:
    if isinstance(units, Withheld):
        return units
    return traffic if isinstance(traffic, Withheld) else traffic.days(units)
