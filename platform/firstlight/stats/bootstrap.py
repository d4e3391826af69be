"""The bootstrap over hash buckets: 1,000 sums per arm instead of millions of units, and it takes any statistic.

A unit's bucket is a hash of its id, so buckets are independent groups of units; drawing buckets with replacement draws
units in groups. Sources: Efron, Tibshirani (1993), chapters 8 and 13; Chamandy et al. (2012) for the groups.
"""

from dataclasses import dataclass

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from firstlight.kernel.withheld import Reason, Withheld
from firstlight.stats.estimates import Estimate

Vector = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Buckets:
    n: Vector  # (B,) units in each bucket
    sums: Vector  # (B, k) of their quantities


@dataclass(frozen=True, slots=True)
class Resampled:
    difference: Estimate | Withheld
    lift: Estimate | Withheld
    se: float  # of the difference


def compare(
    kind: str, control: Buckets, treatment: Buckets, confidence: float, rng: Generator, *, draws: int = 2_000
) -> Resampled | Withheld:
    """Percentile intervals of the difference and the lift; `kind` is proportion, mean or ratio (first over second).

    Withheld under two buckets in an arm. A draw whose control is 0 has no lift; with any such the lift is withheld.
    """
    if min(len(control.n), len(treatment.n)) < 2:
        return Withheld(Reason.TOO_FEW_UNITS)
    c, t = (_level(kind, _drawn(arm, rng, draws)) for arm in (control, treatment))
    gaps, gap = t - c, _whole(kind, treatment) - (level := _whole(kind, control))
    if not np.isfinite([gap, *gaps]).all():
        return Withheld(Reason.NO_DENOMINATOR)
    lift: Estimate | Withheld = Withheld(Reason.UNBOUNDED_LIFT)
    if level != 0 and (c != 0).all():
        lift = _percentile(gap / abs(level), gaps / np.abs(c), confidence)
    return Resampled(_percentile(gap, gaps, confidence), lift, float(gaps.std(ddof=1)))


def _whole(kind: str, arm: Buckets) -> float:
    return float(_level(kind, (arm.n.sum(keepdims=True), arm.sums.sum(axis=0, keepdims=True)))[0])


def _drawn(arm: Buckets, rng: Generator, draws: int) -> tuple[Vector, Vector]:
    """(draws,) units and (draws, k) sums: how often each bucket is drawn is multinomial."""
    b = len(arm.n)
    times = rng.multinomial(b, np.full(b, 1 / b), size=draws).astype(np.float64)
    return times @ arm.n, times @ arm.sums


def _level(kind: str, drawn: tuple[Vector, Vector]) -> Vector:
    n, sums = drawn
    below = sums[:, 1] if kind == "ratio" else n
    found: Vector = np.where(below != 0, sums[:, 0] / np.where(below != 0, below, 1.0), np.nan)
    return found


def _percentile(value: float, draws: Vector, confidence: float) -> Estimate:
    low, high = np.quantile(draws, [(1 - confidence) / 2, (1 + confidence) / 2])
    return Estimate(value, float(low), float(high))
