"""From the ledger to the next posteriors and their draw tables.

The ledger has counted every event of the lake up to its watermark once; what is learned is a function of it, of the
catalogue and of the time, so whoever tries again learns the same. Posteriors and tables are only added, and all are
kept: a logged decision names its table.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from django.db import transaction

from bandits import believing, contexts, delivering, grounds, ledgers, pool, tables, viewing
from bandits.believing import Shelf, Stand
from bandits.contexts import InContexts
from bandits.delivering import Delivered
from bandits.evidence import Evidence, Lens, seen
from bandits.models import Campaign, Posterior, PriorKind
from bandits.policies import beliefs as kinds
from bandits.policies import pacing
from bandits.policies.beliefs import Beliefs
from bandits.policies.budgets import binding
from bandits.policies.pacing import Pace
from bandits.policies.priors import observed_rate
from firstlight.catalog.models import Item
from firstlight.lake import table as lake
from firstlight.postgres import locks
from firstlight.snapshots import publication

STALE = timedelta(hours=1)  # after which time alone (delays, fading, budgets of a day) makes a new posterior


@dataclass(frozen=True, slots=True, eq=False)
class Known:
    """All that a campaign learns from at one time."""

    campaign: Campaign
    items: Sequence[Item]
    batch: int
    cells: pa.Table  # of the ledger
    lens: Lens
    scenario: Evidence  # what the cells say of all items
    at: datetime

    @property
    def shelf(self) -> Shelf:
        return Shelf(
            tuple(item.key for item in self.items),
            tuple(tables.categories(self.items)),
            tuple(tables.merchants(self.items)),
        )


def learn(campaign_id: int, *, at: datetime) -> Posterior:
    """The posterior of all traffic that counts every event in the lake, of the items in the pool now; new if need be.

    Raises `locks.Busy` while another process learns for this campaign, and `Campaign.DoesNotExist`.
    """
    with locks.alone("learn", str(campaign_id)):
        campaign = Campaign.objects.select_related("scenario").get(pk=campaign_id)
        ledgers.bring_up(ledgers.of(campaign), until_batch=lake.latest_batch(), at=at)
        known, before = known_of(campaign, at), newest(campaign)
        learned = posteriors(known, before) if before is None or is_due(before, known) else together(before)
        if keep(known, learned):
            publication.publish()  # if this fails, the beat publishes
        return learned[0]


def begin(campaign: Campaign, *, at: datetime) -> Posterior:
    """Posteriors and tables from what was counted so far, without the lake: new items are shown from the first second.

    The caller publishes, with what else it changes.
    """
    known = known_of(campaign, at)
    learned = posteriors(known, newest(campaign))
    keep(known, learned)
    return learned[0]


def newest(campaign: Campaign, segment: str = "") -> Posterior | None:
    return campaign.posteriors.filter(segment=segment).order_by("-number").first()


def present(campaign: Campaign, segment: str = "") -> Beliefs | None:
    """What it believes now; None before it was started."""
    row = newest(campaign, segment)
    return row.beliefs if row else None


def known_of(campaign: Campaign, at: datetime) -> Known:
    ledger = ledgers.of(campaign)
    cells = ledgers.read(ledger, (at - ledgers.HISTORY).date())
    lens = viewing.lens(campaign, ledger, cells, at)
    return Known(campaign, list(pool.items(campaign)), ledger.batch, cells, lens, seen(cells, lens), at)


def together(row: Posterior) -> list[Posterior]:
    """All that was learned in one step: that of all traffic first."""
    return list(row.campaign.posteriors.filter(number=row.number).order_by("segment"))


def is_due(before: Posterior, known: Known) -> bool:
    """Whether there is anything to learn: other items, other counts, other promises, or time that has passed."""
    own, stored, promised = known.scenario.of(known.shelf.items), before.numbers, delivering.promises(known.campaign)
    totals = (float(known.scenario.impressions.sum()), float(known.scenario.rewards.sum()))
    return (
        tuple(before.items) != own.items
        or (before.scenario_trials, before.scenario_successes) != totals
        or not np.array_equal(stored.get("impressions", np.empty(0)), own.impressions)
        or not np.array_equal(stored.get("rewards", np.empty(0)), own.rewards)
        or before.told.get("promised") != str(promised)
        or _has_aged(before, own, known.at, keeps_promises=promised != pacing.Promises())
    )


def _has_aged(before: Posterior, own: Evidence, at: datetime, *, keeps_promises: bool) -> bool:
    """Whether time alone changes something: looked at once an hour, and at midnight, when budgets begin anew."""
    last = learned_at(before)
    if at - last < STALE and at.date() == last.date():
        return False
    same = np.array_equal(before.trials, own.trials) and np.array_equal(before.successes, own.successes)
    return keeps_promises or not same


def learned_at(row: Posterior) -> datetime:
    return datetime.fromisoformat(row.told["at"]) if "at" in row.told else row.computed_at


def posteriors(known: Known, before: Posterior | None) -> list[Posterior]:
    """Unsaved: of all traffic, then of each segment, which begins with what all traffic told."""
    shelf, scenario = known.shelf, known.scenario
    own = scenario.of(shelf.items)
    stand = _stand(known, shelf, scenario, own)
    whole = believing.believed(shelf.items, stand, own)
    step = _step(known, stand, scenario, whole, before)
    parts = {segment: _part(known, segment) for segment in known.campaign.segments if known.campaign.segment_by}
    made = [_row(known, step, "", own, whole)]
    if known.campaign.policy in tables.CONTEXTUAL and parts:
        found = _in_contexts(known, stand, parts, own)
        made[0].context = found.model
        return made + [_row(known, step, segment, part, found.beliefs[segment]) for segment, part in parts.items()]
    mean = believing.conversion(whole)
    for segment, part in parts.items():
        made.append(_row(known, step, segment, part, believing.believed(shelf.items, stand, part, mean=mean)))
    return made


def _part(known: Known, segment: str) -> Evidence:
    return seen(known.cells.filter(pc.equal(known.cells["segment"], segment)), known.lens).of(known.shelf.items)


def _in_contexts(known: Known, stand: Stand, parts: Mapping[str, Evidence], whole: Evidence) -> InContexts:
    prices = [(float(item.price), item.currency) if item.price is not None else None for item in known.items]
    traits = contexts.traits(known.shelf.categories, known.shelf.merchants, prices)
    kind, attribute = known.campaign.policy, known.campaign.segment_by
    return contexts.learned(kind, attribute, traits=traits, stand=stand, parts=parts, whole=whole)


def _stand(known: Known, shelf: Shelf, scenario: Evidence, own: Evidence) -> Stand:
    campaign, money = known.campaign, viewing.is_money(known.campaign)
    won = scenario.rewarded if money else scenario.successes
    against = None
    if campaign.prior == PriorKind.DYNAMIC:
        outside = ~np.isin(scenario.items, shelf.items) & (scenario.impressions >= campaign.least_impressions)
        against = believing.Against(scenario.trials[outside], won[outside], float(campaign.prior_chance))
    return believing.stand(
        shelf,
        own,
        rate=observed_rate(float(scenario.trials.sum()), float(np.minimum(won, scenario.trials).sum())),
        cap=campaign.prior_strength_cap,
        value_cap=float(campaign.value_cap) if money else None,
        against=against,
    )


@dataclass(frozen=True, slots=True, eq=False)
class Step:
    """What goes with every posterior of one step."""

    number: int
    stand: Stand
    scenario: Evidence
    pace: Pace
    delivered: Delivered
    told: Mapping[str, Any]


def _step(known: Known, stand: Stand, scenario: Evidence, whole: Beliefs, before: Posterior | None) -> Step:
    promised = delivering.promises(known.campaign)
    delivered = delivering.delivery(known.campaign, known.cells, known.shelf, before, known.at)
    held = pacing.of(before.items, before.numbers) if before and "guarantee" in before.numbers else None
    pace = pacing.next_pace(held, promised, delivered.so_far, pacing.scale_of(whole))
    budgets = [asdict(one) for one in binding(pace, promised, delivered.so_far)]
    told = grounds.told(known.lens, stand.rewards.levels, known.at)
    told |= {"budgets": budgets, "delivered": delivered.told, "promised": str(promised)}
    return Step(before.number + 1 if before else 1, stand, scenario, pace, delivered, told)


def _row(known: Known, step: Step, segment: str, own: Evidence, beliefs: Beliefs) -> Posterior:
    counted = {"impressions": own.impressions, "rewards": own.rewards}
    rate, strength = step.stand.rewards.levels[0].mean, step.stand.rewards.strength
    return Posterior(
        campaign=known.campaign,
        segment=segment,
        number=step.number,
        batch=known.batch,
        kind=beliefs.kind,
        prior_a=rate * strength,
        prior_b=(1 - rate) * strength,
        items=list(beliefs.items),
        trials=own.trials.tolist(),
        successes=own.successes.tolist(),
        arrays=kinds.pack(beliefs.arrays() | step.pace.arrays() | step.delivered.arrays | counted),
        scenario_trials=float(step.scenario.impressions.sum()),
        scenario_successes=float(step.scenario.rewards.sum()),
        told=dict(step.told) if not segment else {"at": known.at.isoformat()},
    )


def keep(known: Known, learned: Sequence[Posterior]) -> bool:
    """Save the posteriors and their tables, all or none; whether there was anything to save."""
    wanted = [(row, arm) for row in learned for arm in arms(known.campaign, row)]
    made = [
        tables.drawn(known.campaign, row, known.items, arm) for row, arm in wanted if not _is_drawn(known, row, arm)
    ]
    if not made:
        return False
    with transaction.atomic():
        for row in learned:
            if not row.pk:
                row.save()
        for table in made:
            table.posterior_id = table.posterior.pk  # known only now
            table.save()
    return True


def arms(campaign: Campaign, row: Posterior) -> tuple[str, ...]:
    """The uniform arm learns nothing, so all segments share its table."""
    return ("learned", "uniform") if campaign.uniform_share and not row.segment else ("learned",)


def _is_drawn(known: Known, row: Posterior, arm: str) -> bool:
    if not row.pk:
        return False
    table = known.campaign.tables.filter(posterior=row, arm=arm).order_by("-id").first()
    return table is not None and tables.is_current(table, row, known.campaign, known.items)
