"""What was read for one look, as the reading takes it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from experiments.reading.plan import Plan, PlannedMetric
from experiments.reading.prior import Past
from experiments.stats import quantiles
from experiments.stats.levels import Level
from firstlight.kernel.moments import Moments
from firstlight.kernel.withheld import Reason, Withheld
from firstlight.metrics.read.values import Cells, Quantile

PAST = ("pre_value", "pre_denominator")
NEW = "is_new"


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
    weights: Mapping[str, float] = field(default_factory=dict)  # of user, merchant and platform
    growth: Mapping[str, Moments] = field(default_factory=dict)

    @property
    def information(self) -> list[float]:
        """That each earlier look had, however many goals it told of."""
        return list({one["number"]: float(one["information"]) for one in self.sequence}.values())


@dataclass(frozen=True, slots=True)
class Totals:
    """One metric: the whole of every arm."""

    columns: tuple[str, ...]
    arms: Mapping[str, Moments]  # every arm is there
    withheld: Withheld | None = None  # why nothing can be told of it

    @property
    def width(self) -> int:
        """Columns of the metric itself: 2 of a ratio, else 1."""
        return width(self.columns)

    @property
    def covariates(self) -> int:
        """Columns after them."""
        return len(self.columns) - self.width

    @property
    def bare(self) -> dict[str, Moments]:
        """Without what was before exposure."""
        return {arm: moments.take(*range(self.width)) for arm, moments in self.arms.items()}

    def before(self, arm: str) -> Moments | None:
        """The metric itself as it was before exposure; None where that was not read."""
        places = [self.columns.index(name) for name in PAST if name in self.columns]
        return self.arms[arm].take(*places) if places else None

    def new(self, arm: str) -> Moments | None:
        """Whether a unit was never seen before."""
        return self.arms[arm].take(self.columns.index(NEW)) if NEW in self.columns else None


def width(columns: Sequence[str]) -> int:
    return 2 if "denominator" in columns else 1


def totals(plan: Plan, metric: PlannedMetric, cells: Cells | None) -> Totals:
    """Of a metric that was not read every arm is empty."""
    own = ("value", "denominator") if metric.kind in ("ratio", "funnel") else ("value",)
    if cells is None:
        return Totals(own, {arm.key: Moments.empty(len(own)) for arm in plan.arms})
    if metric.kind == "quantile":
        return _quantiles(plan, cells)
    whole = {arm.key: Moments.empty(len(cells.columns)) for arm in plan.arms}
    for (arm, _), moments in cells.by_day.items():
        whole[arm] += moments
    return Totals(cells.columns, whole, Withheld(Reason.NO_RATE) if cells.unpriced else None)


def _quantiles(plan: Plan, cells: Cells) -> Totals:
    """As means of as many units that are known as surely: from there on a quantile is compared as any mean."""
    levels = {arm.key: _quantile(cells.quantile.get(arm.key)) for arm in plan.arms}
    blank = next((level for level in levels.values() if isinstance(level, Withheld)), None)
    arms = {
        key: Moments.empty(1) if isinstance(level, Withheld) else as_moments(level) for key, level in levels.items()
    }
    return Totals(("value",), arms, blank)


def _quantile(found: Quantile | None) -> Level | Withheld:
    if found is None:
        return Withheld(Reason.TOO_FEW_UNITS)
    return quantiles.of_events(found.n, found.value, found.low, found.high, at=found.at, below=found.below)


def as_moments(level: Level) -> Moments:
    """Of `level.n` units whose mean is known as surely as the level."""
    spread = level.variance * level.n * (level.n - 1)
    return Moments(level.n, np.array([level.value]), np.array([[spread]]))
