"""What a campaign asks of the lake: the units of its arms, as the decision log exposed them, and what they did.

The split of a campaign stands in the log as an experiment named `campaign:<key>`, so it is read as experiments are.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any

import pyarrow as pa

from bandits import guarding, worth
from bandits.models import Campaign
from bandits.worth import Split
from firstlight.accounts.models import AuditEntry
from firstlight.kernel.windows import Window
from firstlight.metrics import rates, read
from firstlight.metrics.definitions import Definition
from firstlight.metrics.read import Cells, Exposures

PRE_DAYS = 14  # before a unit's first exposure: what it did then, adjusts what it does now
GUARD = "guard"  # the actor of a pause


@dataclass(frozen=True, slots=True)
class Read:
    """One reading of some metrics."""

    split: Split
    cells: Mapping[str, Cells]


def experiment(campaign: Campaign) -> str:
    """Its name in assignments."""
    return f"campaign:{campaign.key}"


def arms(campaign: Campaign) -> dict[str, float]:
    """The share of each arm that has one."""
    return worth.shares(float(campaign.control_share), float(campaign.uniform_share))


def closes_at(campaign: Campaign, at: datetime) -> datetime:
    """Up to when events count: what followed the last impression of a stopped campaign within its time, still does."""
    if campaign.stopped_at is None:
        return at
    return min(at, campaign.stopped_at + timedelta(hours=campaign.attribution_hours))


def watched_since(campaign: Campaign) -> datetime | None:
    """When its guards began to count: at its start, or when a person last resumed what a guard had paused.

    Whoever resumes it has seen the harm; the same events would pause it again within the hour. None for a draft.
    """
    if campaign.started_at is None:
        return None
    trail = AuditEntry.objects.filter(kind="campaign", subject=campaign.key, at__gte=campaign.started_at)
    steps = list(trail.filter(action__in=["paused", "resumed"]).order_by("id").values_list("action", "actor", "at"))
    undone = [
        after[2] for before, after in pairwise(steps) if before[:2] == ("paused", GUARD) and after[0] == "resumed"
    ]
    return undone[-1] if undone else campaign.started_at


def of_worth(campaign: Campaign, events: Any, *, at: datetime) -> Read:
    """Clicks, orders and net value of the units since the start."""
    assert campaign.started_at is not None
    return _measured(campaign, events, worth.definitions(campaign.value_currency), campaign.started_at, at)


def of_guards(campaign: Campaign, events: Any, *, since: datetime, at: datetime) -> Read:
    return _measured(campaign, events, [guarding.DEFINITIONS[one] for one in campaign.guards], since, at)


def _measured(
    campaign: Campaign, events: Any, definitions: Sequence[Definition], since: datetime, at: datetime
) -> Read:
    """Nothing is read without definitions, nor where there is only one arm."""
    planned = arms(campaign)
    if not definitions or worth.CONTROL not in planned:
        return Read(Split({}, planned), {})
    asked = _exposures(campaign, definitions, since, at)
    found = read.measure(events, definitions, asked, parts=False)
    return Read(Split(found.units, planned, found.mixed_units), found.metrics)


def _exposures(campaign: Campaign, definitions: Sequence[Definition], since: datetime, at: datetime) -> Exposures:
    until = max(closes_at(campaign, at), since)
    return Exposures(
        experiment=experiment(campaign),
        phase=1,
        unit=campaign.unit,
        arms=tuple(arms(campaign)),
        scenarios=(campaign.scenario.key,),
        window=Window(since, max(min(at, campaign.stopped_at or at), since)),
        until=until,
        pre_days=PRE_DAYS,
        rates=_rates(definitions, since - timedelta(days=PRE_DAYS), until),
    )


def _rates(definitions: Sequence[Definition], since: datetime, until: datetime) -> pa.Table | None:
    wanted = {one.currency for one in definitions if one.currency}
    return rates.stored().table(wanted.pop(), since.date(), until.date()) if wanted else None
