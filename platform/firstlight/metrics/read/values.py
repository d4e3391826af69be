"""What is asked of the events, and what comes back."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from functools import cached_property
from typing import Literal

import pyarrow as pa

from firstlight.kernel.moments import Moments
from firstlight.kernel.windows import Window

OTHER = ""  # the segment of what names none


@dataclass(frozen=True, slots=True)
class Slice:
    """Segments: of units by an attribute at their first exposure or by whether they are new, or of events by a column.

    unit: `field` is an attribute of the request, or "visitor" (new or returning). event: a column of the event table,
    or "category" of the item; the units stay all, the metric counts only events of the segment.
    """

    key: str
    of: Literal["unit", "event"]
    field: str


@dataclass(frozen=True, slots=True)
class Exposures:
    """Whose events count: units exposed in `window`, by an exposure event or by a logged decision."""

    experiment: str
    phase: int
    unit: str  # column of the event table
    arms: tuple[str, ...]  # control first
    scenarios: tuple[str, ...]
    window: Window
    until: datetime | None = None  # events count up to here; None: the window's end
    pre_days: int = 0  # before each unit's first exposure: its covariates; 0: none
    slices: tuple[Slice, ...] = ()
    ages: int = 0  # days since exposure that are read one by one; 0: none
    rates: pa.Table | None = None  # currency, day, rate: what one unit of money is worth in the metrics' currency
    categories: pa.Table | None = None  # item_id, category
    dealt_in: int | None = None  # phase since which most units kept their arm; None: all were dealt for this one
    phase_began: datetime | None = None  # needed with `dealt_in`: exposures that name no phase
    testers: tuple[str, ...] = ()  # units that see what was forced on them, and are never counted

    @property
    def goes_on(self) -> bool:
        """Whether units of this phase may have met an arm in an earlier one."""
        return self.dealt_in is not None and self.dealt_in < self.phase

    @property
    def end(self) -> datetime:
        return self.until or self.window.end


@dataclass(frozen=True, slots=True)
class Cells:
    """The moments of one metric. Their quantities are `columns`; sums over days or segments of units are the whole."""

    columns: tuple[str, ...]  # value[, denominator][, pre_value[, pre_denominator], is_new]
    by_day: dict[tuple[str, date], Moments]  # arm, UTC day of first exposure
    by_segment: dict[tuple[str, str, str], Moments] = field(default_factory=dict)  # slice, segment, arm
    by_scenario: dict[tuple[str, str], Moments] = field(default_factory=dict)  # scenario, arm: without covariates
    joint: dict[str, Moments] = field(default_factory=dict)  # arm: local value[, den], global value[, den]
    by_age: dict[tuple[int, str], Moments] = field(default_factory=dict)  # days since exposure, arm: of that day alone
    immature: dict[str, int] = field(default_factory=dict)  # arm: units whose window is open, or left out as unripe
    cap: float | None = None
    uncapped: dict[str, Moments] = field(default_factory=dict)  # arm; empty without a cap
    top: dict[str, Moments] = field(default_factory=dict)  # arm: without the 0.1 % of units with the largest value
    quantile: dict[str, "Quantile"] = field(default_factory=dict)  # arm; of a quantile metric
    unpriced: int = 0  # events whose currency had no rate

    @property
    def covariates(self) -> int:
        return sum(name not in ("value", "denominator") for name in self.columns)


@dataclass(frozen=True, slots=True)
class Quantile:
    """What the delta method needs of one arm's quantile; of events, with sums over the units they are clustered in."""

    n: int  # values
    at: float  # which quantile
    value: float
    low: float  # the quantiles at `at` -+ 1.96 standard errors of a share
    high: float
    below: Moments  # per unit: how many of its values are at most `value`, and how many it has


@dataclass(frozen=True)
class Measured:
    units: dict[str, int]  # by arm; every arm is there
    mixed_units: int  # met several arms, and are in no other number
    metrics: dict[str, Cells]
    sql: str  # of the whole lake; empty where no parts were asked for
    growth: dict[str, Moments] = field(default_factory=dict)  # arm: per unit GROWTH, over all scenarios
    crossed: dict[str, dict[str, dict[tuple[str, str], Moments]]] = field(default_factory=dict)  # experiment, metric
    earlier_units: int = 0  # met an arm in an earlier phase, and are in no other number
    shares: dict[str, float] = field(default_factory=dict)  # of what everybody brought: what units did once exposed
    since: datetime | None = None  # it went on from a reading up to here; None: the lake was read whole

    @cached_property
    def by_day(self) -> Mapping[str, Mapping[tuple[str, date], Moments]]:
        return {key: cells.by_day for key, cells in self.metrics.items()}


GROWTH = ("visits", "buyer", "orders", "gross", "net")
