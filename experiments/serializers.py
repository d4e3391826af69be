"""Experiments on the wire: read in full, written in full, with every fault at its place."""

from collections import Counter
from collections.abc import Iterable
from decimal import Decimal
from itertools import pairwise
from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers
from rest_framework.reverse import reverse
from rest_framework.utils.urls import replace_query_param

from experiments import groups
from experiments.buckets import Span, allocation
from experiments.lifecycle import prerequisites
from experiments.models import (
    PLANNED,
    Arm,
    Claim,
    Comment,
    Experiment,
    ExperimentMetric,
    FurtherLayer,
    Layer,
    Look,
    Prerequisite,
    Progress,
    RampStage,
    Redrawn,
    SavedGroup,
    Status,
)
from firstlight.accounts.models import User
from firstlight.assignment import targeting
from firstlight.assignment.hashing import BUCKETS
from firstlight.catalog.models import Scenario
from firstlight.doors.serializers import Fraction, Keys, Named, Parameters, Strict
from firstlight.metrics.models import Metric
from firstlight.objectives import weights

MOST_ARMS, MOST_METRICS, MOST_SCENARIOS = 20, 50, 100
MOST_STAGES, MOST_LAYERS, MOST_TAGS, MOST_LINKS, MOST_REQUIRED = 20, 10, 20, 20, 10
SLICES = ("country", "platform", "visitor", "category", "recall_source")
# What may change after the start. All else is the plan, and what is found is only worth something if that stood before.
FREE = frozenset({"name", "hypothesis", "owner", "tags", "links"})
SHOWN_PAST = 200  # claims of a layer that its page tells of, newest first


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
        fields = ["metric", "role", "margin", "version"]
        read_only_fields = ["version"]


class StageSerializer(Strict, serializers.ModelSerializer[RampStage]):
    coverage = Fraction(decimals=4, low="0.0001")

    class Meta:
        model = RampStage
        fields = ["coverage", "hold_hours", "least_units", "outcome", "entered_at", "left_at", "evidence"]
        read_only_fields = ["outcome", "entered_at", "left_at", "evidence"]
        extra_kwargs = {"hold_hours": {"max_value": 24 * 366}}


class FurtherLayerSerializer(Strict, serializers.ModelSerializer[FurtherLayer]):
    layer = serializers.SlugRelatedField(slug_field="key", queryset=Layer.objects.all())

    class Meta:
        model = FurtherLayer
        fields = ["layer", "first_bucket", "end_bucket"]
        extra_kwargs = {"end_bucket": {"max_value": BUCKETS}}

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        _refuse_empty_span(attrs.get("first_bucket", 0), attrs.get("end_bucket", BUCKETS))
        return attrs


class RequirementSerializer(Strict, serializers.ModelSerializer[Prerequisite]):
    """The unit must be in one of these arms of another experiment."""

    experiment = serializers.SlugRelatedField(
        slug_field="key", queryset=Experiment.objects.prefetch_related("arms"), source="required"
    )
    arms = serializers.ListSerializer[Any](
        child=serializers.CharField(max_length=100), min_length=1, max_length=MOST_ARMS
    )

    class Meta:
        model = Prerequisite
        fields = ["experiment", "arms"]


class LinkSerializer(Strict):
    label = serializers.CharField(max_length=200)  # type: ignore[assignment]
    url = serializers.URLField(max_length=2_000)

    def validate_url(self, url: str) -> str:
        if not url.startswith(("https://", "http://")):  # a page shows it as a link
            raise serializers.ValidationError("An address that starts with https:// or http://.")
        return url


@extend_schema_field({"type": "object", "additionalProperties": True})
class Condition(serializers.Field[Any, Any, Any, Any]):
    """Who may take part: {"country": {"$in": ["IN", "BR"]}}; {} is everybody."""

    def to_internal_value(self, data: Any) -> dict[str, Any]:
        if faults := targeting.faults(data) or list(groups.faults(data)):
            raise serializers.ValidationError(faults)
        return dict(data)

    def to_representation(self, value: Any) -> Any:
        return value


class ExperimentSerializer(Named, serializers.ModelSerializer[Experiment]):
    """The first arm is the control. Arms, metrics, stages, layers that are sent take the place of those there were."""

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
    ramp = serializers.ListSerializer[Any](child=StageSerializer(), required=False, max_length=MOST_STAGES)
    further_layers = serializers.ListSerializer[Any](
        child=FurtherLayerSerializer(), required=False, max_length=MOST_LAYERS
    )
    requires = serializers.ListSerializer[Any](
        child=RequirementSerializer(), required=False, max_length=MOST_REQUIRED, help_text="All of them must hold."
    )
    testers = serializers.DictField(
        child=serializers.CharField(), read_only=True, help_text="{id: arm}; changed at `testers/`."
    )
    tags = serializers.ListSerializer[Any](
        child=serializers.CharField(max_length=50), required=False, max_length=MOST_TAGS
    )
    links = serializers.ListSerializer[Any](child=LinkSerializer(), required=False, max_length=MOST_LINKS)
    slices = serializers.ListSerializer[Any](
        child=serializers.ChoiceField(choices=SLICES), required=False, max_length=len(SLICES)
    )
    targeting = Condition(required=False)
    prior_mean = Fraction(decimals=6, low="-1", required=False)
    prior_sd = Fraction(decimals=6, low="0.000001", required=False)
    holdback = Fraction(high="0.5", required=False)
    copied_from = serializers.SlugRelatedField[Any](slug_field="key", read_only=True, allow_null=True)
    decision = serializers.CharField(read_only=True, help_text="shipped, rejected or inconclusive; empty before.")

    class Meta:
        model = Experiment
        exclude = ["id", "pieces"]
        read_only_fields = [
            *(
                "status",
                "phase",
                "dealt_in",
                "refused_before",
                "submitted_by",
                "reviewed_by",
                "review_note",
                "scheduled_for",
                "started_at",
            ),
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

    def validate_ramp(self, stages: list[dict[str, Any]]) -> list[dict[str, Any]]:
        if any(later["coverage"] <= earlier["coverage"] for earlier, later in pairwise(stages)):
            raise serializers.ValidationError("A ramp only adds units: each stage covers more than the one before.")
        return stages

    def validate_requires(self, lines: list[dict[str, Any]]) -> list[dict[str, Any]]:
        _refuse_twice(line["required"].key for line in lines)
        return lines

    def validate_further_layers(self, layers: list[dict[str, Any]]) -> list[dict[str, Any]]:
        _refuse_twice(line["layer"].key for line in layers)
        return layers

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        now = self.instance
        first, end, layer = (
            attrs.get(name, getattr(now, name, None)) for name in ("first_bucket", "end_bucket", "layer")
        )
        _refuse_empty_span(first or 0, BUCKETS if end is None else end)
        if layer is not None and any(line["layer"] == layer for line in attrs.get("further_layers", [])):
            raise serializers.ValidationError({"further_layers": [f"“{layer.key}” is its first layer already."]})
        return attrs

    def create(self, validated_data: dict[str, Any]) -> Experiment:
        return self._save(validated_data, super().create)

    def update(self, instance: Experiment, validated_data: dict[str, Any]) -> Experiment:
        """Past the draft only what is free: the rest was found to be as it is, and its rows stay those they are."""
        instance.refresh_from_db(fields=["status"])  # its row is locked by now, and may have been started before
        if instance.status != Status.DRAFT:
            validated_data = {name: value for name, value in validated_data.items() if name in FREE}
        return self._save(validated_data, lambda plain: super(ExperimentSerializer, self).update(instance, plain))

    def _save(self, sent: dict[str, Any], save: Any) -> Experiment:
        lines = {name: sent.pop(name) for name in LINES if name in sent}
        prerequisites.hold()
        experiment: Experiment = save(sent)
        required = [(line["required"], line["arms"]) for line in lines.get("requires", [])]
        if wrong := list(prerequisites.faults_of(experiment, required)) if required else []:
            raise serializers.ValidationError({"requires": wrong})
        for name, rows in lines.items():
            model, numbered = LINES[name]
            getattr(experiment, name).all().delete()
            model.objects.bulk_create(
                model(experiment=experiment, **({"position": i} if numbered else {}), **row)
                for i, row in enumerate(rows)
            )
        return experiment


# Rows of the plan, and whether their order is a column.
LINES: dict[str, tuple[Any, bool]] = {
    "arms": (Arm, True),
    "measured": (ExperimentMetric, False),
    "ramp": (RampStage, True),
    "further_layers": (FurtherLayer, False),
    "requires": (Prerequisite, False),
}


def _refuse_empty_span(first: int, end: int) -> None:
    if first >= end:
        raise serializers.ValidationError({"end_bucket": ["The end must lie behind the start."]})


def _refuse_twice(keys: Iterable[str]) -> None:
    if twice := [key for key, n in Counter(keys).items() if n > 1]:
        raise serializers.ValidationError(f"Twice: {', '.join(twice)}.")


@extend_schema_field({"type": "array", "maxItems": groups.MOST_VALUES, "items": {"type": ["string", "number"]}})
class Values(serializers.Field[Any, Any, Any, Any]):
    """Of a saved group: texts and numbers."""

    def to_internal_value(self, data: Any) -> list[Any]:
        if faults := list(groups.of_values(data)):
            raise serializers.ValidationError(faults)
        return list(data)

    def to_representation(self, value: Any) -> Any:
        return value


class SavedGroupLineSerializer(Named, serializers.ModelSerializer[SavedGroup]):
    """A group in a list, where its values would be in the way."""

    size = serializers.SerializerMethodField("count")

    class Meta:
        model = SavedGroup
        fields = ["key", "name", "description", "attribute", "size"]
        extra_kwargs = {"description": {"max_length": 10_000}}

    def count(self, group: SavedGroup) -> int:
        return len(group.values)


class SavedGroupSerializer(SavedGroupLineSerializer):
    values = Values()

    class Meta(SavedGroupLineSerializer.Meta):
        fields = [*SavedGroupLineSerializer.Meta.fields, "values"]


class OwnedSerializer(serializers.Serializer[Span]):
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

    @extend_schema_field(OwnedSerializer(many=True))
    def held(self, layer: Layer) -> Any:
        claims = Claim.objects.filter(layer=layer, released_at=None).select_related("experiment")
        held = [Span(c.first_bucket, c.end_bucket, c.experiment.key) for c in claims]
        spans: Any = allocation(held)
        return OwnedSerializer(spans, many=True).data


class PastOwnedSerializer(serializers.ModelSerializer[Claim]):
    start = serializers.IntegerField(source="first_bucket")
    end = serializers.IntegerField(source="end_bucket")
    experiment = serializers.CharField(source="experiment.key")

    class Meta:
        model = Claim
        fields = ["start", "end", "experiment", "claimed_at", "released_at"]


class PlannedOwnedSerializer(serializers.Serializer[dict[str, Any]]):
    start = serializers.IntegerField(min_value=0, max_value=BUCKETS)
    end = serializers.IntegerField(min_value=0, max_value=BUCKETS)
    experiment = serializers.CharField()
    status = serializers.ChoiceField(choices=[status.value for status in PLANNED])
    scheduled_for = serializers.DateTimeField(allow_null=True)


class LayerMapSerializer(LayerSerializer):
    """One layer with its past and what is planned: planned spans may overlap until one of them starts."""

    past = serializers.SerializerMethodField("was_held", help_text="Newest first, up to 200.")
    planned = serializers.SerializerMethodField("wanted")

    class Meta(LayerSerializer.Meta):
        fields = [*LayerSerializer.Meta.fields, "past", "planned"]

    @extend_schema_field(PastOwnedSerializer(many=True))
    def was_held(self, layer: Layer) -> Any:
        over = layer.claims.exclude(released_at=None).select_related("experiment").order_by("-released_at", "-pk")
        return PastOwnedSerializer(over[:SHOWN_PAST], many=True).data

    @extend_schema_field(PlannedOwnedSerializer(many=True))
    def wanted(self, layer: Layer) -> Any:
        first = layer.experiment_set.filter(status__in=PLANNED, is_template=False)
        further = FurtherLayer.objects.filter(
            layer=layer, experiment__status__in=PLANNED, experiment__is_template=False
        ).select_related("experiment")
        spans = [(one, one) for one in first] + [(line, line.experiment) for line in further]
        rows = [
            {
                "start": span.first_bucket,
                "end": span.end_bucket,
                "experiment": of.key,
                "status": of.status,
                "scheduled_for": of.scheduled_for,
            }
            for span, of in spans
        ]
        in_order: Any = sorted(rows, key=lambda row: (str(row["experiment"]), str(row["start"])))
        return PlannedOwnedSerializer(in_order, many=True).data


class LookSerializer(serializers.ModelSerializer[Look]):
    experiment = serializers.SlugRelatedField[Any](slug_field="key", read_only=True)
    results = serializers.DictField(help_text="Arms, estimates with intervals, health and verdict.")

    class Meta:
        model = Look
        fields = ["experiment", "number", "computed_at", "until", "batch", "verdict", "sentence", "results"]


class LookLineSerializer(serializers.ModelSerializer[Look]):
    """A look without its numbers, which stand at `results`."""

    results = serializers.SerializerMethodField("address")

    class Meta:
        model = Look
        fields = ["number", "computed_at", "until", "batch", "verdict", "sentence", "results"]

    @extend_schema_field({"type": "string", "format": "uri"})
    def address(self, look: Look) -> str:
        here = reverse("experiment-results", args=[look.experiment.key], request=self.context["request"])
        return replace_query_param(here, "look", look.number)


class ProgressSerializer(serializers.ModelSerializer[Progress]):
    class Meta:
        model = Progress
        fields = ["stage", "share", "asked_at", "finished_at", "failure"]


class RedrawnSerializer(serializers.ModelSerializer[Redrawn]):
    look = serializers.IntegerField(source="look.number", read_only=True)
    results = serializers.ListField(
        child=serializers.DictField(), help_text="{metric, arm, buckets, difference, lift, se} each, raw, of one look."
    )

    class Meta:
        model = Redrawn
        fields = ["look", "made_at", "draws", "results"]


class CommentSerializer(serializers.ModelSerializer[Comment]):
    class Meta:
        model = Comment
        fields = ["author", "at", "text"]
