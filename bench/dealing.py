"""Is the hash as good as chance? Chi-square over many seeds, whose p-values must be uniform (Kolmogorov-Smirnov).

Ids as shops have them, for a hash of few bits a character may see what they have in common. Per family: units over 2
and 10 arms and over all 10,000 buckets; pairs of experiments in different layers (a 4 x 4 table of each seed and the
next); ids that differ in one character (a 10 x 10 table of each id and the one after it).
"""

import time
from collections.abc import Callable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from bench import stack
from firstlight.assignment.batch import buckets
from firstlight.assignment.hashing import BUCKETS

UNITS, SEEDS = 1_000_000, 1_000
FAMILIES: Mapping[str, Callable[[int], str]] = {
    "u-17": lambda i: f"u-{i}",
    "digits alone": str,
    "ten digits": lambda i: f"{i:010d}",
    "common suffix": lambda i: f"{i}@shop.example",
    "long prefix": lambda i: f"https://shop.example/customers/{i}",
}
Points = NDArray[np.int32]


def run() -> None:
    for family in FAMILIES:
        began = time.perf_counter()
        found = uniformity(ids(family, UNITS), [f"experiment-{i}" for i in range(SEEDS)])
        told = ", ".join(f"{name} {p:.3f}" for name, p in found.items())
        took = time.perf_counter() - began
        stack.line(family, told, f"at least .001 each, {took:.0f} s", min(found.values()) / 0.001)


def ids(family: str, n: int) -> NDArray[np.str_]:
    return np.array([FAMILIES[family](i) for i in range(n)])


def uniformity(units: NDArray[np.str_], seeds: Sequence[str]) -> dict[str, float]:
    """p of Kolmogorov-Smirnov for the p-values of each question, over all seeds."""
    found: dict[str, list[float]] = {name: [] for name in ("2 arms", "10 arms", "buckets", "layers", "neighbours")}
    before: Points | None = None
    for seed in seeds:
        points = buckets(seed, units)
        counts = np.bincount(points, minlength=BUCKETS)
        for name, arms in (("2 arms", 2), ("10 arms", 10), ("buckets", BUCKETS)):
            found[name].append(stats.chisquare(counts.reshape(arms, -1).sum(axis=1)).pvalue)
        found["neighbours"].append(_independent(points[:-1:2], points[1::2], 10))
        if before is not None:
            found["layers"].append(_independent(points, before, 4))
        before = points
    return {name: float(stats.kstest(values, "uniform").pvalue) for name, values in found.items()}


def _independent(some: Points, others: Points, cells: int) -> float:
    """p of a table of both, of equal margins in truth."""
    width = BUCKETS // cells
    table = np.bincount(some // width * cells + others // width, minlength=cells**2)
    return float(stats.chisquare(table).pvalue)
