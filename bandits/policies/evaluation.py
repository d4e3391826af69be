"""What another policy would have earned, from logs of this one (off-policy evaluation).

With w = pi_e / pi_b, the propensity under the policy asked about over the logged one, per logged choice. All need the
logged propensities to be right, of which mean w = 1 is the test, and every choice of pi_e to have had a chance under
pi_b. Sources: Dudik et al. (2014) for DR, Swaminathan and Joachims (2015) for SNIPS, Wang et al. (2017) for Switch-DR,
Su et al. (2020) for DRos; Saito et al., arXiv:2008.07146, for all of them on the Open Bandit logs.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from firstlight.kernel.withheld import Reason, Withheld

Vector = NDArray[np.float64]

LEAST_ESS = 50.0


@dataclass(frozen=True, slots=True)
class Log:
    """n logged choices; every array has shape (n,)."""

    reward: Vector
    logged: Vector  # propensity of the choice under the policy that made it, in (0, 1]
    target: Vector  # propensity of the same choice under the policy asked about, in [0, 1]

    @property
    def weight(self) -> Vector:
        return self.target / self.logged


@dataclass(frozen=True, slots=True)
class Overlap:
    """How much the log can say about the policy asked about."""

    n: int
    ess: float  # (sum w)^2 / sum w^2: as many choices of its own would tell as much
    mean_weight: float  # 1 when the propensities are right
    mean_weight_error: float  # its standard error
    max_weight: float

    @property
    def is_trusted(self) -> bool:
        """The mean weight is 1 within three standard errors; else the logged propensities are wrong."""
        return abs(self.mean_weight - 1) <= 3 * self.mean_weight_error


def overlap(log: Log) -> Overlap:
    w = log.weight
    total, squares = float(w.sum()), float((w**2).sum())
    ess = total**2 / squares if squares else 0.0
    error = float(w.std(ddof=1) / np.sqrt(len(w))) if len(w) > 1 else float("inf")
    return Overlap(len(w), ess, float(w.mean()) if len(w) else 0.0, error, float(w.max(initial=0.0)))


def ips(log: Log) -> float:
    """Inverse propensity scoring: mean(w r)."""
    return float((log.weight * log.reward).mean())


def snips(log: Log) -> float:
    """Self-normalised: sum(w r) / sum(w)."""
    return float((log.weight * log.reward).sum() / log.weight.sum())


def direct(expected: Vector) -> float:
    """Direct method: the mean over choices of sum over actions of pi_e q."""
    return float(expected.mean())


def doubly_robust(log: Log, q: Vector, expected: Vector) -> float:
    """DR: the direct method, corrected where it was seen to be off. `q` is the model's reward of the logged choice."""
    return direct(expected) + float((log.weight * (log.reward - q)).mean())


def self_normalised_doubly_robust(log: Log, q: Vector, expected: Vector) -> float:
    return direct(expected) + float((log.weight * (log.reward - q)).sum() / log.weight.sum())


def switch_doubly_robust(log: Log, q: Vector, expected: Vector, *, most: float) -> float:
    """Switch-DR: the correction only where w <= `most`."""
    w = np.where(log.weight <= most, log.weight, 0.0)
    return direct(expected) + float((w * (log.reward - q)).mean())


def shrunken_doubly_robust(log: Log, q: Vector, expected: Vector, *, strength: float) -> float:
    """DRos: weights shrunk to w strength / (w^2 + strength)."""
    w = log.weight * strength / (log.weight**2 + strength)
    return direct(expected) + float((w * (log.reward - q)).mean())


@dataclass(frozen=True, slots=True)
class Value:
    """Reward per choice under the policy asked about, and how it compares with what was earned."""

    ips: float
    snips: float
    low: float  # bootstrap interval of SNIPS, clusters drawn whole
    high: float
    logged: float  # mean reward of the log itself
    overlap: Overlap


def value(
    log: Log, clusters: NDArray[Any], rng: np.random.Generator, *, confidence: float = 0.95, n_resamples: int = 1_000
) -> Value | Withheld:
    """The value of a policy, withheld when there is no log or it says too little (ESS under 50).

    `clusters`, shape (n,), names the unit of each choice: choices of one unit are not independent.
    """
    if len(log.reward) == 0:
        return Withheld(Reason.NO_DATA)
    seen = overlap(log)
    if seen.max_weight == 0:
        return Withheld(Reason.NO_SUPPORT)
    if seen.ess < LEAST_ESS:
        return Withheld(Reason.LOW_ESS)
    tail = (1 - confidence) / 2
    low, high = np.quantile(_resampled_snips(log, clusters, rng, n_resamples), [tail, 1 - tail])
    return Value(ips(log), snips(log), float(low), float(high), float(log.reward.mean()), seen)


def _resampled_snips(log: Log, clusters: NDArray[Any], rng: np.random.Generator, n_resamples: int) -> Vector:
    """SNIPS of resamples of clusters. Sums per cluster are enough, and Poisson counts stand for multinomial ones."""
    _, member = np.unique(clusters, return_inverse=True)
    gained = np.bincount(member, log.weight * log.reward)
    weight = np.bincount(member, log.weight)
    answers = np.empty(n_resamples)
    for i in range(n_resamples):
        times = rng.poisson(1.0, len(weight))
        total = float(times @ weight)
        answers[i] = float(times @ gained) / total if total else 0.0
    return answers
