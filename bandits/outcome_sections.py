"""What became of items, and who gets what, as sections of the page of a campaign; both read one ledger once."""

from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import Any

import numpy as np
import pyarrow as pa
from django.urls import reverse

from bandits import ecosystem, judged, viewing, weighing
from bandits.models import Campaign, Outcome, Status
from bandits.page import merchants as merchant_page
from bandits.page import outcomes as outcome_page
from bandits.serializers_outcomes import OutcomeSerializer
from bandits.weighing import Weighed
from firstlight.catalog.models import Item, Merchant
from firstlight.console.sections import Section
from firstlight.kernel.withheld import Withheld

NEXT = 8  # items next to graduate
OFF = "Items stay in the pool: graduation is switched off in the plan."
UNLEARNED = "Nothing has been learned yet; workers learn every ten minutes."


@dataclass(frozen=True)
class Leaving:
    """One campaign at one time."""

    campaign: Campaign
    at: datetime
    may_change: bool

    @cached_property
    def cells(self) -> pa.Table | None:
        return weighing.seen(self.campaign, self.at)

    def outcomes(self) -> Section:
        rows, following = list(self.campaign.outcomes.order_by("decided_at", "pk")), self.nearest()
        return outcome_page.section(
            [self._told(row) for row in rows],
            judged.judge(self.campaign, at=self.at, cells=self.cells),
            _titles({*(row.item for row in rows), *(one["item"] for one in following)}),
            now=self.at,
            is_money=viewing.is_money(self.campaign),
            waiting=self.waiting(),
            nearest=following,
            graduate_at=float(self.campaign.graduate_at),
        )

    def merchants(self) -> Section:
        found = ecosystem.spread(self.campaign, at=self.at, cells=self.cells)
        keys = [row["merchant"] for row in found["ever"]]
        names = Merchant.objects.filter(key__in=keys).exclude(name="").values_list("key", "name")
        return merchant_page.section(found, dict(names))

    @cached_property
    def weighed(self) -> Weighed | Withheld:
        return weighing.weigh(self.campaign, at=self.at, cells=self.cells)

    def waiting(self) -> str:
        """Why nothing can be decided; "" where it can."""
        if not self.campaign.graduates:
            return OFF
        if self.cells is None:
            return UNLEARNED
        if isinstance(self.weighed, Withheld):
            return f"There is no bar yet to decide by: {self.weighed.reason.value}. A bar can be set in the plan."
        return ""

    def nearest(self) -> list[dict[str, Any]]:
        """The items next to graduate, with their chances and the impressions that they still need."""
        if self.campaign.status != Status.RUNNING or not self.campaign.graduates or isinstance(self.weighed, Withheld):
            return []
        found, record = self.weighed, self.weighed.record
        has = np.minimum(record.impressions, record.since_reversal)
        return [
            {
                "item": found.beliefs.items[i],
                "chance": float(found.decisions.chance_in[i]),
                "missing": max(0.0, float(found.rule.least_impressions - has[i])),
            }
            for i in found.nearest[:NEXT]
        ]

    def _told(self, row: Outcome) -> dict[str, Any]:
        link = reverse("admin:bandits_campaign_take_back", args=[self.campaign.pk, row.pk]) if self.may_change else ""
        return {**OutcomeSerializer(row).data, "link": link}


def _titles(keys: set[str]) -> dict[str, str]:
    return dict(Item.objects.filter(key__in=keys).exclude(title="").values_list("key", "title"))
