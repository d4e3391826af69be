"""Metrics that the measures of scenarios hold already, day by day. Pure."""

from collections.abc import Callable
from typing import Protocol

from firstlight.metrics.definitions import Definition, Source

COLUMNS = {"impression": "impressions", "click": "clicks", "cart": "carts", "order": "orders"}


class Measure(Protocol):
    """What is read of a `ScenarioMeasure`."""

    @property
    def units(self) -> int: ...
    @property
    def buyers(self) -> int: ...


Daily = Callable[[Measure], float | None]  # None: nobody came, or nothing to divide by


def daily(one: Definition) -> Daily | None:
    """How to read this metric off a day of a scenario; None when measures do not tell it.

    A day's value counts units that came on that day; a test counts all it exposed.
    """
    if one.delay_hours:
        return None
    top = _column(one.numerator)
    match one.kind:
        case "proportion" if top == "orders":
            return lambda measure: _divided(measure.buyers, measure.units)
        case "mean" if top:
            return lambda measure: _divided(getattr(measure, top), measure.units)
        case "ratio" if top and one.denominator and (below := _column(one.denominator)):
            return lambda measure: _divided(getattr(measure, top), getattr(measure, below))
    return None


def _column(source: Source) -> str | None:
    return COLUMNS.get(source.event) if source.adds == "count" and not source.filters else None


def _divided(part: int, whole: int) -> float | None:
    return part / whole if whole else None
