"""What other policies would have earned from the choices of a campaign: recalled -> revalued -> every estimator."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime

import numpy as np

from bandits import paged, recalled, revalued, rivals, supported
from bandits.models import Campaign
from bandits.paged import Paged
from bandits.policies import adaptive, estimators, evaluation, slates
from bandits.policies.estimators import Evaluated
from bandits.policies.evaluation import Value
from bandits.policies.slates import Kind, Slated
from bandits.revalued import Log, Revalued
from bandits.rivals import Base
from bandits.supported import Support, Witness
from firstlight.kernel.withheld import Reason, Withheld
from firstlight.stats.estimates import Estimate

SEED = 20210816  # of the bootstrap intervals; any will do, but an answer should repeat


@dataclass(frozen=True, slots=True)
class Valued:
    """One policy, and what it is worth in rewards per choice (a slot that was seen)."""

    policy: str
    n_choices: int
    found: Evaluated
    adaptive: Estimate | Withheld  # adaptively weighted AIPW
    naive: float | Withheld  # by the plain means of items: biased
    supported: float  # share of what it shows that the log could have shown
    n_unsupported: int  # choices in whose place it would only have shown what could not be
    slates: Mapping[Kind, Slated | Withheld]  # rewards per page
    n_pages: int
    logged_per_page: float | Withheld
    left_out: Mapping[str, int]  # choices and pages, by why

    @property
    def estimate(self) -> Value | None:
        """IPS and SNIPS as one, with the interval of SNIPS."""
        ips, snips = self.found.of("ips"), self.found.of("snips")
        if isinstance(ips, Withheld) or isinstance(snips, Withheld):
            return None
        return Value(ips.value, snips.value, snips.low, snips.high, self.found.logged, self.found.overlap)

    @property
    def withheld(self) -> str | None:
        return self.found.found.reason.value if isinstance(self.found.found, Withheld) else None


@dataclass(frozen=True, slots=True, eq=False)
class Known:
    """All that every policy is valued by."""

    log: Log
    witnesses: list[Witness]
    pages: Paged


def values(campaign: Campaign, *, at: datetime) -> list[Valued]:
    """Of every policy that is asked about, from the choices of 30 days; nothing before the first table."""
    bases = rivals.bases(campaign, at=at)
    if not bases:
        return []
    log = revalued.log_of(recalled.recall(campaign, at=at), bases)
    read = supported.reader(campaign)
    known = Known(log, supported.witnesses(log, read), paged.paged(log, read))
    return [one for base in bases for one in _of_base(known, base)]


@dataclass(frozen=True, slots=True, eq=False)
class Asked:
    """One policy, and what the log can say of it."""

    name: str
    floor: float
    weighed: evaluation.Log
    support: Support
    pages: slates.Pages


def _of_base(known: Known, base: Base) -> Iterator[Valued]:
    log, again = known.log, revalued.revalue(known.log, base)
    weighed = {
        name: evaluation.Log(log.recalled.reward, log.recalled.propensity, again.target.at(floor))
        for name, floor in base.floors.items()
    }
    support = supported.supports(log, base, known.witnesses, weighed)
    pages = paged.valued(known.pages, log, base, list(base.floors.values()))
    for (name, floor), shown in zip(base.floors.items(), pages, strict=True):
        yield _valued(known, again, Asked(name, floor, weighed[name], support[name], shown))


def _valued(known: Known, again: Revalued, asked: Asked) -> Valued:
    log, rng = known.log, np.random.default_rng(SEED)
    unit, share = log.recalled.unit, asked.support.share
    q, expected = log.crossed.of(log.chosen), again.crossed.at(asked.floor)
    told = log.past.of(log.chosen), again.past.at(asked.floor)
    past = adaptive.scores(asked.weighed, *told, log.blocks, asked.support.spread)
    return Valued(
        policy=asked.name,
        n_choices=len(unit),
        found=estimators.evaluated(asked.weighed, q, expected, unit, rng, supported=share),
        adaptive=adaptive.value(asked.weighed, past, unit, supported=share),
        naive=_naive(log, again.shown.at(asked.floor)),
        supported=share,
        n_unsupported=round((1 - share) * len(unit)),
        slates=slates.evaluated(asked.pages, known.pages.unit, rng, supported=share),
        n_pages=len(asked.pages.reward),
        logged_per_page=_per_page(asked.pages),
        left_out={**log.recalled.left_out, **known.pages.left_out},
    )


def _naive(log: Log, shown: evaluation.Vector) -> float | Withheld:
    if not len(log.recalled.items):
        return Withheld(Reason.NO_DATA)
    counts, sums = (
        np.bincount(log.chosen.item, each, len(log.items)).astype(np.float64)
        for each in (np.ones(len(log.recalled.items)), log.recalled.reward)
    )
    return adaptive.naive(sums, counts, shown)


def _per_page(pages: slates.Pages) -> float | Withheld:
    if not len(pages.reward):
        return Withheld(Reason.NO_DATA)
    return float(pages.reward.sum(axis=1).mean())
