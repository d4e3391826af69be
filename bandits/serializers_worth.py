"""A look at a campaign on the wire."""

from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from bandits.models import CampaignLook

SPREAD: dict[str, Any] = {
    "oneOf": [
        {"type": "object", "properties": {name: {"type": "number"} for name in ("value", "low", "high")}},
        {"type": "object", "properties": {"withheld": {"type": "string", "description": "Why there is no number."}}},
    ]
}
NUMBER: dict[str, Any] = {"oneOf": [{"type": "number"}, SPREAD["oneOf"][1]]}


def _objects(**properties: dict[str, Any]) -> dict[str, Any]:
    return {"type": "array", "items": {"type": "object", "properties": properties}}


_TEXT, _COUNT = {"type": "string"}, {"type": "integer"}
ESTIMATES = _objects(
    metric=_TEXT,
    arm=_TEXT,
    units={"type": ["integer", "null"]},
    method=_TEXT,
    control=NUMBER,
    treatment=NUMBER,
    difference=SPREAD,
    lift=SPREAD,
    total=SPREAD,
    p=NUMBER,
)
GUARDS = _objects(
    guard=_TEXT,
    state=_TEXT,
    control=NUMBER,
    treatment=NUMBER,
    lift=SPREAD,
    margin={"type": "number"},
    units={"type": ["integer", "null"]},
    sentence=_TEXT,
)
COST: dict[str, Any] = {
    "type": "object",
    "properties": {
        "choices": _COUNT,
        "discovered": _COUNT,
        "clicks": SPREAD,
        "per_item": SPREAD,
        **dict.fromkeys(("by_ips", "greedy", "earned", "ess", "mean_weight"), NUMBER),
    },
}


class CampaignLookLineSerializer(serializers.ModelSerializer[CampaignLook]):
    sentence = serializers.SerializerMethodField("told")
    paused = serializers.SerializerMethodField("did_pause")

    class Meta:
        model = CampaignLook
        fields = ["number", "computed_at", "until", "sentence", "paused"]

    def told(self, look: CampaignLook) -> str:
        return str(look.results["sentence"])

    def did_pause(self, look: CampaignLook) -> bool:
        """Whether a guard paused the campaign at this look."""
        return bool(look.results["paused"])


class CampaignLookSerializer(CampaignLookLineSerializer):
    """Intervals hold at every look at once; `withheld` says why there is no number."""

    split = serializers.SerializerMethodField("the_split")
    worth = serializers.SerializerMethodField("brought")
    guards = serializers.SerializerMethodField("guarded")
    cost = serializers.SerializerMethodField("spent")
    naive = serializers.SerializerMethodField("as_it_comes")

    class Meta:
        model = CampaignLook
        fields = [*CampaignLookLineSerializer.Meta.fields, "split", "worth", "guards", "cost", "naive"]

    @extend_schema_field({"type": "object"})
    def the_split(self, look: CampaignLook) -> Any:
        """Units by arm beside the shares that were planned, and whether chance explains the difference."""
        return look.results["worth"]["split"]

    @extend_schema_field(ESTIMATES)
    def brought(self, look: CampaignLook) -> Any:
        return look.results["worth"]["estimates"]

    @extend_schema_field(GUARDS)
    def guarded(self, look: CampaignLook) -> Any:
        return look.results["guards"]

    @extend_schema_field(COST)
    def spent(self, look: CampaignLook) -> Any:
        return look.results["cost"]

    @extend_schema_field({"type": "object"})
    def as_it_comes(self, look: CampaignLook) -> Any:
        """The click rate of the campaign's slots as it comes, which is biased."""
        return look.results["naive"]
