"""From moments to readings, many comparisons at once, beside one call of SciPy's t test for each.

Ours gives a fixed, a sequential and a Bayesian reading, raw and adjusted by three covariates, as differences and lifts;
SciPy the raw fixed one alone. µs a comparison over µs a comparison; both made the same t and p, or the bench ends.
"""

import time
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.random import Generator
from scipy.stats import ttest_ind_from_stats

from bench import stack
from firstlight.kernel.moments import Moments
from firstlight.stats.finish import Design, Finished, GroupSequential, Kind, Normal, Stack, finish

METRICS, TREATMENTS, SEGMENTS, COVARIATES, TRIES = 10, 2, 50, 3, 7
ROWS = METRICS * TREATMENTS * SEGMENTS
KINDS: tuple[Kind, ...] = ("mean", "ratio")  # half the metrics are the one, half the other
DESIGN = Design(covariates=COVARIATES, sequence=GroupSequential(z=2.4), prior=Normal(0.0, 0.05))
Sides = tuple[Stack, Stack]


def run() -> None:
    rng = np.random.default_rng(5)
    asked: dict[Kind, Sides] = {kind: (_stack(kind, rng), _stack(kind, rng)) for kind in KINDS}
    times = [(_timed(lambda: _finished(asked)), _timed(lambda: _t_tests(asked["mean"]))) for _ in range(TRIES)]
    for (_, ours), (_, theirs) in times:
        _check(ours["mean"], theirs)
    ours_us = min(seconds for (seconds, _), _ in times) / ROWS * 1e6
    theirs_us = min(seconds for _, (seconds, _) in times) / (ROWS / len(KINDS)) * 1e6
    figure = f"{ours_us:.2f} us a comparison, {ROWS:,} at once, {COVARIATES} covariates, 3 readings"
    stack.line("finish", figure, f"ttest_ind_from_stats {theirs_us:.2f} us, one reading", ours_us / theirs_us)


def _finished(asked: dict[Kind, Sides]) -> dict[Kind, Finished]:
    return {kind: finish(kind, *sides, DESIGN) for kind, sides in asked.items()}


def _stack(kind: Kind, rng: Generator) -> Stack:
    return Stack.of([_moments(kind, rng) for _ in range(ROWS // len(KINDS))])


def _moments(kind: Kind, rng: Generator) -> Moments:
    """value[, denominator] and covariates that go with it, of 200 units."""
    past = rng.gamma(2, 1, (200, COVARIATES))
    now = [past @ rng.uniform(0.1, 0.5, COVARIATES) + rng.gamma(2, 1, 200) for _ in range(1 + (kind == "ratio"))]
    return Moments.of(np.column_stack([*now, past]))


def _t_tests(sides: Sides) -> list[tuple[float, float]]:
    """t and p of each row, as one would ask SciPy row by row."""
    (c, t), (c_sd, t_sd) = sides, (np.sqrt(one.covariance[:, 0, 0]) for one in sides)
    found = []
    for i in range(len(c.n)):
        one = ttest_ind_from_stats(t.mean[i, 0], t_sd[i], t.n[i], c.mean[i, 0], c_sd[i], c.n[i], equal_var=False)
        found.append((float(one.statistic), float(one.pvalue)))
    return found


def _check(ours: Finished, theirs: list[tuple[float, float]]) -> None:
    statistics, p = np.array(theirs).T
    np.testing.assert_allclose(ours.raw.difference / ours.raw.se, statistics, rtol=1e-9)
    np.testing.assert_allclose(ours.raw.p, p, rtol=1e-9)


def _timed(work: Callable[[], Any]) -> tuple[float, Any]:
    started = time.perf_counter()
    found = work()
    return time.perf_counter() - started, found
