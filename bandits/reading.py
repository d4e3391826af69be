"""What the page of a campaign is made from: its posteriors, its newest table and looks, as they are stored."""

from dataclasses import dataclass
from datetime import datetime
from functools import cached_property

import numpy as np
from django.http import HttpRequest
from django.utils import timezone

from bandits import ahead
from bandits.models import Campaign, Posterior
from bandits.outcome_sections import Leaving
from bandits.page import Choice, Json, Known, Wording, chances, leaders
from firstlight.catalog.models import Item

KEPT = 24  # posteriors of the picture of exposure


@dataclass(frozen=True)
class Reading:
    """One campaign and how it is looked at; what page and export have in common."""

    campaign: Campaign
    choice: Choice
    at: datetime
    may_change: bool = False

    @classmethod
    def of(cls, request: HttpRequest, campaign: Campaign, *, may_change: bool = False) -> "Reading":
        return cls(campaign, Choice.of(request.GET, campaign.segments), timezone.now(), may_change)

    @cached_property
    def history(self) -> list[Known]:
        """The newest `KEPT` of the segment, oldest first."""
        rows = self.campaign.posteriors.filter(segment=self.choice.segment).order_by("-number").defer("context")
        return [known(row, is_money=self.wording.is_money) for row in reversed(rows[:KEPT])]

    @property
    def newest(self) -> Known | None:
        return self.history[-1] if self.history else None

    @cached_property
    def chances(self) -> chances.Chances | None:
        return ahead.chances(self.campaign, self.newest) if self.newest else None

    @cached_property
    def names(self) -> dict[str, str]:
        """Titles of the items that any section shows; a pool may have ten thousand."""
        shown = {self.choice.item}
        if self.newest:
            shown |= {self.newest.items[i] for i in self.newest.best[: leaders.LISTED].tolist()}
        if self.chances:
            shown |= {self.chances.items[i] for i in self.chances.order[: chances.LISTED]}
        return names(shown)

    @cached_property
    def look(self) -> Json | None:
        """What the newest look found."""
        newest = self.campaign.looks.first()
        return newest.results if newest else None

    @cached_property
    def leaving(self) -> Leaving:
        return Leaving(self.campaign, self.at, self.may_change)

    @property
    def wording(self) -> Wording:
        return Wording.of(self.campaign.reward, self.campaign.value_currency)


def known(row: Posterior, *, is_money: bool) -> Known:
    numbers = row.numbers
    seen = numbers.get("impressions", np.asarray(row.trials, np.float64))
    return Known(
        at=row.computed_at,
        number=row.number,
        segment=row.segment,
        beliefs=row.beliefs,
        trials=np.asarray(row.trials, np.float64),
        successes=np.asarray(row.successes, np.float64),
        seen=seen,
        shown=numbers.get("ever", seen),
        told=row.told,
        is_money=is_money,
    )


def names(keys: set[str]) -> dict[str, str]:
    return dict(Item.objects.filter(key__in=keys).exclude(title="").values_list("key", "title"))
