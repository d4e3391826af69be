"""Definitions of metrics over HTTP, and how they were before."""

from typing import Any

from django.utils import timezone
from drf_spectacular.utils import OpenApiParameter, extend_schema, extend_schema_field, extend_schema_view
from rest_framework import serializers
from rest_framework.decorators import action
from rest_framework.exceptions import ErrorDetail
from rest_framework.request import Request
from rest_framework.response import Response

from firstlight.accounts.authentication import actor
from firstlight.accounts.models import User
from firstlight.accounts.resources import Resource
from firstlight.doors import queries
from firstlight.doors.serializers import Named
from firstlight.metrics import definitions, faults, versions
from firstlight.metrics.models import Metric, MetricVersion

SCALAR: dict[str, Any] = {"oneOf": [{"type": "string", "minLength": 1, "maxLength": 200}, {"type": "number"}]}
FILTER: dict[str, Any] = {
    "type": "object",
    "required": ["field", "op", "value"],
    "additionalProperties": False,
    "properties": {
        "field": {"type": "string", "enum": sorted(definitions.TEXT | definitions.NUMBERS)},
        "op": {"type": "string", "enum": list(definitions.OPS)},
        "value": {"oneOf": [*SCALAR["oneOf"], {"type": "array", "items": SCALAR, "maxItems": definitions.MOST_VALUES}]},
    },
}
FILTERS: dict[str, Any] = {"type": "array", "maxItems": definitions.MOST_FILTERS, "items": FILTER}
STEP: dict[str, Any] = {
    "type": "object",
    "required": ["event"],
    "additionalProperties": False,
    "properties": {"event": {"type": "string", "maxLength": 100}, "filters": FILTERS},
}
MOST_TAGS = 20
SHOWN = 100  # newest versions that one call tells of


class _Json(serializers.Field[Any, Any, Any, Any]):
    """As sent: `validate` of the whole metric says what is wrong with it, and where."""

    def to_internal_value(self, data: Any) -> Any:
        return data

    def to_representation(self, value: Any) -> Any:
        return value


@extend_schema_field(FILTERS)
class Filters(_Json): ...


@extend_schema_field({"type": "array", "maxItems": faults.MOST_STEPS, "items": STEP})
class Steps(_Json): ...


class MetricSerializer(Named, serializers.ModelSerializer[Metric]):
    owner = serializers.SlugRelatedField(
        slug_field="username", queryset=User.objects.filter(is_active=True), allow_null=True, required=False
    )
    tags = serializers.ListSerializer[Any](
        child=serializers.CharField(max_length=50), required=False, max_length=MOST_TAGS
    )
    numerator_filter = Filters(required=False)
    denominator_filter = Filters(required=False)
    steps = Steps(required=False)
    note = serializers.CharField(
        write_only=True, required=False, allow_blank=True, max_length=500, help_text="Why; kept with the new version."
    )

    class Meta:
        model = Metric
        exclude = ["id"]
        read_only_fields = ["version", "created_at"]
        extra_kwargs = {
            "description": {"max_length": 10_000},
            "quantile": {"min_value": 0, "max_value": 1},
            "cap_value": {"min_value": 0, "max_value": 1e14},
            "cap_share": {"min_value": 0, "max_value": 1},
        }

    def validate_certified(self, certified: bool) -> bool:
        was = self.instance.certified if self.instance else False
        if certified != was and not self._may_certify:
            raise serializers.ValidationError("Only people with a role that may certify metrics change this.")
        return certified

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        values = {name: attrs.get(name, getattr(self.instance, name, _default(name))) for name in faults.FIELDS}
        found: dict[str, list[ErrorDetail]] = {}
        for fault in faults.of_metric(values):
            field, inside = faults.split(fault)
            found.setdefault(field, []).append(ErrorDetail(fault.detail, code=inside or "invalid"))
        if found:
            raise serializers.ValidationError(found)
        return attrs

    def create(self, validated_data: dict[str, Any]) -> Metric:
        note = validated_data.pop("note", "")
        return self._keep(super().create(validated_data), note)

    def update(self, instance: Metric, validated_data: dict[str, Any]) -> Metric:
        note = validated_data.pop("note", "")
        return self._keep(super().update(instance, validated_data), note)

    def _keep(self, row: Metric, note: str) -> Metric:
        by = actor(self.context["request"])
        versions.keep(row, by=by, at=timezone.now(), note=note, may_certify=self._may_certify)
        return row

    @property
    def _may_certify(self) -> bool:
        return bool(self.context["request"].user.has_perm("metrics.certify_metric"))


def _default(name: str) -> Any:
    field: Any = Metric._meta.get_field(name)
    return field.get_default()


class VersionSerializer(serializers.ModelSerializer[MetricVersion]):
    definition = serializers.DictField(help_text="The whole definition, as looks keep it.")

    class Meta:
        model = MetricVersion
        fields = ["number", "definition", "changed_by", "at", "note"]


class VersionsSerializer(serializers.Serializer[Any]):
    results = VersionSerializer(many=True)


FILTERED = {
    "kind": "Only those of this kind.",
    "owner": "Only those of this person, by username.",
    "tag": "Only those with this tag.",
}


@extend_schema_view(
    list=extend_schema(parameters=[OpenApiParameter(name, str, description=text) for name, text in FILTERED.items()])
)
class Metrics(Resource):
    queryset = Metric.objects.select_related("owner")
    serializer_class = MetricSerializer
    filters = {"kind": "kind", "owner": "owner__username"}

    def filter_queryset(self, queryset: Any) -> Any:
        rows, tag = super().filter_queryset(queryset), queries.text(self.request, "tag")
        return rows if tag is None else rows.filter(tags__contains=[tag])

    @extend_schema(responses=VersionsSerializer)
    @action(detail=True, methods=["get"])
    def versions(self, request: Request, key: str) -> Response:
        """How it was defined, the newest hundred first. What an experiment pinned never changes."""
        rows = self.get_object().versions.all()
        return Response(VersionsSerializer({"results": rows[:SHOWN]}).data)
