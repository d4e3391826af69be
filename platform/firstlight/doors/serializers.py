"""Serializers that take nothing they do not know."""

from collections.abc import Mapping
from typing import Any

from rest_framework import serializers


class Strict(serializers.BaseSerializer):  # type: ignore[type-arg]
    """Refuses fields it has no use for, so that a misspelt one is not silently lost. Read-only fields may come back."""

    fields: Mapping[str, Any]

    def to_internal_value(self, data: Any) -> Any:
        unknown = sorted(set(data) - set(self.fields)) if isinstance(data, Mapping) else []
        if unknown:
            raise serializers.ValidationError({field: ["There is no such field."] for field in unknown})
        return super().to_internal_value(data)
