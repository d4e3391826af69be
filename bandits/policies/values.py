"""What an order is worth: the mean of capped positive values, whose logarithms are normal with unknown mean and spread.

mu | s2 ~ N(m, s2 / k), s2 ~ inverse gamma(alpha, beta): normal-inverse-gamma. The mean value exp(mu + s2/2) has no
finite expectation under it however much data there is, for its tail in s2 is heavier than any exponential; but values
are capped before they are counted, so their mean is below the cap, and it is taken as min(exp(mu + s2/2), cap).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray
from scipy.special import gammainccinv, ndtr

Vector = NDArray[np.float64]

FEWEST, MOST = 1.0, 50.0  # orders that the mean of the prior may weigh
SPREAD = 10.0  # orders that its spread weighs

NODES = 32  # Gauss-Legendre, on the probability that s2 is smaller


@dataclass(frozen=True, slots=True, eq=False)
class LogValues:
    """Of the logarithms of capped positive values, per item: how many, their mean, squares about it. They add up."""

    n: Vector
    mean: Vector  # 0 where n is
    m2: Vector

    def __add__(self, other: "LogValues") -> "LogValues":
        """Of both together, in whatever order (Chan, Golub and LeVeque 1979)."""
        n = self.n + other.n
        some = np.maximum(n, np.finfo(float).tiny)
        mean = (self.n * self.mean + other.n * other.mean) / some
        m2 = self.m2 + other.m2 + (self.mean - other.mean) ** 2 * self.n * other.n / some
        return LogValues(n, mean, m2)

    def weighed(self, weight: Vector | float) -> "LogValues":
        """As if each value counted `weight` times."""
        return LogValues(self.n * weight, self.mean, self.m2 * weight)


@dataclass(frozen=True, slots=True, eq=False)
class LogNormal:
    """Normal-inverse-gamma of (mu, s2), per item; all of one shape."""

    m: Vector
    k: Vector  # values that m weighs
    alpha: Vector
    beta: Vector

    def after(self, seen: LogValues) -> "LogNormal":
        k = self.k + seen.n
        beta = self.beta + seen.m2 / 2 + self.k * seen.n * (seen.mean - self.m) ** 2 / (2 * k)
        return LogNormal((self.k * self.m + seen.n * seen.mean) / k, k, self.alpha + seen.n / 2, beta)

    def draw(self, cap: Vector, rng: Generator) -> Vector:
        """One mean value per item."""
        s2 = self.beta / rng.standard_gamma(self.alpha)
        mu = self.m + np.sqrt(s2 / self.k) * rng.standard_normal(len(self.m))
        drawn: Vector = np.exp(np.minimum(mu + s2 / 2, np.log(cap)))
        return drawn

    def mean(self, cap: Vector) -> Vector:
        """Expectation of min(exp(mu + s2/2), cap); shape (items,)."""
        centre, spread, weight = self._nodes()
        log_cap = np.log(cap)[:, None]
        below = np.exp(np.minimum(centre + spread**2 / 2, 700)) * ndtr((log_cap - centre) / spread - spread)
        capped = cap[:, None] * ndtr((centre - log_cap) / spread)
        # where the normal lies far above the cap, exp() times a tail that underflows would be noise
        expected: Vector = np.sum(weight * np.minimum(below + capped, cap[:, None]), axis=1)
        return expected

    def above(self, bar: Vector, cap: Vector) -> Vector:
        """P(mean value > bar) for bars of shape (items, j)."""
        centre, spread, weight = self._nodes()
        beyond = ndtr((centre[:, None] - np.log(bar)[:, :, None]) / spread[:, None])
        chance: Vector = np.where(bar < cap[:, None], np.sum(weight * beyond, axis=2), 0.0)
        return chance

    def _nodes(self) -> tuple[Vector, Vector, Vector]:
        """Mean and standard deviation of mu + s2/2 given s2 at its nodes, shape (items, nodes), and their weights."""
        node, weight = np.polynomial.legendre.leggauss(NODES)
        s2 = self.beta[:, None] / gammainccinv(self.alpha[:, None], (1 + node) / 2)
        return self.m[:, None] + s2 / 2, np.sqrt(s2 / self.k[:, None]), weight / 2


def prior(seen: LogValues, categories: Sequence[str], cap: float) -> LogNormal:
    """Of each item: the mean of its category, shrunk to that of all by how much items differ.

    Before any order a value is as one spread evenly up to the cap: log u has the mean -1 and the variance 1.
    The mean weighs as many orders as items differ (one-way analysis of variance), 1 to 50; the spread weighs 10.
    """
    _, category = np.unique(np.asarray(categories, str), return_inverse=True)
    n_categories = int(category.max(initial=-1)) + 1
    usual = LogValues(np.ones(1), np.array([np.log(cap) - 1]), np.ones(1))
    overall = usual + _pooled(seen, np.zeros(len(seen.n), np.intp), 1)
    own, orders = _pooled(seen, category, n_categories), _orders(seen)
    mean = (orders * overall.mean + own.n * own.mean) / (orders + own.n)
    within = (seen.m2.sum() + 1) / (np.maximum(seen.n - 1, 0).sum() + 1)
    each = np.ones(len(seen.n))
    return LogNormal(mean[category], orders * each, SPREAD / 2 * each, within * (SPREAD / 2 - 1) * each)


def _orders(seen: LogValues) -> float:
    """Spread of a value over spread of the means of items: how many orders the prior mean weighs."""
    some = seen.n > 0
    n, mean = seen.n[some], seen.mean[some]
    free = n.sum() - len(n)
    if len(n) < 2 or free <= 0:
        return FEWEST
    within = seen.m2[some].sum() / free
    between = np.sum(n * (mean - np.average(mean, weights=n)) ** 2) - (len(n) - 1) * within
    v = between / (n.sum() - np.sum(n**2) / n.sum())
    return float(np.clip(within / v, FEWEST, MOST)) if v > 0 else MOST


def _pooled(seen: LogValues, group: NDArray[np.intp], size: int) -> LogValues:
    """Moments of whole groups."""
    n = np.bincount(group, seen.n, size).astype(np.float64)
    mean = np.bincount(group, seen.n * seen.mean, size) / np.maximum(n, np.finfo(float).tiny)
    m2 = np.bincount(group, seen.m2 + seen.n * (seen.mean - mean[group]) ** 2, size).astype(np.float64)
    return LogValues(n, mean, m2)
