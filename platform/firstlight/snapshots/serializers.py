"""Versions of the snapshot over HTTP."""

from typing import Any

from rest_framework import serializers

from firstlight.snapshots import diffs
from firstlight.snapshots.models import Hold, Version


class SnapshotSerializer(serializers.ModelSerializer[Version]):
    class Meta:
        model = Version
        fields = ("number", "created_at", "returns_to")


class HoldSerializer(serializers.ModelSerializer[Hold]):
    class Meta:
        model = Hold
        fields = ("returns_to", "at", "actor", "reason", "lifted_at", "lifted_by")


class SnapshotFieldSerializer(serializers.Serializer[diffs.Field]):
    name = serializers.CharField()
    before = serializers.JSONField(allow_null=True)
    after = serializers.JSONField(allow_null=True)


class SnapshotChangeSerializer(serializers.Serializer[diffs.Change]):
    section = serializers.CharField(help_text="experiments, bandits, keys, …")
    subject = serializers.CharField(help_text="Key of what changed.")
    kind = serializers.ChoiceField(choices=("added", "removed", "changed"))
    fields_ = SnapshotFieldSerializer(many=True)
    by = serializers.ListField(child=serializers.CharField(), help_text="Who changed it in between.")

    def get_fields(self) -> Any:
        found = super().get_fields()
        found["fields"] = found.pop("fields_")  # a serializer keeps its own fields under this name
        return found


class SnapshotDifferenceSerializer(serializers.Serializer[diffs.Difference]):
    before = SnapshotSerializer()
    after = SnapshotSerializer()
    sentence = serializers.CharField(help_text="In words, by section.")
    changes = SnapshotChangeSerializer(many=True)


class RollBackSerializer(serializers.Serializer[None]):
    reason = serializers.CharField(max_length=500, help_text="Why, for who reads it next month.")


class PublishedSerializer(serializers.Serializer[None]):
    number = serializers.IntegerField(help_text="Of the version that is published now.")
