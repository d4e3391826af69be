"""What became of items, and who gets what, as sections of the page of a campaign; both read one ledger once."""

from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import Any

import pyarrow as pa
from django.urls import reverse

from bandits import ecosystem, judged, pool, viewing, weighing
from bandits.models import Campaign, Outcome
from bandits.page import merchants as merchant_page
from bandits.page import outcomes as outcome_page
from bandits.serializers_outcomes import OutcomeSerializer
from firstlight.catalog.models import Item, Merchant
from firstlight.console.sections import Section
from firstlight.kernel.withheld import Withheld

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
        rows = list(self.campaign.outcomes.order_by("decided_at", "pk"))
        return outcome_page.section(
            [self._told(row) for row in rows],
            judged.judge(self.campaign, at=self.at, cells=self.cells),
            _titles({row.item for row in rows}),
            now=self.at,
            is_money=viewing.is_money(self.campaign),
            waiting=self.waiting(),
        )

    def merchants(self) -> Section:
        found = ecosystem.spread(self.campaign, at=self.at, cells=self.cells)
        keys = [row["merchant"] for row in found["ever"]]
        names = Merchant.objects.filter(key__in=keys).exclude(name="").values_list("key", "name")
        return merchant_page.section(found, dict(names))

    def waiting(self) -> str:
        """Why nothing can be decided; "" where it can."""
        if not self.campaign.graduates:
            return OFF
        if self.cells is None:
            return UNLEARNED
        known = weighing.bars_of(self.campaign, self.cells, {*pool.items(self.campaign).values_list("key", flat=True)})
        if isinstance(known, Withheld):
            return f"There is no bar yet to decide by: {known.reason.value}. A bar can be set in the plan."
        return ""

    def _told(self, row: Outcome) -> dict[str, Any]:
        link = reverse("admin:bandits_campaign_take_back", args=[self.campaign.pk, row.pk]) if self.may_change else ""
        return {**OutcomeSerializer(row).data, "link": link}


def _titles(keys: set[str]) -> dict[str, str]:
    return dict(Item.objects.filter(key__in=keys).exclude(title="").values_list("key", "title"))
