"""A simulation on the wire."""

from typing import Any

from rest_framework import serializers

from bandits.models import PolicyKind, Simulation
from firstlight.doors.serializers import Fraction, Strict

MOST_DAYS, MOST_TIMES, MOST_SETTINGS = 60, 50, 3
PLAYABLE = [kind for kind in PolicyKind.choices if kind[0] not in (PolicyKind.LINEAR, PolicyKind.LOGISTIC)]


class SettingSerializer(Strict):
    """What is not said is as the campaign plans it."""

    name = serializers.CharField(max_length=60)
    policy = serializers.ChoiceField(choices=PLAYABLE, required=False)
    epsilon = Fraction(required=False)
    floor = Fraction(required=False)
    prior_strength_cap = serializers.IntegerField(min_value=10, max_value=2_000, required=False)
    graduate_at = Fraction(required=False)
    retire_at = Fraction(required=False)
    least_impressions = serializers.IntegerField(min_value=100, max_value=1_000_000, required=False)
    item_cap = serializers.IntegerField(min_value=1, max_value=100_000_000, required=False)
    delay_aware = serializers.BooleanField(required=False)
    position_aware = serializers.BooleanField(required=False)

    def validate(self, given: dict[str, Any]) -> dict[str, Any]:
        if given.get("retire_at", 0) >= given.get("graduate_at", 1):
            raise serializers.ValidationError({"retire_at": "Must be less than graduate_at."})
        return given


class PlayedSerializer(Strict):
    days = serializers.IntegerField(min_value=1, max_value=MOST_DAYS, default=14)
    repetitions = serializers.IntegerField(min_value=2, max_value=MOST_TIMES, default=10)
    requests_a_day = serializers.FloatField(
        min_value=1, max_value=1e9, required=False, help_text="Instead of what the scenario had."
    )
    drift = serializers.FloatField(
        min_value=0, max_value=1, default=0.05, help_text="Standard deviation of a day's change of the log of a rate."
    )
    settings = SettingSerializer(
        many=True, required=False, help_text="Two or three side by side; else plan and uniform."
    )

    def validate_settings(self, settings: list[dict[str, Any]]) -> list[dict[str, Any]]:
        names = [one["name"] for one in settings]
        if not 1 <= len(names) <= MOST_SETTINGS:
            raise serializers.ValidationError(f"Ask for one to {MOST_SETTINGS} settings.")
        if len(set(names)) < len(names):
            raise serializers.ValidationError("Give each setting a name of its own.")
        return settings


class SimulationSerializer(serializers.ModelSerializer[Simulation]):
    results = serializers.DictField(read_only=True, allow_null=True, help_text="Null until it is done.")

    class Meta:
        model = Simulation
        fields = ["id", "state", "progress", "asked", "results", "why", "created_by", "created_at"]
        read_only_fields = fields
