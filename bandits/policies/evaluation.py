"""What another policy would have earned, from logs of this one (off-policy evaluation).

With w = pi_e / pi_b, the propensity under the policy asked about over the logged one, per logged choice. All need the
logged propensities to be right, of which mean w = 1 is the test, and every choice of pi_e to have had a chance under
pi_b: where it had none (`supported` tells the share of pi_e that had), mean w is that share.

Sources: Dudik et al. (2014) for DR, Swaminathan and Joachims (2015) for SNIPS, Wang et al. (2017) for Switch-DR, Su et
al. (2020) for DRos; Saito et al., arXiv:2008.07146, for all of them on the Open Bandit logs.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bandits.policies import forms
from bandits.policies.forms import Ratio
from firstlight.kernel.withheld import Reason, Withheld

Vector = NDArray[np.float64]

LEAST_ESS = 50.0
ROUNDING = 1e-9  # of weights that are exactly 1


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
    mean_weight: float  # `supported` when the propensities are right
    mean_weight_error: float  # its standard error
    max_weight: float
    supported: float = 1.0  # share of the policy asked about that the logged one could have chosen

    @property
    def is_trusted(self) -> bool:
        """The mean weight is as expected within three standard errors; else the logged propensities are wrong."""
        return abs(self.mean_weight - self.supported) <= 3 * self.mean_weight_error + ROUNDING


def overlap(log: Log) -> Overlap:
    """Of choices that are independent."""
    return overlap_of(log.weight, np.arange(len(log.reward)))


def overlap_of(weight: Vector, clusters: NDArray[Any], supported: float = 1.0) -> Overlap:
    """Of weights, shape (n,), that go together within a cluster."""
    if not len(weight):
        return Overlap(0, 0.0, 0.0, float("inf"), 0.0, supported)
    total, squares = float(weight.sum()), float((weight**2).sum())
    ess = total**2 / squares if squares else 0.0
    mean = total / len(weight)
    return Overlap(len(weight), ess, mean, _mean_error(weight - mean, clusters), float(weight.max()), supported)


def refusal(seen: Overlap) -> Withheld | None:
    """Why nothing is said that rests on these weights; None where something can be."""
    if seen.n == 0:
        return Withheld(Reason.NO_DATA)
    if seen.max_weight == 0:
        return Withheld(Reason.NO_SUPPORT)
    if seen.ess < LEAST_ESS:
        return Withheld(Reason.LOW_ESS)
    return None if seen.is_trusted else Withheld(Reason.WRONG_PROPENSITIES)


def _mean_error(rest: Vector, clusters: NDArray[Any]) -> float:
    """Standard error of a mean, from what is left of each row without it: sums by cluster vary, not rows."""
    sums = np.bincount(np.unique(clusters, return_inverse=True)[1].ravel(), rest)
    g = len(sums)
    return float(np.sqrt(g / (g - 1) * (sums**2).sum()) / len(rest)) if g > 1 else float("inf")


def cut(weight: Vector, most: float) -> Vector:
    """As Switch-DR has them: none above `most`."""
    return np.where(weight <= most, weight, 0.0)


def shrunk(weight: Vector, strength: float) -> Vector:
    """As DRos has them: w strength / (w^2 + strength)."""
    return weight * strength / (weight**2 + strength)


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
    w = cut(log.weight, most)
    return direct(expected) + float((w * (log.reward - q)).mean())


def shrunken_doubly_robust(log: Log, q: Vector, expected: Vector, *, strength: float) -> float:
    """DRos: all weights shrunk, the largest most."""
    w = shrunk(log.weight, strength)
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
    """The value of a policy, withheld when there is no log, or it says too little (ESS under 50) or wrong things.

    `clusters`, shape (n,), names the unit of each choice: choices of one unit are not independent.
    """
    seen = overlap_of(log.weight, clusters)
    if why := refusal(seen):
        return why
    gained = {"snips": (Ratio(log.weight * log.reward, log.weight),)}
    found = forms.estimates(gained, clusters, rng, confidence=confidence, n_resamples=n_resamples)["snips"]
    return Value(ips(log), found.value, found.low, found.high, float(log.reward.mean()), seen)
