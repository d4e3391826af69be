"""Outcomes on the wire: who left the pool of a campaign, why, and whether it was right."""

from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from bandits.models import Outcome
from firstlight.doors.serializers import Strict

LONGEST = Outcome._meta.get_field("reason").max_length
EVIDENCE: dict[str, Any] = {
    "type": "object",
    "description": "posterior (number), chance, bar, bar_from, incumbents, impressions, rewards, mean, low, high, "
    "age_hours, reversals, because; by_hand: the reason of a person.",
    "additionalProperties": True,
}


class ReasonSerializer(Strict):
    reason = serializers.CharField(max_length=LONGEST, help_text="Why, for who reads it next month.")


class ByHandSerializer(ReasonSerializer):
    item = serializers.CharField(max_length=200)
    kind = serializers.ChoiceField(choices=Outcome.Kind.choices)


class LeftSerializer(serializers.ModelSerializer[Outcome]):
    """What a recommender follows: whether the item belongs into the ordinary pool (`in_force` and graduated)."""

    in_force = serializers.SerializerMethodField("stands")

    class Meta:
        model = Outcome
        fields = ["id", "item", "kind", "in_force", "decided_at", "reversed_at"]

    def stands(self, row: Outcome) -> bool:
        return row.reversed_at is None


class OutcomeSerializer(LeftSerializer):
    evidence = serializers.SerializerMethodField("told")

    class Meta(LeftSerializer.Meta):
        fields = [*LeftSerializer.Meta.fields, "decided_by", "evidence", "reversed_by", "reason"]

    @extend_schema_field(EVIDENCE)
    def told(self, row: Outcome) -> Any:
        return row.evidence


def _or_why(**numbers: Any) -> Any:
    """A schema of numbers, or of why they are withheld."""
    given = {"type": "object", "required": [*numbers], "properties": numbers}
    why = {"type": "object", "required": ["withheld"], "properties": {"withheld": {"type": "string"}}}
    return extend_schema_field({"oneOf": [given, why]})


NUMBER, WHOLE = {"type": "number"}, {"type": "integer"}


@_or_why(value=NUMBER, low=NUMBER, high=NUMBER)
class EstimateField(serializers.JSONField):
    """value, low, high; or withheld."""


@_or_why(n=WHOLE, median=NUMBER, low=NUMBER, high=NUMBER)
class MiddleField(serializers.JSONField):
    """Quartiles and median; or withheld."""


class VerdictsSerializer(serializers.Serializer[Any]):
    """Settled by the interval of what items earned since, in the ordinary pool."""

    in_force = serializers.IntegerField()
    confirmed = serializers.IntegerField()
    refuted = serializers.IntegerField()
    open = serializers.IntegerField()


class SurvivalSerializer(serializers.Serializer[Any]):
    days = serializers.IntegerField()
    n = serializers.IntegerField()
    share = EstimateField()


class CorpusSerializer(serializers.Serializer[Any]):
    more_than = serializers.IntegerField(help_text="Rewards in the ordinary pool since the campaign showed it.")
    items = serializers.IntegerField()


class JudgedItemSerializer(serializers.Serializer[Any]):
    item = serializers.CharField()
    kind = serializers.ChoiceField(choices=Outcome.Kind.choices)
    bar = serializers.FloatField()
    impressions = serializers.FloatField()
    rate = EstimateField()
    verdict = serializers.ChoiceField(choices=["confirmed", "refuted", "open"])


class JudgementSerializer(serializers.Serializer[Any]):
    """Past decisions against what was learned since: docs/methods.md."""

    graduated = VerdictsSerializer()
    retired = VerdictsSerializer()
    taken_back = serializers.IntegerField()
    precision = EstimateField()
    recall = EstimateField()
    survival = SurvivalSerializer(many=True)
    hours = MiddleField(help_text="From the first impression to graduation.")
    impressions = MiddleField(help_text="Until graduation.")
    explored = serializers.IntegerField(help_text="Items that the campaign has shown.")
    graduation_rate = EstimateField(help_text="Of the items that the campaign has shown, those that graduated.")
    corpus = CorpusSerializer(many=True)
    items = JudgedItemSerializer(many=True)


@_or_why(n=WHOLE, n_shown=WHOLE, gini=NUMBER, top_share=NUMBER, entropy=NUMBER, evenness=NUMBER, coverage=NUMBER)
class SpreadField(serializers.JSONField):
    """How even it is; or withheld."""


class GotSerializer(serializers.Serializer[Any]):
    """One merchant: what it had of the campaign's impressions, and what it was promised."""

    merchant = serializers.CharField()
    n_items = serializers.IntegerField()
    impressions = serializers.FloatField()
    share = serializers.FloatField()
    floor = serializers.FloatField()
    cap = serializers.FloatField()
    floor_met = serializers.BooleanField()
    cap_kept = serializers.BooleanField()


class EcosystemSerializer(serializers.Serializer[Any]):
    """Who gets what: Gini, share of the top tenth, entropy; merchants against their floors and caps."""

    day = serializers.DateField(help_text="The last whole UTC day.")
    items = SpreadField()
    merchants = SpreadField()
    ever = GotSerializer(many=True)
    yesterday = GotSerializer(many=True)
    floors_met = serializers.IntegerField(help_text="Merchants, yesterday.")
