"""The value of a policy from data that a learning policy collected.

Such data is not a random sample: what looked bad early was shown less from then on, so its mean stays too low, and the
mean of the past is no estimate of the future. Each choice gets its doubly robust score with the propensity of its own
table version and a reward model of the past alone,

    score_t = sum_a pi_e(a) q_past(a) + w_t (r_t - q_past(a_t)),

a martingale difference about the value. Their plain mean has no normal limit, because the variance of the scores grows
as the log gets surer. So version v weighs h_v = 1 / sqrt(E[w^2 | v]), known before its choices are made, which keeps
the variance stable: value = sum(h score) / sum(h), with a normal interval.

Sources: Hadad, Hirshberg, Zhan, Wager, Athey (2021), PNAS 118, arXiv:1911.02768 (constant allocation rate); Zhan et al.
(2021), KDD, arXiv:2106.02029: the weights must not depend on the context of a choice, only on its version.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri

from bandits.policies.evaluation import Log, overlap_of, refusal
from firstlight.kernel.withheld import Reason, Withheld
from firstlight.stats.estimates import Estimate

Vector = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Scores:
    """n logged choices; every array has shape (n,)."""

    score: Vector  # doubly robust, the model of the past
    version: NDArray[np.intp]  # of the table that chose
    spread: Vector  # E[w^2] = sum_a pi_e(a)^2 / pi_b(a), where the choice was made


def scores(log: Log, q: Vector, expected: Vector, version: NDArray[np.intp], spread: Vector) -> Scores:
    """`q` and `expected` by a model that knew only earlier versions."""
    return Scores(expected + log.weight * (log.reward - q), version, spread)


def weights(found: Scores) -> Vector:
    """h of each choice: one for all of its version, from the mean of its spreads."""
    _, place = np.unique(found.version, return_inverse=True)
    mean = np.bincount(place, found.spread) / np.bincount(place)
    h: Vector = 1 / np.sqrt(mean[place])
    return h


def weighted(found: Scores, clusters: NDArray[Any], *, confidence: float = 0.95) -> Estimate:
    """The adaptively weighted mean; scores of one cluster count as one in its error."""
    h = weights(found)
    value = float((h * found.score).sum() / h.sum())
    _, member = np.unique(clusters, return_inverse=True)
    error = float(np.sqrt((np.bincount(member, h * (found.score - value)) ** 2).sum()) / h.sum())
    reach = float(ndtri((1 + confidence) / 2)) * error
    return Estimate(value, value - reach, value + reach)


def value(
    log: Log,
    found: Scores,
    clusters: NDArray[Any],
    *,
    confidence: float = 0.95,
    supported: float = 1.0,
) -> Estimate | Withheld:
    """Withheld as all that rests on weights: no data, too little overlap, wrong propensities."""
    if not len(log.reward):
        return Withheld(Reason.NO_DATA)
    why = refusal(overlap_of(log.weight, clusters, supported))
    return why if why else weighted(found, clusters, confidence=confidence)


def naive(rewards: Vector, counts: Vector, target: Vector) -> float:
    """What the plain means of items promise: sum over items of pi_e x mean reward. Biased, and told only as such.

    All of shape (items,); an item never shown is worth nothing.
    """
    mean = np.divide(rewards, counts, out=np.zeros_like(rewards), where=counts > 0)
    return float(target @ mean)
