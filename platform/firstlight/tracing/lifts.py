"""Arms against the control on each path. Pure.

Units are randomised, paths are not: the arm decides which path an item takes. So what is counted over all units of
an arm is an effect of the experiment: how many impressions, clicks and orders a unit had by a path, and which share of
what it saw came by it. A rate within a path compares what two arms sent there, which are other items shown to other
people: it describes, and is no effect.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from firstlight.stats.comparison import compare
from firstlight.stats.estimates import Comparison
from firstlight.tracing.paths import Path, Reading

Nature = Literal["effect", "description"]


@dataclass(frozen=True, slots=True)
class Measure:
    key: str
    name: str
    kind: Literal["mean", "ratio"]
    columns: tuple[int, ...]  # of an arm's moments: impressions, clicks, orders of the path, impressions of all
    nature: Nature


MEASURES = (
    Measure("exposure_share", "share of impressions", "ratio", (0, 3), "effect"),
    Measure("impressions_per_unit", "impressions per unit", "mean", (0,), "effect"),
    Measure("clicks_per_unit", "clicks per unit", "mean", (1,), "effect"),
    Measure("orders_per_unit", "orders per unit", "mean", (2,), "effect"),
    Measure("click_rate", "clicks per impression", "ratio", (1, 0), "description"),
    Measure("order_rate", "orders per click", "ratio", (2, 1), "description"),
)


@dataclass(frozen=True, slots=True)
class Lift:
    path: Path
    arm: str
    measure: Measure
    comparison: Comparison  # with the control


def lifts(reading: Reading, control: str, confidence: float) -> Iterator[Lift]:
    """Intervals are of one comparison each, of a look that was planned; nothing without units in the control."""
    base = reading.arms.get(control)
    if base is None:
        return
    for name, arm in reading.arms.items():
        if name == control:
            continue
        for path, moments in arm.by_path.items():
            for measure in MEASURES:
                before, after = (one.take(*measure.columns) for one in (base.by_path[path], moments))
                yield Lift(path, name, measure, compare(measure.kind, before, after, confidence))
