"""From new rewards to the next posterior and its draw table: every event counted once, whoever tries again.

The watermark (`Posterior.batch`) is written in the transaction that writes the counts, so a worker that dies leaves
the whole step or none of it. Posteriors and tables are only added, and all are kept: a logged decision names its table.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np
from django.db import transaction

from bandits import pool, rewards, tables
from bandits.models import Campaign, Posterior
from bandits.policies.posterior import Vector, observed_rate, prior_of
from bandits.rewards import Counts
from firstlight.catalog.models import Item
from firstlight.lake import table as lake
from firstlight.postgres import locks
from firstlight.snapshots import publication

NOTHING = Counts({}, {})


@dataclass(frozen=True, slots=True, eq=False)
class Tally:
    """What is counted at one watermark."""

    batch: int
    items: tuple[str, ...]
    trials: Vector  # in the order of `items`
    successes: Vector
    scenario_trials: float  # of all items of the scenario
    scenario_successes: float

    @classmethod
    def of(cls, row: Posterior) -> "Tally":
        trials, successes = np.array(row.trials, float), np.array(row.successes, float)
        return cls(row.batch, tuple(row.items), trials, successes, row.scenario_trials, row.scenario_successes)

    def tells_the_same_as(self, other: "Tally") -> bool:
        """Whatever batches they read: those may have brought nothing to this scenario."""
        totals = (self.scenario_trials, self.scenario_successes) == (other.scenario_trials, other.scenario_successes)
        counts = np.array_equal(self.trials, other.trials) and np.array_equal(self.successes, other.successes)
        return totals and self.items == other.items and counts


def learn(campaign_id: int, *, at: datetime) -> Posterior:
    """The posterior that counts every event in the lake, of the items in the pool now; a new one if anything changed.

    An item that joins the pool brings its history in the scenario with it (`rewards.HISTORY`). Raises `locks.Busy`
    while another process learns for this campaign, and `Campaign.DoesNotExist`.
    """
    with locks.alone("learn", str(campaign_id)):
        campaign = Campaign.objects.select_related("scenario").get(pk=campaign_id)
        items = list(pool.items(campaign))
        before = campaign.posteriors.order_by("-number").first()
        tally = counted(campaign, items, Tally.of(before) if before else None, until_batch=lake.latest_batch(), at=at)
        same = before is not None and Tally.of(before).tells_the_same_as(tally)
        latest = before if before and same else posterior(campaign, tally, number=before.number + 1 if before else 1)
        if _keep(campaign, items, latest):
            publication.publish()  # if this fails, the beat publishes
        return latest


def begin(campaign: Campaign) -> Posterior:
    """Posterior and table from the prior alone, without the lake: new items are shown from the first second.

    The caller publishes, with what else it changes.
    """
    items = list(pool.items(campaign))
    nothing = Tally(0, tuple(item.key for item in items), np.zeros(len(items)), np.zeros(len(items)), 0.0, 0.0)
    number = 1 + max(campaign.posteriors.values_list("number", flat=True), default=0)
    believed = posterior(campaign, nothing, number=number)
    _keep(campaign, items, believed)
    return believed


def counted(
    campaign: Campaign, items: Sequence[Item], before: Tally | None, *, until_batch: int, at: datetime
) -> Tally:
    """The tally up to `until_batch`: that of `before` and what came since, and for who joined, the whole history.

    A tally at batch 0 knows nothing yet: everybody joins.
    """
    scenario, attribution = campaign.scenario.key, timedelta(hours=campaign.attribution_hours)
    known = before if before and before.batch else None
    since = whole = NOTHING
    if known:
        since = rewards.gained(
            scenario, after_batch=known.batch, until_batch=until_batch, at=at, attribution=attribution
        )
    place = {key: index for index, key in enumerate(known.items)} if known else {}
    if known is None or any(item.key not in place for item in items):
        whole = rewards.count(scenario, rewards.history(at), until_batch=until_batch, attribution=attribution)

    def total(key: str, old: Vector, new: dict[str, int], ever: dict[str, int]) -> float:
        return float(old[place[key]] + new.get(key, 0)) if key in place else float(ever.get(key, 0))

    keys = tuple(item.key for item in items)
    old_trials, old_successes = (known.trials, known.successes) if known else (np.empty(0), np.empty(0))
    return Tally(
        until_batch,
        keys,
        np.array([total(key, old_trials, since.trials, whole.trials) for key in keys]),
        np.array([total(key, old_successes, since.successes, whole.successes) for key in keys]),
        known.scenario_trials + sum(since.trials.values()) if known else sum(whole.trials.values()),
        known.scenario_successes + sum(since.successes.values()) if known else sum(whole.successes.values()),
    )


def posterior(campaign: Campaign, tally: Tally, *, number: int) -> Posterior:
    """Unsaved, with the prior fitted to these counts."""
    rate = observed_rate(tally.scenario_trials, tally.scenario_successes)
    prior = prior_of(tally.trials, tally.successes, rate, cap=campaign.prior_strength_cap)
    return Posterior(
        campaign=campaign,
        number=number,
        batch=tally.batch,
        prior_a=prior.a,
        prior_b=prior.b,
        items=list(tally.items),
        trials=tally.trials.tolist(),
        successes=tally.successes.tolist(),
        scenario_trials=tally.scenario_trials,
        scenario_successes=tally.scenario_successes,
    )


def _keep(campaign: Campaign, items: Sequence[Item], latest: Posterior) -> bool:
    """Save the posterior and its table, both or neither; whether there was anything to save."""
    table = campaign.tables.filter(posterior=latest).order_by("-id").first() if latest.pk else None
    if table and tables.is_current(table, latest, campaign, items):
        return False
    made = tables.drawn(campaign, latest, items)
    with transaction.atomic():
        if not latest.pk:
            latest.save()
        made.posterior = latest
        made.save()
    return True
