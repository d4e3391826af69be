"""Were past decisions right? By what was learned since, in the ordinary pool, where no campaign reserves slots. Pure.

An item is confirmed or refuted once the interval of what it earned since then lies on one side of the bar that it was
decided by; until that it is open. Of the rates themselves an item half as good again as a bar of 3 % would lie under it
one time in six after a hundred impressions. The data of the decision are not used again: they were lucky, or it would
not have been made.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from math import inf

import numpy as np

from bandits.policies.bars import Vector
from firstlight.kernel.withheld import Reason, Withheld
from firstlight.stats import proportions, tails
from firstlight.stats.estimates import Estimate
from firstlight.stats.newcombe import Share

CONFIDENCE = 0.95
FEWEST = 5  # settled decisions under which no share is told
AFTER = (7, 14, 30)  # days


class Verdict(StrEnum):
    CONFIRMED = "confirmed"
    REFUTED = "refuted"
    OPEN = "open"


@dataclass(frozen=True, slots=True)
class Later:
    """What one item earned in the ordinary pool after it left, as far as it is known."""

    item: str
    graduated: bool  # else it was retired
    bar: float  # reward per fully examined impression
    impressions: float
    examined: float  # impressions as they weigh by their slots
    successes: float  # rewarded impressions
    worth: float  # sum of their rewards

    @property
    def rate(self) -> Estimate | Withheld:
        """Reward per fully examined impression, by Wilson's interval of the rewarded share.

        Where rewards are money, what a rewarded impression was worth is taken for known. Withheld under one impression.
        """
        if self.examined < 1:
            return Withheld(Reason.NO_DATA)
        share = Share(round(self.examined), min(self.successes, round(self.examined)))
        reach = share.reach(tails.quantile(CONFIDENCE, inf))
        each = self.worth / self.successes if self.successes else 1.0
        return Estimate(share.value * each, (share.value - reach.below) * each, (share.value + reach.above) * each)

    @property
    def is_above(self) -> bool | None:
        """Whether it lies above its bar; None while that is open."""
        rate = self.rate
        if isinstance(rate, Withheld) or rate.low <= self.bar <= rate.high:
            return None
        return rate.low > self.bar

    @property
    def verdict(self) -> Verdict:
        if self.is_above is None:
            return Verdict.OPEN
        return Verdict.CONFIRMED if self.is_above is self.graduated else Verdict.REFUTED


@dataclass(frozen=True, slots=True)
class Survival:
    """Of the items that graduated so long ago and have been seen since."""

    days: int
    n: int
    share: Estimate | Withheld  # neither clearly under their bar by then, nor taken back


@dataclass(frozen=True, slots=True)
class Judgement:
    graduated: dict[Verdict, int]
    retired: dict[Verdict, int]  # refuted: a good item was missed
    precision: Estimate | Withheld  # of the graduated that are settled, those above their bar
    recall: Estimate | Withheld  # of the settled above their bar, those that graduated


def judge(rows: Sequence[Later]) -> Judgement:
    """Shares with Clopper-Pearson intervals; withheld under five settled decisions."""
    counts = {
        kind: {verdict: sum(r.graduated is kind and r.verdict is verdict for r in rows) for verdict in Verdict}
        for kind in (True, False)
    }
    good, bad, missed = counts[True][Verdict.CONFIRMED], counts[True][Verdict.REFUTED], counts[False][Verdict.REFUTED]
    return Judgement(counts[True], counts[False], share_of(good, good + bad), share_of(good, good + missed))


def share_of(hits: int, n: int) -> Estimate | Withheld:
    return proportions.clopper_pearson(Share(n, hits), CONFIDENCE) if n >= FEWEST else Withheld(Reason.TOO_FEW_JUDGED)


def survival(days: int, rows: Sequence[tuple[Later, bool]]) -> Survival:
    """From what each graduated item earned in these days, and whether it was taken back in them."""
    alive = sum(not taken_back and later.is_above is not False for later, taken_back in rows)
    return Survival(days, len(rows), share_of(alive, len(rows)))


@dataclass(frozen=True, slots=True)
class Middle:
    """Of a positive quantity: half lie under `median`, a quarter under `low`, a quarter over `high`."""

    n: int
    median: float
    low: float
    high: float


def middle(values: Vector) -> Middle | Withheld:
    if not len(values):
        return Withheld(Reason.NO_DATA)
    low, median, high = (float(q) for q in np.quantile(values, (0.25, 0.5, 0.75)))
    return Middle(len(values), median, low, high)
