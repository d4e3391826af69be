"""Resampling of raw units, for small samples and to check formulas; millions of units go by buckets (`bootstrap`).

Sources: Fisher (1935), Pitman (1937) for permutations; Efron (1987), JASA 82, for BCa.
"""

from itertools import combinations
from math import comb
from typing import Literal

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray
from scipy.special import ndtr, ndtri

from firstlight.kernel.withheld import Reason, Withheld
from firstlight.stats.estimates import Estimate

Vector = NDArray[np.float64]
MOST_SPLITS = 200_000  # under which every split is looked at
CHUNK = 2_000  # draws at a time: 1,000 units make 16 MB


def permutation(control: Vector, treatment: Vector, rng: Generator, *, draws: int = 20_000) -> float:
    """P of a difference of means at least so far on its side, doubled: of all splits, or of `draws` random ones."""
    both = np.concatenate([treatment, control])
    n = len(treatment)
    exact = comb(len(both), n) <= MOST_SPLITS
    sums = _all_sums(both, n) if exact else _some_sums(both, n, rng, draws)
    seen, slack = float(np.sum(treatment)), 1e-9 * float(np.abs(both).sum() + 1)
    more, less = int((sums >= seen - slack).sum()), int((sums <= seen + slack).sum())
    extra = 0 if exact else 1  # the split that was seen is one of the possible ones
    return min(1.0, 2 * (min(more, less) + extra) / (len(sums) + extra))


def _all_sums(both: Vector, n: int) -> Vector:
    return np.array([both[list(rows)].sum() for rows in combinations(range(len(both)), n)])


def _some_sums(both: Vector, n: int, rng: Generator, draws: int) -> Vector:
    return np.array([rng.permutation(both)[:n].sum() for _ in range(draws)])


def difference(
    control: Vector,
    treatment: Vector,
    confidence: float,
    rng: Generator,
    *,
    draws: int = 20_000,
    kind: Literal["percentile", "bca"] = "percentile",
) -> tuple[Estimate, float] | Withheld:
    """Interval of the difference of means, and its standard error; BCa corrects the draws' bias and skew."""
    if min(len(control), len(treatment)) < 2:
        return Withheld(Reason.TOO_FEW_UNITS)
    found = _means(treatment, rng, draws) - _means(control, rng, draws)
    value = float(treatment.mean() - control.mean())
    ends = np.array([(1 - confidence) / 2, (1 + confidence) / 2])
    if kind == "bca":
        ends = _corrected(ends, found, value, control, treatment)
    low, high = np.quantile(found, ends)
    return Estimate(value, float(low), float(high)), float(found.std(ddof=1))


def _means(values: Vector, rng: Generator, draws: int) -> Vector:
    n = len(values)
    parts = [
        values[rng.integers(0, n, (min(CHUNK, draws - start), n))].mean(axis=1) for start in range(0, draws, CHUNK)
    ]
    return np.concatenate(parts)


def _corrected(ends: Vector, found: Vector, value: float, control: Vector, treatment: Vector) -> Vector:
    bias = float(ndtri(((found < value).mean() + (found <= value).mean()) / 2))
    lead = bias + ndtri(ends)
    found_ends: Vector = ndtr(bias + lead / (1 - _acceleration(control, treatment) * lead))
    return found_ends


def _acceleration(control: Vector, treatment: Vector) -> float:
    """From the influence of leaving each unit out of its own arm, over both arms (Efron 1987, eq. 6.6)."""
    cubes = squares = 0.0
    for arm, sign in ((control, -1), (treatment, 1)):
        influence = sign * (arm - arm.mean()) / len(arm)
        cubes += float((influence**3).sum())
        squares += float((influence**2).sum())
    return cubes / (6 * squares**1.5) if squares else 0.0
