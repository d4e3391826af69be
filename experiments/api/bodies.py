"""What the commands take beside the experiment."""

from typing import Any

from rest_framework import serializers

from experiments.models import Decision
from firstlight.catalog.models import key_validator
from firstlight.doors.serializers import Fraction, Strict

RESHUFFLE = "Deal all units anew, instead of as few as possible."
REFUSE = "With `reshuffle`, of a sticky experiment: who has met an arm takes part no more."
NOTE = {"max_length": 10_000, "trim_whitespace": True}


class Nothing(Strict):
    """No field is known: a misspelt one is not silently lost."""


class Noted(Strict):
    note = serializers.CharField(required=False, allow_blank=True, default="", **NOTE)  # type: ignore[arg-type]


class Scheduled(Strict):
    start_at = serializers.DateTimeField()


class Decided(Strict):
    decision = serializers.ChoiceField(choices=Decision.choices)
    note = serializers.CharField(help_text="Why, for those who ask in a year.", **NOTE)  # type: ignore[arg-type]
    arm = serializers.CharField(required=False, allow_null=True, max_length=100, help_text="Which arm is shipped.")


class Shipped(Strict):
    note = serializers.CharField(help_text="Why, for those who ask in a year.", **NOTE)  # type: ignore[arg-type]
    arm = serializers.CharField(required=False, allow_null=True, max_length=100, help_text="The only treatment else.")


class Copied(Strict):
    key = serializers.CharField(max_length=100, validators=[key_validator])
    name = serializers.CharField(required=False, allow_blank=True, max_length=200)
    is_template = serializers.BooleanField(required=False)


class Weights(Strict):
    weights = serializers.DictField(child=Fraction(decimals=4), help_text="{arm: share of the units}, every arm.")
    reason = serializers.CharField(required=False, allow_blank=True, max_length=500)
    reshuffle = serializers.BooleanField(required=False, help_text=RESHUFFLE)
    refuse_former = serializers.BooleanField(required=False, help_text=REFUSE)


class RemovedArm(Strict):
    arm = serializers.CharField(max_length=100)
    reason = serializers.CharField(required=False, allow_blank=True, max_length=500)
    reshuffle = serializers.BooleanField(required=False, help_text=RESHUFFLE)
    refuse_former = serializers.BooleanField(required=False, help_text=REFUSE)


class Testers(Strict):
    testers = serializers.DictField(
        child=serializers.CharField(max_length=100), help_text="{id: arm}, all of them; {} for none."
    )


class Previewed(Strict):
    arm = serializers.CharField(max_length=100)
    hours = serializers.IntegerField(min_value=1, max_value=24 * 30, required=False, default=24 * 7)


class PreviewSerializer(serializers.Serializer[Any]):
    forced = serializers.CharField(help_text="Send it as `forced` to /api/v1/allocations.")
    until = serializers.DateTimeField()
    link = serializers.URLField(help_text="Explains it to whom it is given.")


class Ramped(Strict):
    """Either a coverage to go to, or a step of the plan."""

    coverage = Fraction(decimals=4, required=False)
    action = serializers.ChoiceField(choices=["advance", "roll_back"], required=False)
    reason = serializers.CharField(required=False, allow_blank=True, max_length=500, help_text="Of a roll-back.")
    from_coverage = Fraction(
        decimals=4, required=False, help_text="Of an action: what is covered now; refused if it is something else."
    )

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if ("coverage" in attrs) == ("action" in attrs):
            raise serializers.ValidationError("Send either a coverage or an action.")
        if attrs.get("reason") and attrs.get("action") != "roll_back":
            raise serializers.ValidationError({"reason": ["Only a roll-back keeps a reason."]})
        if "from_coverage" in attrs and "action" not in attrs:
            raise serializers.ValidationError({"from_coverage": ["Only an action starts from a coverage."]})
        return attrs


class Said(Strict):
    text = serializers.CharField(max_length=10_000)
