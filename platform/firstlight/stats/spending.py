"""Group-sequential bounds: how far a statistic must lie at each look so that all looks together keep their promise.

Every look spends a part of alpha, by a function of the information it has; the bound of a look is what spends just
that part, given that no look before crossed its own. Exact for normal statistics with independent increments.
Sources: Lan and DeMets (1983), Biometrika 70; Armitage, McPherson, Rowe (1969) for the recursion; Jennison and
Turnbull (2000), Group Sequential Methods, chapter 19.
"""

from collections.abc import Callable, Sequence
from functools import lru_cache
from math import e, erfc, log, sqrt

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr, ndtri

NODES = 201  # of Gauss-Legendre between the bounds: with more they move by less than 1e-8, for looks .001 apart by 6e-4
FAR = 8.0  # standard errors; what lies beyond weighs 1e-15
FARTHEST = 38.0  # standard errors; beyond it a normal tail is 0 in a float
LEAST = 1e-3  # information between two looks under which the later one tells nothing new
Vector = NDArray[np.float64]


def obrien_fleming(t: float, alpha: float) -> float:
    """2(1 - Φ(z / √t)), z the upper alpha/2 point: almost nothing early. `alpha` is one-sided."""
    return float(erfc(-float(ndtri(alpha / 2)) / sqrt(2 * t)))


def pocock(t: float, alpha: float) -> float:
    """alpha ln(1 + (e - 1)t): about the same bound at every look."""
    return alpha * log(1 + (e - 1) * t)


def power_family(t: float, alpha: float, rho: float = 2.0) -> float:
    """alpha t^rho (Kim and DeMets 1987)."""
    return float(alpha * t**rho)


SPENDING: dict[str, Callable[[float, float], float]] = {
    "obrien_fleming": obrien_fleming,
    "pocock": pocock,
    "power": power_family,
}


def bounds(information: Sequence[float], alpha: float, spending: str = "obrien_fleming") -> tuple[float, ...]:
    """Two-sided critical |z| of every look; `information` is the share of what was planned, in (0, 1], not falling.

    `alpha` is two-sided. Past the plan (information over 1) nothing is left to spend: such a look keeps the bound of
    the last planned one and counts as made with it, which is why a test that runs on must be read as of its plan. A
    look with hardly new information (`LEAST`) has the bound of the one before; a first one counts as having that much.

    >>> [round(z, 4) for z in bounds((0.2, 0.4, 0.6, 0.8, 1.0), 0.05)]
    [4.8769, 3.357, 2.6803, 2.2898, 2.031]
    """
    return _bounds(tuple(round(min(max(t, LEAST), 1.0), 6) for t in information), alpha, spending)


@lru_cache(maxsize=4096)
def _bounds(information: tuple[float, ...], alpha: float, spending: str) -> tuple[float, ...]:
    found: list[float] = []
    path, last, spent = _Path.start(), 0.0, 0.0
    for t in information:
        if found and t - last < LEAST:
            found.append(found[-1])
            continue
        budget = SPENDING[spending](t, alpha / 2)
        bound = path.bound(t, budget - spent)
        path, last, spent = path.after(t, bound), t, budget
        found.append(bound)
    return tuple(found)


def crossing(information: Sequence[float], alpha: float, drift: float, spending: str = "obrien_fleming") -> float:
    """P that the upper bound is crossed at some look when the statistic at the planned end is `drift` on average."""
    path, total = _Path.start(drift), 0.0
    for t, z in zip(information, bounds(information, alpha, spending), strict=True):
        total += path.above(t, z)
        path = path.after(t, z)
    return total


class _Path:
    """Law of the score B(t) of a test that no look has stopped: its density at nodes below the bound.

    Each side is taken for itself: that a test may also have stopped on the other side is left out, which errs, by far
    less than 1e-3 of alpha, towards the stricter bound.
    """

    def __init__(self, t: float, nodes: Vector, mass: Vector, drift: float = 0.0) -> None:
        self.t, self.nodes, self.mass = t, nodes, mass  # mass = density x weight of the quadrature
        self.drift = drift  # of B per unit of information

    @classmethod
    def start(cls, drift: float = 0.0) -> "_Path":
        return cls(0.0, np.zeros(1), np.ones(1), drift)

    def above(self, t: float, z: float) -> float:
        """P(B(t) > z √t, not stopped above before)."""
        ahead = self.nodes + self.drift * (t - self.t)
        return float(self.mass @ ndtr((ahead - z * sqrt(t)) / sqrt(t - self.t)))

    def bound(self, t: float, budget: float) -> float:
        """The z that `budget` buys on either side, by bisection."""
        low, high = 0.0, FARTHEST
        if budget <= 0:
            return high
        for _ in range(80):
            middle = (low + high) / 2
            low, high = (middle, high) if self.above(t, middle) > budget else (low, middle)
        return (low + high) / 2

    def after(self, t: float, z: float) -> "_Path":
        """Not stopped at t either: B(t) under z √t."""
        middle = self.drift * t
        low, high = middle - FAR * sqrt(t), min(z * sqrt(t), middle + FAR * sqrt(t))
        points, weights = _gauss_legendre()
        half, step = (high - low) / 2, sqrt(t - self.t)
        nodes = half * points + (high + low) / 2
        ahead = self.nodes + self.drift * (t - self.t)
        kernel = np.exp(-0.5 * ((nodes[:, None] - ahead[None, :]) / step) ** 2) / (step * sqrt(2 * np.pi))
        return _Path(t, nodes, half * weights * (kernel @ self.mass), self.drift)


@lru_cache(maxsize=1)
def _gauss_legendre() -> tuple[Vector, Vector]:
    return np.polynomial.legendre.leggauss(NODES)
