"""Arms compared once: how often equal ones look different, and how often an interval has the truth in it."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from firstlight.stats.finish import Design, Kind, Readings, Stack, finish
from tests.statistics import units
from tests.statistics.promises import Promise, share, simulation

RUNS = 10_000
ALPHA = 0.05
Sampled = Callable[[Generator, float], Stack]  # (rng, lift)


@dataclass(frozen=True, slots=True)
class Setting:
    name: str
    kind: Kind
    sampled: Sampled
    base: float  # the control's true level
    lift: float  # true, where intervals are judged
    covariates: int = 0
    treated: Sampled | None = None  # where the arms are not of one size

    def finished(self, rng: Generator, lift: float) -> Readings:
        design = Design(1 - ALPHA, self.covariates)
        return finish(self.kind, self.sampled(rng, 0.0), (self.treated or self.sampled)(rng, lift), design).best


def of(draw: units.Draw, n: int) -> Sampled:
    return lambda rng, lift: units.drawn(draw, rng, RUNS, n, lift)


def converted(p: float, n: int) -> Sampled:
    return lambda rng, lift: units.of_counts(rng.binomial(n, p * (1 + lift), RUNS), n)


SETTINGS = (
    Setting("Welch, share of .1 %, 100,000 units an arm", "proportion", converted(0.001, 100_000), 0.001, 0.5),
    Setting("Welch, share of 2 %, 10,000 units an arm", "proportion", converted(0.02, 10_000), 0.02, 0.2),
    Setting("Welch, share of 30 %, 1,000 units an arm", "proportion", converted(0.3, 1_000), 0.3, 0.2),
    Setting(
        "Welch, share of 2 %, arms of 90 : 10",
        "proportion",
        converted(0.02, 45_000),
        0.02,
        0.2,
        treated=converted(0.02, 5_000),
    ),
    Setting("Welch, log-normal mean", "mean", of(units.skewed, 1_000), float(np.exp(0.5)), 0.2),
    Setting(
        "Welch, revenue of 95 % zeros",
        "mean",
        lambda rng, lift: units.revenue(rng, RUNS, 10_000, lift),
        units.REVENUE,
        0.5,
    ),
    Setting("delta, clicks per view", "ratio", of(units.clicks_per_view, 500), 0.1, 0.2),
    Setting("CUPED, mean on two covariates and is_new", "mean", of(units.spend_with_past, 400), 2.4, 0.2, 3),
    Setting("CUPED, ratio on the ratio before and is_new", "ratio", of(units.clicks_with_past, 400), 0.1, 0.2, 3),
    Setting("CUPED, share on the share before and is_new", "proportion", of(units.buys_with_past, 1_000), 0.12, 0.2, 2),
    Setting("CR1, units in 60 clusters an arm, as a ratio", "ratio", of(units.clusters, 60), 1.0, 0.2),
)


def _told(setting: Setting) -> Callable[[Generator], list[Promise]]:
    def simulate(rng: Generator) -> list[Promise]:
        equal, apart = setting.finished(rng, 0.0), setting.finished(rng, setting.lift)
        fixed, lifts = apart.fixed, apart.lift_fixed
        return [
            share("false alarms of an A/A test", setting.name, equal.p < ALPHA, ALPHA),
            share("coverage, difference", setting.name, covers(fixed, setting.base * setting.lift), 1 - ALPHA),
            share("coverage, lift (Fieller)", setting.name, covers(lifts, setting.lift), 1 - ALPHA),
        ]

    simulate.__name__ = setting.name
    return simulate


def covers(found: object, truth: float | NDArray[np.float64]) -> NDArray[np.bool_]:
    """An interval without an end has nothing in it: it counts as a miss."""
    low, high = (np.asarray(getattr(found, end)) for end in ("low", "high"))
    inside: NDArray[np.bool_] = (low <= truth) & (truth <= high)
    return inside


for one in SETTINGS:
    simulation(_told(one))
