"""What was read for one look, as the reading takes it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from experiments.reading.plan import Plan, PlannedMetric
from experiments.reading.prior import Past
from firstlight.kernel.moments import Moments
from firstlight.kernel.withheld import Reason, Withheld
from firstlight.metrics.read.values import Cells, Quantile
from firstlight.stats import quantiles
from firstlight.stats.levels import Level

PAST = ("pre_value", "pre_denominator")
NEW = "is_new"


@dataclass(frozen=True, slots=True)
class Credits:
    """Of an interleaving: one metric, one treatment against the control; units with any credit for either."""

    control: Moments  # credits per unit
    treatment: Moments
    wins: int  # units with more credit for the treatment
    losses: int


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
    credits: Mapping[str, Mapping[str, Credits]] = field(default_factory=dict)  # of an interleaving, by metric
    crossed: Mapping[str, Mapping[str, Mapping[tuple[str, str], Moments]]] = field(default_factory=dict)
    other_arms: Mapping[str, Sequence[str]] = field(default_factory=dict)  # of the experiments in `crossed`
    site_shares: Mapping[str, float] = field(default_factory=dict)  # metric -> what exposed units bring of all
    weights: Mapping[str, float] = field(default_factory=dict)  # of user, merchant and platform
    growth: Mapping[str, Moments] = field(default_factory=dict)

    @property
    def information(self) -> list[float]:
        """That each earlier look had, however many goals it told of."""
        return list({one["number"]: float(one["information"]) for one in self.sequence}.values())


@dataclass(frozen=True, slots=True)
class Totals:
    """One metric: the whole of every arm."""

    kind: str  # as which it is compared: proportion, mean or ratio
    columns: tuple[str, ...]
    arms: Mapping[str, Moments]  # every arm is there
    withheld: Withheld | None = None  # why nothing can be told of it
    credits: Mapping[str, Credits] = field(default_factory=dict)  # of an interleaving, by treatment

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


def totals(plan: Plan, metric: PlannedMetric, given: Given) -> Totals:
    """Of a metric that was not read every arm is empty."""
    cells = given.metrics.get(metric.key)
    if plan.type == "interleaving":
        return _credited(plan, given.credits.get(metric.key, {}))
    if cells is None:
        blank = {arm.key: Moments.empty(1) for arm in plan.arms}
        return Totals("mean", ("value",), blank, Withheld(Reason.TOO_FEW_UNITS))
    if metric.kind == "quantile":
        return _quantiles(plan, cells)
    whole = {arm.key: Moments.empty(len(cells.columns)) for arm in plan.arms}
    for (arm, _), moments in cells.by_day.items():
        whole[arm] += moments
    why = Withheld(Reason.NO_RATE) if cells.unpriced else None
    return Totals(family(metric, cells.columns), cells.columns, whole, why)


def family(metric: PlannedMetric, columns: Sequence[str]) -> str:
    """Two sums are a ratio, whatever the metric is: over clusters a mean is one, too."""
    if width(columns) == 2:
        return "ratio"
    return "proportion" if metric.kind in ("proportion", "retention") else "mean"


def _credited(plan: Plan, credits: Mapping[str, Credits]) -> Totals:
    """Every arm by what it was credited; the control by what it was in the last of its drafts."""
    arms = {arm.key: Moments.empty(1) for arm in plan.arms}
    for key, one in credits.items():
        arms |= {key: one.treatment, plan.control.key: one.control}
    return Totals("mean", ("value",), arms, None if credits else Withheld(Reason.NO_DATA), credits)


def _quantiles(plan: Plan, cells: Cells) -> Totals:
    """As means of as many units that are known as surely: from there on a quantile is compared as any mean."""
    levels = {arm.key: _quantile(cells.quantile.get(arm.key)) for arm in plan.arms}
    blank = next((level for level in levels.values() if isinstance(level, Withheld)), None)
    arms = {
        key: Moments.empty(1) if isinstance(level, Withheld) else as_moments(level) for key, level in levels.items()
    }
    return Totals("mean", ("value",), arms, blank)


def _quantile(found: Quantile | None) -> Level | Withheld:
    if found is None:
        return Withheld(Reason.TOO_FEW_UNITS)
    return quantiles.of_events(found.n, found.value, found.low, found.high, at=found.at, below=found.below)


def as_moments(level: Level) -> Moments:
    """Of `level.n` units whose mean is known as surely as the level."""
    spread = level.variance * level.n * (level.n - 1)
    return Moments(level.n, np.array([level.value]), np.array([[spread]]))
