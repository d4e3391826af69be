"""Serializers and fields that take nothing they do not know."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from django.db.models import Manager
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers


class Strict(serializers.Serializer[Any]):
    """Refuses fields it has no use for, so that a misspelt one is not silently lost. Read-only fields may come back.

    What lies inside another body is sent whole, also in a PATCH: REST framework would let its required fields go.
    """

    def to_internal_value(self, data: Any) -> Any:
        faults: dict[str, list[str]] = {}
        if isinstance(data, Mapping):
            faults = {field: ["There is no such field."] for field in sorted(set(data) - set(self.fields))}
            if self.parent is not None:
                needed = {name for name, field in self.fields.items() if field.required and not field.read_only}
                faults |= {field: ["This field is required."] for field in sorted(needed - set(data))}
        if faults:
            raise serializers.ValidationError(faults)
        return super().to_internal_value(data)


class Named(Strict):
    """Of a row with a key, which stays what it is: events, snapshots and looks name the row by it."""

    def validate_key(self, key: str) -> str:
        if self.instance is not None and key != self.instance.key:
            raise serializers.ValidationError("A key cannot change.")
        return key


class Fraction(serializers.DecimalField):
    """An exact fraction, a JSON number on the wire."""

    def __init__(self, *, decimals: int = 3, low: str = "0", high: str = "1", **kwargs: Any) -> None:
        super().__init__(
            max_digits=decimals + 1,
            decimal_places=decimals,
            min_value=Decimal(low),
            max_value=Decimal(high),
            coerce_to_string=False,
            **kwargs,
        )

    def to_representation(self, value: Any) -> Any:
        return float(value)


@extend_schema_field({"type": "array", "items": {"type": "string", "minLength": 1, "maxLength": 200}})
class Keys(serializers.Field[Any, Any, Any, Any]):
    """Rows named by their keys, found with one query however many are named."""

    def __init__(self, rows: Manager[Any], *, at_least: int = 0, at_most: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.rows, self.at_least, self.at_most = rows, at_least, at_most

    def to_internal_value(self, data: Any) -> list[Any]:
        if not isinstance(data, list) or not self.at_least <= len(data) <= self.at_most:
            raise serializers.ValidationError(f"Send a list of {self.at_least} to {self.at_most} keys.")
        found = {row.key: row for row in self.rows.filter(key__in=[key for key in data if isinstance(key, str)])}
        absent = [i for i, key in enumerate(data) if not isinstance(key, str) or key not in found]
        if absent:
            raise serializers.ValidationError({str(i): ["There is nothing of this name."] for i in absent})
        return [found[key] for key in dict.fromkeys(data)]

    def to_representation(self, value: Any) -> list[str]:
        return [row.key for row in value.all()]


SCALAR: dict[str, Any] = {
    "oneOf": [
        {"type": "string", "maxLength": 1000},
        {"type": "number", "minimum": -1e15, "maximum": 1e15},
        {"type": "boolean"},
    ]
}


@extend_schema_field({"type": "object", "maxProperties": 100, "additionalProperties": SCALAR})
class Parameters(serializers.Field[Any, Any, Any, Any]):
    """Names and plain values: {"ranker": "din", "recall.i2i.quota": 120}."""

    def to_internal_value(self, data: Any) -> dict[str, Any]:
        if not isinstance(data, dict):
            raise serializers.ValidationError("Send an object of names and values.")
        if len(data) > 100:
            raise serializers.ValidationError("At most 100 parameters.")
        if faults := {name: [fault] for name, value in data.items() if (fault := _fault(name, value))}:
            raise serializers.ValidationError(faults)
        return data

    def to_representation(self, value: Any) -> Any:
        return value


def _fault(name: str, value: object) -> str:
    if not 1 <= len(name) <= 100:
        return "A name has 1 to 100 characters."
    match value:
        case str() if len(value) > 1000:
            return "A text has at most 1,000 characters."
        case str() | bool():
            return ""
        case int() | float() if abs(value) <= 1e15:  # beyond, a double no longer tells whole numbers apart
            return ""
    return "A value is a text, a number up to 1e15, or true or false."
