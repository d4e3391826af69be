"""One look at what a campaign is worth: lake -> moments -> worth, guards, cost -> a row that nobody changes.

The row, the pause and the notices are one transaction: who is killed before its end leaves none of them.
"""

from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any

import numpy as np
from django.db import transaction

from bandits import alarms, costing, exposed, guarding, telling, worth
from bandits.exposed import Read
from bandits.models import Campaign, CampaignLook, Outcome, Status
from bandits.policies import forgone
from firstlight.kernel.windows import Window
from firstlight.lake import engine, table
from firstlight.postgres import locks

LONGEST = timedelta(days=32)  # after a stop: the longest attribution, and what may come late
SEED = 20211126  # of the bootstrap of the cost; any will do, but a look should repeat


class UnableToLook(Exception):
    """Why there is nothing to look at, in words for the PM."""


@dataclass(frozen=True, slots=True)
class Basis:
    """What a look rests on. The same basis gives the same numbers, so it is not looked at twice."""

    batch: int  # last one read from the lake
    status: str
    since: str  # of the guards
    discovered: int
    guards: tuple[str, ...]
    margin: str

    def stored(self) -> dict[str, Any]:
        return asdict(self) | {"guards": list(self.guards)}


def look(campaign_id: int, *, at: datetime) -> CampaignLook:
    """The newest look at what the lake holds now; a new one when that or the campaign has changed.

    A broken guard pauses a running campaign. Raises `Campaign.DoesNotExist`, and `UnableToLook` for a draft.
    """
    campaign = Campaign.objects.select_related("scenario", "owner").get(pk=campaign_id)
    since = exposed.watched_since(campaign)
    if since is None:
        raise UnableToLook(f"“{campaign.key}” has not started; there is nothing it could be worth yet.")
    basis = _basis(campaign, since)
    last = campaign.looks.first()
    if last and last.results["basis"] == basis.stored():
        return last
    return _store(campaign, _results(campaign, basis, since, at), basis, at=at)


def open_at(at: datetime) -> list[int]:
    """Campaigns that may show something new: those that run, and stopped ones whose last rewards are still to come."""
    closing = Campaign.objects.filter(status=Status.STOPPED, stopped_at__gt=at - LONGEST)
    late = [c.pk for c in closing if (last := c.looks.first()) is None or last.until < exposed.closes_at(c, at)]
    return [*Campaign.objects.filter(status=Status.RUNNING).values_list("pk", flat=True), *late]


def _basis(campaign: Campaign, since: datetime) -> Basis:
    discovered = campaign.outcomes.filter(kind=Outcome.Kind.GRADUATED, reversed_at=None).count()
    guards, margin = tuple(campaign.guards), str(campaign.guard_margin)
    return Basis(table.latest_batch(), campaign.status, since.isoformat(), discovered, guards, margin)


def _results(campaign: Campaign, basis: Basis, since: datetime, at: datetime) -> dict[str, Any]:
    assert campaign.started_at is not None
    window = Window(campaign.started_at - timedelta(days=exposed.PRE_DAYS), exposed.closes_at(campaign, at))
    with engine.events(window, until_batch=basis.batch) as events:
        brought = exposed.of_worth(campaign, events, at=at)
        guarded = exposed.of_guards(campaign, events, since=since, at=at)
        log, units = costing.log_of(campaign, events)
    cost = forgone.cost(log, units, np.random.default_rng(SEED))
    found = {
        "worth": {"split": brought.split.told(), "estimates": worth.estimates(brought.cells, brought.split)},
        "guards": _guards(campaign, guarded),
        "cost": telling.cost(cost, len(log.reward), basis.discovered),
        "naive": telling.naive(log),
    }
    until = exposed.closes_at(campaign, at).isoformat()
    return {**found, "sentence": telling.sentence(found), "until": until, "basis": basis.stored()}


def _guards(campaign: Campaign, found: Read) -> list[dict[str, Any]]:
    return guarding.guards(campaign.guards, found.cells, found.split, float(campaign.guard_margin))


def _store(campaign: Campaign, results: dict[str, Any], basis: Basis, *, at: datetime) -> CampaignLook:
    """As the next look, unless somebody looked at the same or further on in the meantime."""
    with transaction.atomic():
        locks.wait_in_transaction("campaign look", str(campaign.pk))
        last = campaign.looks.first()
        if last and (last.results["basis"] == basis.stored() or last.results["basis"]["batch"] > basis.batch):
            return last
        paused = alarms.pause(campaign, results, at=at)
        number, until = last.number + 1 if last else 1, exposed.closes_at(campaign, at)
        made = campaign.looks.create(number=number, until=until, results=results | {"paused": paused})
        alarms.announce(made)
        return made
