"""What a comparison of two arms finds."""

from dataclasses import dataclass

from firstlight.kernel.withheld import Withheld
from firstlight.stats.tails import Tail


@dataclass(frozen=True, slots=True)
class Estimate:
    """A number and its two-sided interval, all in the same unit."""

    value: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Comparison:
    """Treatment against control. Neither is ever turned by the metric's direction."""

    method: str  # welch, delta or newcombe
    difference: Estimate | Withheld  # treatment less control, in units of the metric
    lift: Estimate | Withheld  # difference over |control|: 0.05 is +5 %
    tail: Tail | Withheld  # two-sided, of no difference
