"""Campaigns on the wire."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from bandits.models import Posterior
from firstlight.doors.serializers import Strict


class BecauseSerializer(Strict):
    because = serializers.CharField(
        max_length=1_000, required=False, allow_blank=True, help_text="In words, for those who find it paused."
    )


class Belief(NamedTuple):
    """What a campaign believes of one item: its reward per impression, with the interval of 95 % of the posterior."""

    item: str
    trials: float  # impressions
    successes: float  # clicked impressions
    mean: float
    low: float
    high: float


def told(row: Posterior, places: Sequence[int]) -> list[Belief]:
    """Of the items at these places, in this order."""
    believed = row.beliefs
    mean, (low, high) = believed.mean, believed.interval()
    return [
        Belief(
            item=row.items[i],
            trials=row.trials[i],
            successes=row.successes[i],
            mean=float(mean[i]),
            low=float(low[i]),
            high=float(high[i]),
        )
        for i in places
    ]


def leaders(row: Posterior) -> list[int]:
    """Places of its items, the highest mean first; of equals, the more often shown."""
    best: list[int] = np.lexsort((-np.array(row.trials), -row.beliefs.mean)).tolist()
    return best


class BeliefSerializer(serializers.Serializer[Belief]):
    item = serializers.CharField()
    trials = serializers.FloatField()
    successes = serializers.FloatField()
    mean = serializers.FloatField()
    low = serializers.FloatField()
    high = serializers.FloatField()


class PosteriorSerializer(serializers.ModelSerializer[Posterior]):
    """The newest version; `leaders` are its best items by mean, as many as `limit`."""

    n_items = serializers.SerializerMethodField("count")
    leaders = serializers.SerializerMethodField("best")

    class Meta:
        model = Posterior
        fields = ["number", "computed_at", "batch", "prior_a", "prior_b", "n_items", "leaders"]

    def count(self, posterior: Posterior) -> int:
        return len(posterior.items)

    @extend_schema_field(BeliefSerializer(many=True))
    def best(self, posterior: Posterior) -> Any:
        rows: Any = told(posterior, leaders(posterior)[: self.context["limit"]])
        return BeliefSerializer(rows, many=True).data


class PoolItemSerializer(serializers.Serializer[Any]):
    """`belief` null: the item is newer than the posterior."""

    key = serializers.CharField()
    title = serializers.CharField()
    belief = serializers.SerializerMethodField("believed")

    @extend_schema_field({"oneOf": [{"$ref": "#/components/schemas/Belief"}, {"type": "null"}]})
    def believed(self, item: Any) -> Any:
        known: dict[str, Belief] = self.context["beliefs"]
        return BeliefSerializer(known[item.key]).data if item.key in known else None
