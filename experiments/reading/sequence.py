"""How strict this look must be, given every look before it."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import pairwise
from math import log, sqrt

from scipy.special import log_ndtr, ndtri

from experiments.reading.given import Given
from experiments.reading.plan import Plan
from firstlight.stats import spending
from firstlight.stats.finish import tightness

ROUGH = (1e-12, 1e-8, 1e-5, 1e-3, 0.02, 0.3, 0.7)  # levels between which a p is interpolated


@dataclass(frozen=True, slots=True)
class Course:
    """Where the plan stands at this look."""

    number: int
    at: datetime
    information: float  # share of the plan; over 1 past its end
    z: float | None  # standard errors that this look asks for; None when it is not group sequential
    last_z: float  # that the planned end asks for
    alpha: float
    planned_n: float | None = None  # units that an always-valid sequence is tuned to
    levels: tuple[tuple[float, float], ...] = ()  # (bound, bound of a single look) of one level each, rising
    z_of_each: float | None = None  # that each of the goals asks for when all shall hold at once

    @property
    def growth(self) -> float:
        """By how much the data will have grown at the planned end."""
        return 1 / self.information if 0 < self.information < 1 else 1.0

    def of_each(self, alpha: float) -> "Course":
        """The same look for one of several goals, each with this part of alpha."""
        return replace(self, alpha=alpha, z=self.z_of_each)

    def alone(self) -> "Course":
        """As if nobody had looked before or would look again."""
        return replace(self, z=None, planned_n=None)

    @property
    def is_sequential(self) -> bool:
        return self.z is not None or self.planned_n is not None

    def errors(self, n: float) -> float:
        """Standard errors that an interval reaches at this look, of arms with `n` units together."""
        if self.planned_n is None:
            assert self.z is not None
            return self.z
        spread = n * tightness(self.planned_n, self.alpha)
        return sqrt(2 * (spread + 1) / spread * log(sqrt(spread + 1) / self.alpha))

    def ln_p(self, statistic: float, n: float) -> float:
        """Two-sided, of a statistic at this look with all that was spent before it: the level that it just crosses.

        Of a group sequence interpolated between levels, which is exact at alpha and for a first look.
        """
        if self.planned_n is not None:
            spread = n * tightness(self.planned_n, self.alpha)
            return min(0.0, 0.5 * log(spread + 1) - statistic**2 * spread / (2 * (spread + 1)))
        return log(2) + float(log_ndtr(-self._alone(abs(statistic))))

    def _alone(self, z: float) -> float:
        """What this statistic would be worth at a single look."""
        for (low, worth_low), (high, worth_high) in pairwise(self.levels):
            if z <= high:
                return worth_low + (z - low) / (high - low) * (worth_high - worth_low)
        return self.levels[-1][1] + z - self.levels[-1][0]


def course(plan: Plan, given: Given, units: int, at: datetime) -> Course:
    """Of this look, when `units` have come."""
    information, number = plan.information(at, units), given.number
    fixed_z = float(ndtri(1 - plan.alpha / 2))
    if plan.analysis == "always_valid":
        size = given.planned_n or plan.planned_units or _projected(units, information)
        return Course(number, at, information, None, fixed_z, plan.alpha, size)
    times = _times([*given.information, information])
    if plan.analysis != "group_sequential" or not times:
        return Course(number, at, information, None, fixed_z, plan.alpha)
    z = spending.bounds(times, plan.alpha, plan.spending)[-1]
    last = z if times[-1] >= 1 else spending.bounds((*times, 1.0), plan.alpha, plan.spending)[-1]
    each = spending.bounds(times, plan.alpha / plan.n_goals, plan.spending)[-1]
    return Course(number, at, information, z, last, plan.alpha, None, _levels(plan, times), each)


def daily(plan: Plan, shares: Sequence[float]) -> list[float | None]:
    """Bounds of a plan that looks once a day; `shares` is the information at the end of every day."""
    times = _times(shares)
    if plan.analysis != "group_sequential" or not times:
        return [None] * len(shares)
    found = spending.bounds(times, plan.alpha, plan.spending)
    return [None] * (len(shares) - len(found)) + list(found)


def _times(information: Sequence[float]) -> tuple[float, ...]:
    """As the bounds take them: over 0, at most 1, never falling (a late withdrawal of units is no step back)."""
    rising, most = [], 0.0
    for share in information:
        most = max(most, min(share, 1.0))
        rising.append(most)
    return tuple(share for share in rising if share > 0)


def _levels(plan: Plan, times: tuple[float, ...]) -> tuple[tuple[float, float], ...]:
    """Exact at alpha, where goals decide, at 2 alpha, where one-sided guardrails do, and at Holm's first step."""
    exact = {plan.alpha, 2 * plan.alpha, plan.alpha / plan.n_goals}
    sparse = _sparse(times)
    rough = [a for a in ROUGH if all(abs(log(a / e)) > 0.5 for e in exact)]
    found = {a: spending.bounds(times, a, plan.spending)[-1] for a in exact if a < 1}
    found |= {a: spending.bounds(sparse, a, plan.spending)[-1] for a in rough}
    points = sorted((z, float(-ndtri(a / 2))) for a, z in found.items())
    return ((0.0, 0.0), *(point for before, point in pairwise([(0.0, 0.0), *points]) if point[0] > before[0]))


def _sparse(times: tuple[float, ...]) -> tuple[float, ...]:
    """Few looks for many: those that bring hardly any new information cost time and move a rough level by a hair."""
    kept: list[float] = []
    for t in times[:-1]:
        if not kept or t - kept[-1] >= min(0.02, kept[-1] / 10):
            kept.append(t)
    return (*kept, times[-1])


def _projected(units: int, information: float) -> float:
    """Units at the planned end if they go on coming as they did."""
    return max(2.0, units / information if 0 < information < 1 else float(units))
