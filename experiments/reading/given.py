"""What was read for one look, as the reading takes it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from functools import reduce
from operator import add
from typing import Any

from experiments.reading.plan import Plan, PlannedMetric
from experiments.reading.prior import Past
from firstlight.kernel.moments import Moments

PRE = "pre_"
NEW = "is_new"


@dataclass(frozen=True, slots=True)
class Cells:
    columns: tuple[str, ...] = ("value",)
    by_day: Mapping[tuple[str, date], Moments] = field(default_factory=dict)
    by_segment: Mapping[tuple[str, str, str], Moments] = field(default_factory=dict)
    by_scenario: Mapping[tuple[str, str], Moments] = field(default_factory=dict)
    joint: Mapping[str, Moments] = field(default_factory=dict)
    by_age: Mapping[tuple[int, str], Moments] = field(default_factory=dict)
    immature: Mapping[str, int] = field(default_factory=dict)
    uncapped: Mapping[str, Moments] = field(default_factory=dict)
    cap: float | None = None
    top: Mapping[str, Moments] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Given:
    units: Mapping[str, int]  # by arm
    mixed_units: int  # met several arms, and are in no other number
    metrics: Mapping[str, Cells]
    number: int = 1  # of this look
    sequence: tuple[dict[str, Any], ...] = ()  # of earlier looks at the same phase, as the last one stored it
    planned_n: float | None = None  # that the first of them took as the planned size
    past: tuple[Past, ...] = ()  # lifts of past experiments
    slices_of_units: frozenset[str] = frozenset()  # those in which a unit is in one segment
    growth: Mapping[str, Moments] = field(default_factory=dict)

    @property
    def information(self) -> list[float]:
        """That each earlier look had, however many goals it told of."""
        return list({one["number"]: float(one["information"]) for one in self.sequence}.values())


@dataclass(frozen=True, slots=True)
class Totals:
    """One metric: the whole of every arm."""

    width: int  # columns of the metric itself: 2 of a ratio, else 1
    covariates: int  # columns after them
    arms: Mapping[str, Moments]  # every arm is there

    @property
    def bare(self) -> dict[str, Moments]:
        """Without what was before exposure."""
        return {arm: moments.take(*range(self.width)) for arm, moments in self.arms.items()}

    def before(self, arm: str) -> Moments:
        """The metric itself as it was before exposure."""
        return self.arms[arm].take(*range(self.width, 2 * self.width))

    def new(self, arm: str) -> Moments:
        """Share of units that were never seen before."""
        return self.arms[arm].take(2 * self.width)


def totals(plan: Plan, metric: PlannedMetric, cells: Cells) -> Totals:
    width = 2 if metric.kind in ("ratio", "funnel") else 1
    k = max(width, len(cells.columns))
    whole = {
        arm.key: reduce(add, (m for (key, _), m in cells.by_day.items() if key == arm.key), Moments.empty(k))
        for arm in plan.arms
    }
    return Totals(width, k - width, whole)
