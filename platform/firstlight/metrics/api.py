"""Metrics over HTTP: their definitions."""

from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers
from rest_framework.settings import api_settings

from firstlight.accounts.resources import Resource
from firstlight.doors.serializers import Strict
from firstlight.metrics import definitions
from firstlight.metrics.models import Metric

NON_FIELD = api_settings.NON_FIELD_ERRORS_KEY
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


@extend_schema_field({"type": "array", "maxItems": definitions.MOST_FILTERS, "items": FILTER})
class Filters(serializers.Field[Any, Any, Any, Any]):
    def to_internal_value(self, data: Any) -> Any:
        if faults := definitions.validate(data):
            raise serializers.ValidationError(_placed(faults))
        return data

    def to_representation(self, value: Any) -> Any:
        return value


class MetricSerializer(Strict, serializers.ModelSerializer[Metric]):
    numerator_filter = Filters(required=False)
    denominator_filter = Filters(required=False)

    class Meta:
        model = Metric
        exclude = ["id"]
        extra_kwargs = {"description": {"max_length": 10_000}, "window_hours": {"max_value": 24 * 366}}

    def validate_numerator_event(self, event: str) -> str:
        _refuse(definitions.validate_event(event))
        return event

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        kind, event = (attrs.get(name, getattr(self.instance, name, "")) for name in ("kind", "denominator_event"))
        if faults := definitions.validate_denominator(kind, event):
            raise serializers.ValidationError({"denominator_event": [fault.detail for fault in faults]})
        return attrs


def _placed(faults: list[definitions.Fault]) -> Any:
    """Faults as REST framework nests them: /0/value is {"0": {"value": [...]}}."""
    nested: dict[str, Any] = {}
    for fault in faults:
        *steps, last = fault.pointer.strip("/").split("/")
        inner = nested
        for step in steps:
            inner = inner.setdefault(step, {})
        inner.setdefault(last or NON_FIELD, []).append(fault.detail)
    return nested


def _refuse(faults: list[definitions.Fault]) -> None:
    if faults:
        raise serializers.ValidationError([str(fault) for fault in faults])


class Metrics(Resource):
    queryset = Metric.objects.all()
    serializer_class = MetricSerializer
