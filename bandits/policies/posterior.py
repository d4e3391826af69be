"""What is believed of the click rates of items: Beta posteriors under one prior fitted to the campaign itself.

A flat prior is expensive here: at 2 % click rate Thompson sampling under Beta(1, 1) earns fewer clicks than showing
items at random, and under a fitted prior more (docs/methods.md).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import betaincinv

from firstlight.kernel.withheld import Reason, Withheld

Vector = NDArray[np.float64]

WEAKEST, STRONGEST = 10.0, 2000.0  # impressions that a fitted prior may weigh


@dataclass(frozen=True, slots=True)
class Prior:
    """Beta(a, b) of the click rate of an item that was never shown."""

    a: float
    b: float

    @classmethod
    def of(cls, mean: float, strength: float) -> "Prior":
        """By its mean and the impressions it weighs."""
        return cls(mean * strength, (1 - mean) * strength)

    @property
    def mean(self) -> float:
        return self.a / self.strength

    @property
    def strength(self) -> float:
        return self.a + self.b


# Before any impression: one click in a hundred, the order of magnitude of click rates in shops (Open Bandit Dataset
# .35 to .69 %, search pages a few percent), and no more weight than a hundred impressions, which a day outweighs.
DEFAULT = Prior(1.0, 99.0)


@dataclass(frozen=True, slots=True, eq=False)
class Beliefs:
    """Beta(prior.a + successes, prior.b + trials - successes) of each item."""

    prior: Prior
    items: tuple[str, ...]
    trials: Vector  # impressions, in the order of `items`
    successes: Vector  # clicked impressions, at most `trials`

    @property
    def a(self) -> Vector:
        return self.prior.a + self.successes

    @property
    def b(self) -> Vector:
        return self.prior.b + self.trials - self.successes

    @property
    def mean(self) -> Vector:
        return self.a / (self.a + self.b)

    def interval(self, confidence: float = 0.95) -> tuple[Vector, Vector]:
        """Equal-tailed credible interval of each item's click rate."""
        tail = (1 - confidence) / 2
        low, high = (np.asarray(betaincinv(self.a, self.b, p), np.float64) for p in (tail, 1 - tail))
        return low, high

    def leaders(self, n: int) -> list[int]:
        """Indices of the `n` items with the highest mean, best first; of equals, the more often shown first."""
        best: list[int] = np.lexsort((-self.trials, -self.mean))[:n].tolist()
        return best


def observed_rate(trials: float, successes: float) -> float:
    """Click rate of a whole scenario, never 0 or 1: its first impressions are read beside those of `DEFAULT`."""
    return (DEFAULT.a + successes) / (DEFAULT.strength + trials)


def fitted_strength(trials: Vector, successes: Vector) -> float | Withheld:
    """Impressions that the spread of click rates between items is worth: M = (mu(1 - mu) - v) / v.

    v is the variance of the true rates by the method of moments (Kleinman 1973, JASA 68, weighted by impressions).
    Infinite when the items differ no more than chance makes them, as two of the three Open Bandit campaigns do (there
    the maximum likelihood diverges as well). Withheld while fewer than two items were shown, or nothing or everything
    was clicked.
    """
    shown = trials > 0
    n, x = trials[shown], successes[shown]
    if len(n) < 2 or not 0 < x.sum() < n.sum():
        return Withheld(Reason.NO_DATA)
    total = n.sum()
    mu = x.sum() / total
    chance = mu * (1 - mu)
    spread = np.sum(n * (x / n - mu) ** 2)
    freedom = total - np.sum(n**2) / total - (len(n) - 1)
    v = (spread - (len(n) - 1) * chance) / freedom if freedom > 0 else 0.0
    return float((chance - v) / v) if v > 0 else float("inf")


def prior_of(trials: Vector, successes: Vector, rate: float, *, cap: float) -> Prior:
    """The prior of a campaign whose scenario has this click rate: strength fitted to its items, then bounded.

    Never more than the median impressions of the items shown, nor 2,000, nor `cap`, so that a new item still
    explores; never less than 10. While the strength is withheld it is that of `DEFAULT`.
    """
    fitted = fitted_strength(trials, successes)
    if isinstance(fitted, Withheld):
        return Prior.of(rate, min(DEFAULT.strength, cap))
    most = min(STRONGEST, float(np.median(trials[trials > 0])))
    return Prior.of(rate, min(max(min(fitted, most), WEAKEST), cap))


def beliefs(
    items: Sequence[str], trials: Sequence[float], successes: Sequence[float], prior_a: float, prior_b: float
) -> Beliefs:
    """From plain numbers, as a database row holds them."""
    return Beliefs(Prior(prior_a, prior_b), tuple(items), np.asarray(trials, float), np.asarray(successes, float))
