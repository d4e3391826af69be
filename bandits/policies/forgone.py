"""What exploring cost: what the slots would have earned had each table only shown what it thought best, less what they
earned.

The choices were logged with their propensities under the table that made them, so the greedy policy of that table is
valued on them by IPS and SNIPS; no table is judged by what was learned later.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bandits.policies import evaluation
from bandits.policies.evaluation import Log, Overlap, Vector
from firstlight.kernel.withheld import Reason, Withheld
from firstlight.stats.estimates import Estimate

DRAWS = 1_000
CHUNK = 50  # resamples at a time: 200,000 units make 80 MB


@dataclass(frozen=True, slots=True)
class Cost:
    total: Estimate  # rewards that were forgone, of all choices; below 0 exploring earned more. By SNIPS
    by_ips: float  # the same by IPS
    greedy: float  # reward per choice that the greedy policy would have earned
    earned: float  # reward per choice that was earned
    overlap: Overlap

    def per(self, n_discovered: int) -> Estimate | Withheld:
        """Of each discovered item. How many there are is counted, not estimated."""
        if n_discovered == 0:
            return Withheld(Reason.NOTHING_DISCOVERED)
        value, low, high = (x / n_discovered for x in (self.total.value, self.total.low, self.total.high))
        return Estimate(value, low, high)


def slate(
    ranked: Sequence[int], allowed: Sequence[bool], merchants: Sequence[str], cap: int | None, k: int
) -> list[int]:
    """The first k items of a ranking that a request allows, at most `cap` of a merchant; "" is nobody, and free.

    >>> slate([2, 0, 1, 3], [True, True, True, True], ["m", "m", "m", ""], 1, 2)
    [2, 3]
    """
    chosen: list[int] = []
    held: Counter[str] = Counter()
    for item in ranked:
        if len(chosen) == k:
            break
        merchant = merchants[item]
        if allowed[item] and not (cap is not None and merchant and held[merchant] >= cap):
            chosen.append(item)
            held[merchant] += 1
    return chosen


def cost(log: Log, units: NDArray[Any], rng: np.random.Generator, *, confidence: float = 0.95) -> Cost | Withheld:
    """`units`, shape (n,), whose choices hang together. Withheld without a log, without support, under ESS 50."""
    n = len(log.reward)
    if n == 0:
        return Withheld(Reason.NO_DATA)
    seen = evaluation.overlap(log)
    if seen.max_weight == 0:
        return Withheld(Reason.NO_SUPPORT)
    if seen.ess < evaluation.LEAST_ESS:
        return Withheld(Reason.LOW_ESS)
    greedy, earned = evaluation.snips(log), float(log.reward.mean())
    low, high = np.quantile(_resampled(log, units, rng), [(1 - confidence) / 2, (1 + confidence) / 2])
    total = Estimate(n * (greedy - earned), n * float(low), n * float(high))
    return Cost(total, n * (evaluation.ips(log) - earned), greedy, earned, seen)


def _resampled(log: Log, units: NDArray[Any], rng: np.random.Generator) -> Vector:
    """SNIPS less the mean, of resamples of whole units: both feel the same luck, so they are drawn together.

    Poisson counts stand for multinomial ones. A resample without any greedy choice says nothing and is left out.
    """
    _, member = np.unique(units, return_inverse=True)
    sums = np.stack(
        [np.bincount(member, x) for x in (log.weight * log.reward, log.weight, log.reward, np.ones(len(member)))], 1
    )
    drawn = np.concatenate([rng.poisson(1.0, (CHUNK, len(sums))) @ sums for _ in range(DRAWS // CHUNK)])
    gained, weight, earned, n = drawn[drawn[:, 1] > 0].T
    gaps: Vector = gained / weight - earned / n
    return gaps
