"""Experiments on the wire: read in full, written in full, with every fault at its place."""

from collections import Counter
from collections.abc import Iterable
from decimal import Decimal
from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from experiments.buckets import Span, allocation
from experiments.models import Arm, Claim, Experiment, ExperimentMetric, Layer, Look
from firstlight.accounts.models import User
from firstlight.catalog.models import Scenario
from firstlight.doors.serializers import Fraction, Keys, Named, Parameters, Strict
from firstlight.kernel.hashing import BUCKETS
from firstlight.metrics.models import Metric
from firstlight.objectives import weights

MOST_ARMS, MOST_METRICS, MOST_SCENARIOS = 20, 50, 100


class ObjectiveWeights(Strict):
    """Of one arm, in place of the scenario's own."""

    user = Fraction()
    merchant = Fraction()
    platform = Fraction()

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        try:
            exact = weights.read(attrs)
        except weights.UnableToPublish as refusal:
            raise serializers.ValidationError(str(refusal)) from refusal
        return {interest: float(weight) for interest, weight in exact.items()}


class ArmSerializer(Strict, serializers.ModelSerializer[Arm]):
    weight = Fraction(decimals=4)
    parameters = Parameters(required=False)
    objective_weights = ObjectiveWeights(required=False, allow_null=True)

    class Meta:
        model = Arm
        fields = ["key", "name", "weight", "parameters", "objective_weights"]


class MeasuredSerializer(Strict, serializers.ModelSerializer[ExperimentMetric]):
    metric = serializers.SlugRelatedField(slug_field="key", queryset=Metric.objects.all())
    margin = Fraction(high="0.5", required=False)

    class Meta:
        model = ExperimentMetric
        fields = ["metric", "role", "margin"]


class ExperimentSerializer(Named, serializers.ModelSerializer[Experiment]):
    """The first arm is the control. Arms and metrics that are sent take the place of those there were."""

    owner = serializers.SlugRelatedField(
        slug_field="username", queryset=User.objects.filter(is_active=True), allow_null=True, required=False
    )
    scenarios = Keys(Scenario.objects, at_least=1, at_most=MOST_SCENARIOS)
    layer = serializers.SlugRelatedField(
        slug_field="key", queryset=Layer.objects.all(), allow_null=True, required=False
    )
    coverage = Fraction(decimals=4, required=False)
    confidence = Fraction(low="0.5", high="0.999", required=False)
    arms = serializers.ListSerializer[Any](child=ArmSerializer(), min_length=2, max_length=MOST_ARMS)
    metrics = serializers.ListSerializer[Any](
        child=MeasuredSerializer(), source="measured", required=False, max_length=MOST_METRICS
    )

    class Meta:
        model = Experiment
        exclude = ["id", "copied_from"]
        read_only_fields = [
            *("status", "phase", "submitted_by", "reviewed_by", "review_note", "scheduled_for", "started_at"),
            *("paused_at", "stopped_at", "decision", "decided_at", "decided_by", "decision_note", "decision_look"),
            *("shipped_arm", "created_at"),
        ]
        extra_kwargs = {"hypothesis": {"max_length": 10_000}, "end_bucket": {"max_value": BUCKETS}}

    def validate_arms(self, arms: list[dict[str, Any]]) -> list[dict[str, Any]]:
        _refuse_twice(arm["key"] for arm in arms)
        if (total := sum((arm["weight"] for arm in arms), Decimal(0))) != 1:
            raise serializers.ValidationError(f"The weights of the arms sum to {total}, not to 1.")
        return arms

    def validate_metrics(self, measured: list[dict[str, Any]]) -> list[dict[str, Any]]:
        _refuse_twice(line["metric"].key for line in measured)
        return measured

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        first, end = (attrs.get(name, getattr(self.instance, name, None)) for name in ("first_bucket", "end_bucket"))
        if (first or 0) >= (BUCKETS if end is None else end):
            raise serializers.ValidationError({"end_bucket": ["The end must lie behind the start."]})
        return attrs

    def create(self, validated_data: dict[str, Any]) -> Experiment:
        return self._save(validated_data, super().create)

    def update(self, instance: Experiment, validated_data: dict[str, Any]) -> Experiment:
        return self._save(validated_data, lambda plain: super(ExperimentSerializer, self).update(instance, plain))

    def _save(self, sent: dict[str, Any], save: Any) -> Experiment:
        arms, measured = sent.pop("arms", None), sent.pop("measured", None)
        experiment: Experiment = save(sent)
        if arms is not None:
            experiment.arms.all().delete()
            Arm.objects.bulk_create(Arm(experiment=experiment, position=i, **arm) for i, arm in enumerate(arms))
        if measured is not None:
            experiment.measured.all().delete()
            ExperimentMetric.objects.bulk_create(ExperimentMetric(experiment=experiment, **line) for line in measured)
        return experiment


def _refuse_twice(keys: Iterable[str]) -> None:
    if twice := [key for key, n in Counter(keys).items() if n > 1]:
        raise serializers.ValidationError(f"Twice: {', '.join(twice)}.")


class SpanSerializer(serializers.Serializer[Span]):
    start = serializers.IntegerField(min_value=0, max_value=BUCKETS)
    end = serializers.IntegerField(min_value=0, max_value=BUCKETS)
    experiment = serializers.CharField(source="holder", allow_null=True)


class LayerSerializer(Named, serializers.ModelSerializer[Layer]):
    """`allocation`: who holds which of the 10,000 buckets; `experiment` null: free."""

    allocation = serializers.SerializerMethodField("held")

    class Meta:
        model = Layer
        fields = ["key", "name", "description", "allocation"]
        extra_kwargs = {"description": {"max_length": 10_000}}

    @extend_schema_field(SpanSerializer(many=True))
    def held(self, layer: Layer) -> Any:
        claims = Claim.objects.filter(layer=layer, released_at=None).select_related("experiment")
        held = [Span(c.first_bucket, c.end_bucket, c.experiment.key) for c in claims]
        spans: Any = allocation(held)
        return SpanSerializer(spans, many=True).data


class LookSerializer(serializers.ModelSerializer[Look]):
    experiment = serializers.SlugRelatedField[Any](slug_field="key", read_only=True)
    results = serializers.DictField(help_text="Arms, estimates with intervals, health and verdict.")

    class Meta:
        model = Look
        fields = ["experiment", "number", "computed_at", "until", "batch", "verdict", "sentence", "results"]
