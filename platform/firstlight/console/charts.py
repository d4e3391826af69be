"""Charts: data in, one Altair definition out, the same for the page and for the export.

Each is as wide as its place (`width="container"`; the export sets a number) and readable at 400 px: rows carry their
label above the mark instead of beside it.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import date, datetime
from typing import Any

import altair as alt

from firstlight.console.theme import SERIES, TONES, UNSETTLED

ROW = 46  # px of a row: label, then the mark below it
_FIT = alt.AutoSizeParams(type="fit-x", contains="padding")


@dataclass(frozen=True, slots=True)
class Interval:
    """One row: an estimate, or words where it is withheld."""

    label: str
    note: str  # what the row says on its right
    tone: str  # better, worse, unsettled, withheld, neutral
    value: float | None = None
    low: float | None = None
    high: float | None = None
    inner_low: float | None = None  # of a narrower interval drawn thick
    inner_high: float | None = None
    margin: float | None = None  # where a guardrail is broken, on the axis of `value`


@dataclass(frozen=True, slots=True)
class Point:
    """One point of a series, with its band where there is one."""

    at: date | datetime
    series: str
    value: float | None
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True, slots=True)
class Bar:
    label: str
    value: float
    note: str
    tone: str = "neutral"


def intervals(
    rows: Sequence[Interval], *, title: str, zero: bool = True, lowest: float = -1.0, highest: float = 2.0
) -> Any:
    """Forest plot. What reaches beyond `lowest` or `highest` is cut at the edge; the note has the number."""
    ends = [x for r in rows for x in (r.low, r.high, r.margin, 0.0 if zero else None) if x is not None] or [0.0]
    domain = _domain(max(min(ends), lowest), min(max(ends), highest))
    base = _base([_told(i, r) for i, r in enumerate(rows)])
    y = alt.Y("row:O", axis=None, scale=alt.Scale(paddingInner=0, paddingOuter=0))
    axis = alt.Axis(
        labelExpr=_signed() if zero else "format(datum.value, '.2~%')",
        tickCount=5,
        labelFlush=True,
        labelOverlap="greedy",
    )
    x = alt.X("low:Q", title=title, axis=axis, scale=alt.Scale(domain=domain, nice=False, zero=False))
    colour = _tone()
    outer = base.mark_rule(strokeWidth=2.5, clip=True, strokeCap="round", yOffset=9)
    inner = base.mark_rule(strokeWidth=7, clip=True, strokeCap="round", opacity=0.45, yOffset=9)
    # Upright lines keep to the lower part of a row: the upper one has the words.
    below, end = alt.Y("row:O", axis=None, bandPosition=0.44), alt.Y2("row:O", bandPosition=0.96)
    tips = [alt.Tooltip("label:N", title="what"), alt.Tooltip("note:N", title="estimate")]
    layers = [
        outer.encode(x=x, x2="high:Q", y=y, color=colour),
        inner.encode(x=alt.X("inner_low:Q"), x2="inner_high:Q", y=y, color=colour),
        base.mark_rule(style="margin", clip=True).encode(x="margin:Q", y=below, y2=end),
        base.mark_circle(size=90, opacity=1, clip=True, yOffset=9).encode(x="value:Q", y=y, color=colour, tooltip=tips),
        base.mark_text(style="title", align="left", dy=-11, limit=_label_room(rows)).encode(
            x=alt.value(0), y=y, text="label:N"
        ),
        base.mark_text(style="note", align="right", dy=-11).encode(x=alt.value("width"), y=y, text="beside:N"),
        base.mark_text(style="faint", align="left", dy=8).encode(x=alt.value(0), y=y, text="below:N"),
    ]
    if zero:
        layers.insert(1, base.mark_rule(style="zero").encode(x=alt.datum(0), y=below, y2=end))
    return _sized(alt.layer(*layers), ROW * max(len(rows), 1))


def cumulative(points: Sequence[Point], *, title: str) -> Any:
    """An estimate as it settled: line, band of its interval, zero line."""
    base = _base([_dated(p) for p in points])
    x = alt.X("at:T", title=None, axis=_time(points))
    colour = _series(points)
    axis = alt.Axis(labelExpr=_signed(), tickCount=5)
    scale = alt.Scale(domain=_settled(points), nice=False)
    y = alt.Y("value:Q", title=title, axis=axis, scale=scale)
    tips = _tips(points, "+.1%")
    zero = alt.Chart(alt.InlineData(values=[{"zero": 0}])).mark_rule(style="zero").encode(y="zero:Q")
    chart = alt.layer(
        zero,
        base.mark_area(opacity=0.16, clip=True).encode(
            x=x, y=alt.Y("low:Q", title=title, axis=axis, scale=scale), y2="high:Q", color=colour
        ),
        base.mark_line(clip=True).encode(x=x, y=y, color=colour),
        base.mark_circle(size=44, opacity=1, clip=True).encode(x=x, y=y, color=colour, tooltip=tips),
    )
    return _sized(chart, 240)


def series(points: Sequence[Point], *, form: str = "~s") -> Any:
    """Values over time, one line per series. `form` is a d3 number format."""
    base = _base([_dated(p) for p in points])
    x, colour, tips = alt.X("at:T", title=None, axis=_time(points)), _series(points), _tips(points, form)
    axis = alt.Axis(labelExpr=f"datum.value == 0 ? '0' : format(datum.value, '{form}')", tickCount=4)
    highest = (
        {} if any(p.value for p in points) else {"domainMax": 0.04 if "%" in form else 4}
    )  # zeros lie at the bottom
    y = alt.Y("value:Q", title=None, axis=axis, scale=alt.Scale(zero=True, **highest))
    dots = base.mark_circle(size=36, opacity=1).encode(x=x, y=y, color=colour, tooltip=tips)
    return _sized(alt.layer(base.mark_line().encode(x=x, y=y, color=colour), dots), 180)


def shares(points: Sequence[Point], *, rest: str) -> Any:
    """How a whole was split at each time, as bars that fill it. The series named `rest` stays in the background."""
    base = _base([{**_dated(p), "order": i} for i, p in enumerate(points)])
    y = alt.Y("value:Q", stack="normalize", title=None, axis=alt.Axis(format=".0%", tickCount=4))
    form = "%d %b %H:%M" if _hourly(points) else "%d %b"
    axis = alt.Axis(
        labelAngle=0, labelOverlap="greedy", labelSeparation=14, labelExpr=f"timeFormat(toDate(datum.value), '{form}')"
    )
    x = alt.X("at:O", title=None, axis=axis, scale=alt.Scale(paddingInner=0.12))
    chart = base.mark_bar().encode(
        x=x, y=y, color=_series(points, rest), order="order:O", tooltip=_tips(points, ",.0f", "at:O")
    )
    return _sized(chart, 240)


def bars(rows: Sequence[Bar], *, highest: float | None = None) -> Any:
    """One bar a row, label and number above it, on a track as long as the longest."""
    most = highest if highest is not None else max((r.value for r in rows), default=0) or 1
    base = _base([{"row": i, "most": most, **asdict(r)} for i, r in enumerate(rows)])
    y = alt.Y("row:O", axis=None, scale=alt.Scale(paddingInner=0, paddingOuter=0))
    x = alt.X("value:Q", axis=None, scale=alt.Scale(domain=[0, most]))
    chart = alt.layer(
        base.mark_bar(style="track", height=8, cornerRadius=4, yOffset=9).encode(x=alt.X("most:Q", axis=None), y=y),
        base.mark_bar(height=8, cornerRadius=4, yOffset=9).encode(x=x, y=y, color=_tone()),
        base.mark_text(style="title", align="left", dy=-11, limit=_label_room(rows)).encode(
            x=alt.value(0), y=y, text="label:N"
        ),
        base.mark_text(style="note", align="right", dy=-11).encode(x=alt.value("width"), y=y, text="note:N"),
    )
    return _sized(chart, ROW * max(len(rows), 1))


def _base(rows: list[dict[str, Any]]) -> Any:
    return alt.Chart(alt.InlineData(values=rows))


def _sized(chart: Any, height: int) -> Any:
    return chart.properties(width="container", height=height, autosize=_FIT)


def _tone() -> Any:
    return alt.Color("tone:N", scale=alt.Scale(domain=list(TONES), range=list(TONES.values())), legend=None)


def _signed() -> str:
    return "datum.value == 0 ? '0' : format(datum.value, '+.1~%')"


def _series(points: Sequence[Point], rest: str = "") -> Any:
    """Colours in the order in which the series first appear, grey for the rest; no legend for a single one."""
    names = list(dict.fromkeys(p.series for p in points))
    colours = [UNSETTLED if name == rest else SERIES[i % len(SERIES)] for i, name in enumerate(names)]
    scale = alt.Scale(domain=names, range=colours)
    return alt.Color("series:N", scale=scale, legend=alt.Legend() if len(names) > 1 else None)


def _tips(points: Sequence[Point], form: str, at: str = "at:T") -> list[Any]:
    when = {} if at == "at:O" else {"format": "%d %b %H:%M" if _hourly(points) else "%d %b %Y"}
    shown = [
        alt.Tooltip(at, title="when", **when),
        alt.Tooltip("series:N", title="what"),
        alt.Tooltip("value:Q", format=form),
    ]
    bounds = [alt.Tooltip("low:Q", format=form), alt.Tooltip("high:Q", format=form)]
    return shown + (bounds if any(p.low is not None for p in points) else [])


def _time(points: Sequence[Point]) -> Any:
    form, most = ("%d %b %H:%M", 4) if _hourly(points) else ("%d %b", 7)
    n_ticks = min(len({p.at for p in points}), most)
    return alt.Axis(
        format=form, grid=False, labelOverlap="greedy", labelSeparation=10, labelFlush=True, tickCount=n_ticks
    )


def _hourly(points: Sequence[Point]) -> bool:
    return any(isinstance(p.at, datetime) and (p.at.hour or p.at.minute) for p in points)


def _dated(point: Point) -> dict[str, Any]:
    """Without zone, as UTC people read it: Vega would turn a zone into the browser's own."""
    at = (
        point.at.replace(tzinfo=None)
        if isinstance(point.at, datetime)
        else datetime.combine(point.at, datetime.min.time())
    )
    return {**asdict(point), "at": at.isoformat()}


def _told(row: int, r: Interval) -> dict[str, Any]:
    """What is withheld is said where the mark would be; it may be long."""
    here = {"beside": r.note, "below": ""} if r.value is not None else {"beside": "", "below": r.note}
    return {"row": row, **asdict(r), **here}


def _label_room(rows: Sequence[Interval] | Sequence[Bar]) -> Any:
    """Px that the notes on the right leave to the labels: about 6.4 a character at their size."""
    longest = max((len(r.note) for r in rows if r.value is not None), default=0)
    return alt.ExprRef(expr=f"max(width - {6.4 * longest + 12:.0f}, 90)")


def _settled(points: Sequence[Point]) -> list[float]:
    """Axis of an estimate as it settled: the first days' bands may reach far beyond what they settle to."""
    bands = [(p.low, p.high) for p in points if p.low is not None and p.high is not None]
    last = max((p.at for p in points), default=None)
    reach = 4 * max((abs(x) for p in points if p.at == last for x in (p.low, p.high) if x is not None), default=1.0)
    lowest = max(min((low for low, _ in bands), default=0.0), -reach)
    return _domain(min(lowest, 0.0), max(min(max((high for _, high in bands), default=0.0), reach), 0.0))


def _domain(low: float, high: float) -> list[float]:
    room = (high - low) * 0.04 or 0.01
    return [low - room, high + room]
