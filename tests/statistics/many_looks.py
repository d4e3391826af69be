"""Arms looked at day after day: what is promised holds over all looks together, and what that costs.

Units come in daily; every look reads all that have come by then, as the platform does: adjusted for what was before
exposure, by the bound that its plan asks for.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import sqrt

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray
from scipy.special import ndtri

from firstlight.stats import boundaries, finish, mixtures, power, spending
from firstlight.stats.finish import AlwaysValid, Design, GroupSequential, Readings, Stack
from tests.statistics import units
from tests.statistics.one_look import covers
from tests.statistics.promises import Promise, share, simulation

RUNS = 4_000  # of 100 looks
ALPHA = 0.05
A_DAY = 20  # units an arm
TRUTH = 2.4  # mean of the control
NO_DAYS_ALIKE = (20, 90, 5, 60, 10, 10, 80, 30, 5, 40, 100, 20, 70, 20)
Flags = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Course:
    """The same thousands of experiments at each of their looks."""

    looks: tuple[tuple[Stack, Stack], ...]
    n: tuple[int, ...]  # units an arm at each

    def read(self, i: int, sequence: GroupSequential | AlwaysValid | None) -> Readings:
        return finish.finish("mean", *self.looks[i], Design(1 - ALPHA, 3, sequence)).best

    def ever(self, sequences: Sequence[GroupSequential | AlwaysValid | None], truth: float = 0.0) -> Flags:
        """Whether an interval of some look missed the truth."""
        missed: Flags = np.zeros(len(self.looks[0][0].n), dtype=bool)
        for i, sequence in enumerate(sequences):
            found = self.read(i, sequence)
            missed |= ~covers(found.sequence if sequence else found.fixed, truth)
        return missed


def course(rng: Generator, runs: int, daily: Sequence[int], lift: float = 0.0) -> Course:
    looks: list[tuple[Stack, Stack]] = []
    for n in daily:
        new = [units.drawn(units.spend_with_past, rng, runs, n, effect) for effect in (0.0, lift)]
        looks.append(
            (new[0], new[1]) if not looks else (units.plus(looks[-1][0], new[0]), units.plus(looks[-1][1], new[1]))
        )
    return Course(tuple(looks), tuple(int(n) for n in np.cumsum(daily)))


def planned(times: Sequence[float], kind: str = "obrien_fleming") -> list[GroupSequential]:
    return [GroupSequential(z) for z in spending.bounds(tuple(times), ALPHA, kind)]


def even(looks: int) -> list[float]:
    return [(i + 1) / looks for i in range(looks)]


EVER = "a false alarm at some look"
NAMES = {"obrien_fleming": "O'Brien-Fleming spending", "pocock": "Pocock spending", "power": "power-family spending"}


@simulation
def group_sequential(rng: Generator) -> list[Promise]:
    found = []
    thirty = course(rng, 10_000, [A_DAY] * 30)
    for kind, name in NAMES.items():
        found.append(share(EVER, f"{name}, 30 looks, CUPED", thirty.ever(planned(even(30), kind)), ALPHA))
    for looks in (14, 28):
        first = Course(thirty.looks[:looks], thirty.n[:looks])
        found.append(
            share(EVER, f"{NAMES['obrien_fleming']}, {looks} looks, CUPED", first.ever(planned(even(looks))), ALPHA)
        )
    seldom = Course(thirty.looks[5::6], thirty.n[5::6])
    found.append(share(EVER, f"{NAMES['obrien_fleming']}, 5 looks, CUPED", seldom.ever(planned(even(5))), ALPHA))
    return found


@simulation
def uneven_information(rng: Generator) -> list[Promise]:
    days = course(rng, 10_000, NO_DAYS_ALIKE)
    times = [n / days.n[-1] for n in days.n]
    apart = course(rng, 10_000, NO_DAYS_ALIKE, lift=0.2)
    return [
        *(
            share(EVER, f"{name}, 14 looks of 5 to 100 units a day", days.ever(planned(times, kind)), ALPHA)
            for kind, name in NAMES.items()
        ),
        share(
            "every interval of a sequence covers",
            "O'Brien-Fleming spending, 14 uneven looks, a lift of 20 %",
            ~apart.ever(planned(times), TRUTH * 0.2),
            1 - ALPHA,
        ),
    ]


@simulation
def always_valid(rng: Generator) -> list[Promise]:
    """Looked at daily until ten times the planned size."""
    days = course(rng, RUNS, [10, *[20] * 99])
    tuned = [AlwaysValid(400.0)] * len(days.n)
    read = [days.read(i, tuned[0]) for i in range(len(days.n))]
    least_p = np.min([p for one in read if (p := one.sequence_p) is not None], axis=0)
    mixed = np.any([_mixed(one, 0.1 * TRUTH) < ALPHA for one in read[4::5]], axis=0)
    reaches = [boundaries.one_sided(2.0 * n, 400.0, ALPHA) for n in days.n]
    above = np.any([one.difference > z * one.se for one, z in zip(read, reaches, strict=True)], axis=0)
    sequence = "confidence sequence tuned to 400 units, 100 looks to 3,980, CUPED"
    apart = course(rng, RUNS, [10, *[20] * 49], lift=0.2)
    covered = ~apart.ever(tuned[:50], TRUTH * 0.2)
    return [
        share(EVER, sequence, days.ever(tuned), ALPHA, "≤"),
        share(EVER, "the least always-valid p of those looks", least_p < ALPHA, ALPHA, "≤"),
        share(EVER, "mSPRT, 20 of those looks", mixed, ALPHA, "≤"),
        share(EVER, "one-sided confidence sequence, those looks", above, ALPHA, "≤"),
        share("every interval of a sequence covers", "the same, 50 looks, a lift of 20 %", covered, 1 - ALPHA, "≥"),
    ]


def _mixed(found: Readings, tau: float) -> NDArray[np.float64]:
    pairs = zip(found.difference, found.se, strict=True)
    return np.array([mixtures.msprt(float(gap), float(se), tau, ALPHA).p for gap, se in pairs])


@simulation
def shares_watched(rng: Generator) -> list[Promise]:
    """One share after every trial or every fiftieth, by bounds for sums that are not normal."""
    runs, n, p = 2_000, 1_000, 0.1
    wins = (rng.random((runs, n)) < p).cumsum(axis=1)
    trials = np.arange(1, n + 1)
    bound = np.array([mixtures.normal_boundary(p * (1 - p) * t, ALPHA, p * (1 - p) * 300) for t in trials])
    crossed = (np.abs(wins - p * trials) > bound)[:, 49:].any(axis=1)
    looks = range(99, n, 180)
    exact = [
        all(one.low <= p <= one.high for i in looks for one in [boundaries.bernoulli(float(row[i]), i + 1, ALPHA, 300)])
        for row in wins[:400]
    ]
    spent = rng.standard_exponential((runs, n)).cumsum(axis=1) - trials
    upper = np.array([boundaries.gamma_exponential(float(t), ALPHA, 300.0, 1.0) for t in trials[49::50]])
    return [
        share(EVER, "normal mixture, after each of 950 trials", crossed, ALPHA, "≤"),
        share(
            "every interval of a sequence covers", "Bernoulli mixture, 6 looks at 1,000 trials", exact, 1 - ALPHA, "≥"
        ),
        share(
            EVER,
            "gamma-exponential bound, exponential values, 20 looks",
            (spent[:, 49::50] > upper).any(axis=1),
            ALPHA,
            "≤",
        ),
    ]


@simulation
def cost_of_a_sequence(rng: Generator) -> list[Promise]:
    """Units that a plan with 28 looks needs over one look, and that it then finds what it was sized for."""
    looks, target, runs = 28, 0.8, 40_000
    found = []
    for kind, name in NAMES.items():
        wider = power.inflation(looks, ALPHA, target, kind)
        drift = (ndtri(1 - ALPHA / 2) + ndtri(target)) * sqrt(wider)
        z = walk(rng, runs, even(looks), drift)
        crossed = (z > np.array(spending.bounds(tuple(even(looks)), ALPHA, kind))).any(axis=1)
        found.append(share("power that was planned", f"{name}, 28 looks, {wider:.3f} times the units", crossed, target))
    return found


def walk(rng: Generator, runs: int, times: Sequence[float], drift: float = 0.0) -> NDArray[np.float64]:
    """Normal statistics at each of these shares of the information; `drift` is where the last stands on average."""
    t = np.array(times)
    steps = np.sqrt(np.diff(t, prepend=0.0))
    score: NDArray[np.float64] = (rng.standard_normal((runs, len(t))) * steps).cumsum(axis=1)
    found: NDArray[np.float64] = score / np.sqrt(t) + drift * np.sqrt(t)
    return found
