"""Many comparisons in one call, and each of them as values."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import isfinite, log
from typing import Any

from scipy.special import ndtr, ndtri_exp

from experiments.reading.sequence import Course
from firstlight.kernel.moments import Moments
from firstlight.kernel.withheld import Withheld
from firstlight.stats import finish, newcombe
from firstlight.stats.estimates import Comparison
from firstlight.stats.finish import AlwaysValid, Design, Finished, GroupSequential, Readings, Stack
from firstlight.stats.levels import Level
from firstlight.stats.newcombe import Share
from firstlight.stats.tails import Tail

FARTHEST = 8.0  # standard errors; a confidence is 1 in a float beyond
Pair = tuple[Moments, Moments]  # control, treatment


@dataclass(frozen=True, slots=True)
class Ways:
    """The same moments as of one look, and as of one look among many."""

    fixed: Comparison
    sequential: Comparison | None

    @property
    def in_force(self) -> Comparison:
        return self.sequential or self.fixed


@dataclass(frozen=True, slots=True)
class Compared:
    kind: str  # proportion, mean, ratio, or preference
    control: Level | Withheld
    treatment: Level | Withheld
    raw: Ways
    adjusted: Ways | None  # none where counts are too small for a normal law
    variance_reduction: float | None
    finished: Finished | None = None  # of all that were compared at once
    row: int = 0  # of this one there
    pair: Pair | None = None

    @classmethod
    def blank(cls, why: Withheld) -> "Compared":
        return cls("", why, why, Ways(Comparison("withheld", why, why, why), None), None, None)

    def readings(self, *, adjusted: bool) -> Readings | None:
        """None where nothing was compared in arrays, or where there is nothing to read in them."""
        if self.finished is None:
            return None
        found = self.finished.adjusted if adjusted and self.finished.adjusted else self.finished.raw
        return None if found.reason[self.row] else found

    @property
    def units(self) -> tuple[int, int]:
        """Of control and treatment."""
        return (self.pair[0].n, self.pair[1].n) if self.pair else (0, 0)

    @property
    def carriers(self) -> float:
        """How many units carry the metric, in the arm that has fewer: of a share its successes (Kish's n of values).

        Where they are few, the error of a lift hangs on the lift itself, so that low ones seem to be known best.
        """
        return min((_carriers(arm) for arm in self.pair), default=0.0) if self.pair else 0.0

    @property
    def lift(self) -> tuple[float, float] | None:
        """With its variance by the delta method, adjusted where that is possible."""
        found = self.readings(adjusted=self.adjusted is not None)
        if found is None or not (isfinite(found.lift[self.row]) and found.lift_se[self.row] > 0):
            return None
        return float(found.lift[self.row]), float(found.lift_se[self.row]) ** 2


def _carriers(arm: Moments) -> float:
    total, square = arm.n * float(arm.mean[0]), float(arm.products[0, 0]) + arm.n * float(arm.mean[0]) ** 2
    return total**2 / square if square > 0 else 0.0


def _sequence(course: Course) -> GroupSequential | AlwaysValid | None:
    if course.z is not None:
        return GroupSequential(course.z)
    return AlwaysValid(course.planned_n) if course.planned_n else None


def compare(kind: Any, pairs: Sequence[Pair], course: Course, covariates: int = 0) -> list[Compared]:
    """Every pair at once, as proportion, mean or ratio. All have the same columns, `covariates` of them last."""
    if not pairs:
        return []
    design = Design(1 - course.alpha, covariates, _sequence(course))
    controls, treatments = Stack.of([c for c, _ in pairs]), Stack.of([t for _, t in pairs])
    found = finish.finish(kind, controls, treatments, design)
    return [_compared(kind, found, i, pair, course) for i, pair in enumerate(pairs)]


def _compared(kind: str, found: Finished, i: int, pair: Pair, course: Course) -> Compared:
    control, treatment = pair
    levels = (
        finish.level(found.raw, i, of="control", n=control.n),
        finish.level(found.raw, i, of="treatment", n=treatment.n),
    )
    if kind == "proportion" and (shares := few(control, treatment)):
        return Compared(kind, *levels, _counted(*shares, course), None, None, found, i, pair)
    n = control.n + treatment.n
    if found.adjusted is None or found.variance_reduction is None:
        return Compared(kind, *levels, _ways(found.raw, i, n, course), None, None, found, i, pair)
    saved = None if found.raw.reason[i] or found.adjusted.reason[i] else float(found.variance_reduction[i])
    return Compared(
        kind, *levels, _ways(found.raw, i, n, course), _ways(found.adjusted, i, n, course), saved, found, i, pair
    )


def few(control: Moments, treatment: Moments) -> tuple[Share, Share] | None:
    """Both arms as counts, when an arm has few successes or failures."""
    if min(control.n, treatment.n) < 2:
        return None
    c, t = (Share(m.n, float(round(m.n * float(m.mean[0])))) for m in (control, treatment))
    return (c, t) if c.is_small or t.is_small else None


def _ways(found: Readings, i: int, n: int, course: Course) -> Ways:
    fixed = finish.at(found, i)
    if found.sequence is None or found.lift_sequence is None or isinstance(fixed.tail, Withheld):
        return Ways(fixed, fixed if found.sequence is not None else None)
    difference = finish.estimate(found.difference, found.sequence, i)
    lift = finish.estimate(found.lift, found.lift_sequence, i)
    tail = Tail.of_log(course.ln_p(as_normal(float(found.ln_p[i])), n))
    return Ways(fixed, Comparison(fixed.method, difference, lift, tail))


def as_normal(ln_p: float) -> float:
    """Standard errors of a normal statistic with this two-sided p."""
    return float(-ndtri_exp(ln_p - log(2)))


def _counted(control: Share, treatment: Share, course: Course) -> Ways:
    """Score intervals, as wide as this look asks for."""
    fixed = newcombe.compare(control, treatment, 1 - course.alpha)
    if not course.is_sequential:
        return Ways(fixed, None)
    n = control.n + treatment.n
    wide = newcombe.compare(control, treatment, 1 - 2 * float(ndtr(-min(course.errors(n), FARTHEST))))
    tail = Tail.of_log(course.ln_p(newcombe.evidence(control, treatment).statistic, n))
    return Ways(fixed, replace(wide, tail=tail))
