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
from scipy.special import expit, gammainccinv, log_ndtr, ndtr

Vector = NDArray[np.float64]

FEWEST, MOST = 1.0, 50.0  # orders that the mean of the prior may weigh
SPREAD = 10.0  # orders that its spread weighs

# An integral over quantiles: the trapezoidal rule on the logit of the share, where whatever is steep at 0 or 1 is
# smooth. Its error falls exponentially with the number of nodes (Trefethen and Weideman 2014, SIAM Review 56).
_LOGITS = np.linspace(-17, 17, 48)
SHARE: Vector = expit(_LOGITS)
WEIGHT: Vector = SHARE * (1 - SHARE) / np.sum(SHARE * (1 - SHARE))
MIDDLE = len(SHARE) // 2

AXIS, AXIS_WEIGHT = np.polynomial.legendre.leggauss(64)
CHUNK = 256  # items reckoned with at a time: 6 MB an array
HUGE = 1e12  # of s2: beyond it the mean is the cap or nothing


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

    def grouped(self, group: NDArray[np.intp], size: int) -> "LogValues":
        """Of the values of each of `size` groups; `group` of each entry."""
        n = np.bincount(group, self.n, size).astype(np.float64)
        mean = np.bincount(group, self.n * self.mean, size) / np.maximum(n, np.finfo(float).tiny)
        about = self.m2 + self.n * (self.mean - mean[group]) ** 2
        return LogValues(n, mean, np.bincount(group, about, size).astype(np.float64))

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
        drawn: Vector = np.minimum(np.exp(np.minimum(mu + s2 / 2, 700)), cap)  # e^710 is no number
        return drawn

    def mean(self, cap: Vector) -> Vector:
        """Expectation of min(exp(mu + s2/2), cap); shape (items,)."""
        centre, spread = self._given_s2()
        over = (np.log(cap)[:, None] - centre) / spread
        below = np.exp(centre + spread**2 / 2 + log_ndtr(over - spread))  # summed as logarithms: exp alone overflows
        expected: Vector = np.minimum(below + cap[:, None] * ndtr(-over), cap[:, None]) @ WEIGHT
        return expected

    def points(self, cap: Vector) -> tuple[Vector, Vector]:
        """Mean values, shape (items, len(AXIS) + 1), and the mass of each: those below the cap, and the cap itself."""
        parts = [self._points(slice(start, start + CHUNK), cap) for start in range(0, max(len(cap), 1), CHUNK)]
        values, masses = (np.concatenate(part) for part in zip(*parts, strict=True))
        return values, masses

    def _points(self, part: slice, cap: Vector) -> tuple[Vector, Vector]:
        """By the density of the logarithm, along an axis whose steps grow away from the middle (a sinh)."""
        log_cap = np.log(cap[part])[:, None]
        centre, spread = self._given_s2(part)
        within = ndtr((log_cap - centre) / spread) @ WEIGHT
        middle, scale = centre[:, [MIDDLE]], spread[:, [MIDDLE]] + centre[:, [MIDDLE - 2]] - centre[:, [MIDDLE + 2]]
        least = np.minimum((centre - 9 * spread).min(axis=1)[:, None], log_cap - 1)
        start, end = (np.arcsinh((log - middle) / scale) for log in (least, log_cap))
        u = start + (end - start) * (1 + AXIS) / 2
        log = middle + scale * np.sinh(u)
        bells = np.exp(-(((log[:, :, None] - centre[:, None]) / spread[:, None]) ** 2) / 2)
        mass = (bells @ (WEIGHT / spread)[:, :, None])[:, :, 0] * np.cosh(u) * AXIS_WEIGHT
        mass *= (within / np.maximum(mass.sum(axis=1), np.finfo(float).tiny))[:, None]
        values = np.minimum(np.exp(log), cap[part, None])
        return np.hstack([values, cap[part, None]]), np.hstack([mass, 1 - within[:, None]])

    def _given_s2(self, part: slice = slice(None)) -> tuple[Vector, Vector]:
        """Mean and standard deviation of mu + s2/2 where s2 is at its quantiles `SHARE`; shape (items, len(SHARE))."""
        precision = np.maximum(gammainccinv(self.alpha[part, None], SHARE), np.finfo(float).tiny)
        s2 = np.minimum(self.beta[part, None] / precision, HUGE)
        return self.m[part, None] + s2 / 2, np.sqrt(s2 / self.k[part, None])


def prior(seen: LogValues, categories: Sequence[str], cap: float) -> LogNormal:
    """Of each item: the mean of its category, shrunk to that of all by how much items differ.

    Before any order a value is as one spread evenly up to the cap: log u has the mean -1 and the variance 1.
    The mean weighs as many orders as items differ (one-way analysis of variance), 1 to 50; the spread weighs 10.
    """
    _, category = np.unique(np.asarray(categories, str), return_inverse=True)
    n_categories = int(category.max(initial=-1)) + 1
    usual = LogValues(np.ones(1), np.array([np.log(cap) - 1]), np.ones(1))
    overall = usual + seen.grouped(np.zeros(len(seen.n), np.intp), 1)
    own, orders = seen.grouped(category, n_categories), _orders(seen)
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
