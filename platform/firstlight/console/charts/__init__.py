"""Charts: data in, one Altair definition out, the same for the page and for the export.

Each is as wide as its place (`width="container"`; the export sets a number) and readable at 400 px: rows carry their
label above the mark instead of beside it.
"""

from firstlight.console.charts.drawing import ROW, Drawing
from firstlight.console.charts.grids import Cell, Spot, Step, heat, plane, waterfall
from firstlight.console.charts.intervals import Bar, Interval, bars, intervals
from firstlight.console.charts.series import Aged, Crossing, Point, ages, boundary, cumulative, curves, series, shares
from firstlight.console.charts.spans import Share, Stretch, shares_over_time, timeline
from firstlight.console.charts.ways import Came, ways

__all__ = [
    "ROW",
    "Aged",
    "Bar",
    "Came",
    "Cell",
    "Crossing",
    "Drawing",
    "Interval",
    "Point",
    "Share",
    "Spot",
    "Step",
    "Stretch",
    "ages",
    "bars",
    "boundary",
    "cumulative",
    "curves",
    "heat",
    "intervals",
    "plane",
    "series",
    "shares",
    "shares_over_time",
    "timeline",
    "waterfall",
    "ways",
]
