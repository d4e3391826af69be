"""Two-way pictures: a matrix of lifts, a waterfall of factors, arms in the plane of two interests."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import altair as alt

from firstlight.console.charts.drawing import (
    ROW,
    Drawing,
    across,
    base,
    domain,
    labels,
    notes,
    room,
    rows_of,
    shape,
    signed,
    tone,
    upward,
    value,
    word,
)


@dataclass(frozen=True, slots=True)
class Cell:
    row: str
    column: str
    note: str  # what it says; "–" for none
    tone: str
    strength: float  # of the colour, from 0 to 1


@dataclass(frozen=True, slots=True)
class Step:
    """One bar of a waterfall, from where the one before ended."""

    label: str
    start: float
    end: float
    low: float | None  # interval of the end
    high: float | None
    note: str
    tone: str


@dataclass(frozen=True, slots=True)
class Spot:
    """An arm in the plane of two interests."""

    label: str
    x: float
    y: float
    x_low: float | None
    x_high: float | None
    y_low: float | None
    y_high: float | None
    tone: str  # neutral: on the front; unsettled: another arm is better in everything


def heat(cells: Sequence[Cell]) -> Drawing:
    """A matrix: each row its label above its cells, the columns named on top. Pale: not clear."""
    rows, columns = _order([c.row for c in cells]), _order([c.column for c in cells])
    firsts = {next(i for i, c in enumerate(cells) if c.row == name) for name in rows}
    told = [{**asdict(c), "label": c.row, "row": rows[c.row], "first": i in firsts} for i, c in enumerate(cells)]
    return Drawing(_heat(), told, ROW * max(len(rows), 1), {"columns": max(len(columns), 1), "room": 0})


@shape
def _heat() -> Any:
    axis = alt.Axis(orient="top", labelAngle=0, labelLimit=alt.ExprRef(expr="width / columns - 6"), labelOverlap=False)
    scale = alt.Scale(paddingInner=0.06, paddingOuter=0)
    x = alt.X("column", type="nominal", title=None, axis=axis, sort=None, scale=scale)
    tips = [alt.Tooltip(name, type="nominal") for name in ("label", "column", "note")]
    depth = alt.Opacity("strength", type="quantitative", legend=None, scale=alt.Scale(domain=[0, 1], range=[0.14, 0.6]))
    rect = base().mark_rect(height=22, yOffset=10, cornerRadius=4)
    text = base().mark_text(style="cell", dy=10, opacity=alt.ExprRef(expr="width / columns > 46 ? 1 : 0"))
    return alt.layer(
        rect.encode(x=x, y=rows_of(), color=tone(), opacity=depth, tooltip=tips),
        text.encode(x=x, y=rows_of(), text=word("note")),
        labels().transform_filter("datum.first"),
    )


def waterfall(steps: Sequence[Step], *, title: str) -> Drawing:
    """Each bar begins where the one before ended; a thin line is the interval of its end."""
    ends = [x for s in steps for x in (s.start, s.end, s.low, s.high) if x is not None] or [0.0]
    low, high = domain(min(*ends, 0.0), max(*ends, 0.0))
    told = [{"row": i, "next": min(i + 1, len(steps) - 1), **asdict(s)} for i, s in enumerate(steps)]
    values = {"lowest": low, "highest": high, "room": room([s.note for s in steps])}
    return Drawing(_waterfall(title), told, ROW * max(len(steps), 1), values)


@shape
def _waterfall(title: str) -> Any:
    axis = alt.Axis(labelExpr=signed(), tickCount=5, labelFlush=True, labelOverlap="greedy")
    scale = alt.Scale(domain=[value("lowest"), value("highest")], nice=False, zero=False)
    x = alt.X("start", type="quantitative", title=title, axis=axis, scale=scale)
    tips = [alt.Tooltip("label", type="nominal", title="factor"), alt.Tooltip("note", type="nominal", title="share")]
    bar = base().mark_bar(height=14, cornerRadius=2, yOffset=9)
    below, end = alt.Y("row", type="ordinal", axis=None, bandPosition=0.46), alt.Y2("row", bandPosition=0.96)
    link = alt.Y("row", type="ordinal", axis=None, bandPosition=0.7)
    return alt.layer(
        base().mark_rule(style="zero").encode(x=alt.datum(0), y=below, y2=end),
        bar.encode(x=x, x2=alt.X2("end"), y=rows_of(), color=tone(), tooltip=tips),
        base().mark_rule(style="link").encode(x=across("end"), y=link, y2=alt.Y2("next", bandPosition=0.7)),
        base().mark_rule(style="whisker", yOffset=9).encode(x=across("low"), x2=alt.X2("high"), y=rows_of()),
        labels(),
        notes(),
    )


def plane(spots: Sequence[Spot], *, x: str, y: str) -> Drawing:
    """Arms by what two interests gain, with intervals as crosses. `x` and `y` title the axes."""
    across = domain(*_reach([v for s in spots for v in (s.x, s.x_low, s.x_high)]))
    upward = domain(*_reach([v for s in spots for v in (s.y, s.y_low, s.y_high)]))
    values = {"left": across[0], "right": across[1], "bottom": upward[0], "top": upward[1]}
    return Drawing(_plane(x, y), [asdict(s) for s in spots], 260, values)


@shape
def _plane(x_title: str, y_title: str) -> Any:
    axis = alt.Axis(labelExpr=signed(), tickCount=5)
    x = alt.X("x", type="quantitative", title=x_title, axis=axis, scale=_between("left", "right"))
    y = alt.Y("y", type="quantitative", title=y_title, axis=axis, scale=_between("bottom", "top"))
    cross = base().mark_rule(strokeWidth=2, opacity=0.55, strokeCap="round", clip=True)
    tips = [alt.Tooltip("label", type="nominal", title="arm")]
    tips += [alt.Tooltip(n, type="quantitative", format="+.1%", title=t) for n, t in (("x", x_title), ("y", y_title))]
    return alt.layer(
        base().mark_rule(style="zero").encode(x=alt.datum(0)),
        base().mark_rule(style="zero").encode(y=alt.datum(0)),
        cross.encode(x=across("x_low"), x2=alt.X2("x_high"), y=y, color=tone()),
        cross.encode(x=x, y=upward("y_low"), y2=alt.Y2("y_high"), color=tone()),
        base().mark_circle(size=120, opacity=1).encode(x=x, y=y, color=tone(), tooltip=tips),
        base().mark_text(style="title", align="left", dx=9, dy=-11).encode(x=x, y=y, text=word("label")),
    )


def _between(low: str, high: str) -> Any:
    return alt.Scale(domain=[value(low), value(high)], nice=False, zero=False)


def _reach(ends: Sequence[float | None]) -> tuple[float, float]:
    """Of an axis that has 0 on it."""
    known = [x for x in ends if x is not None] + [0.0]
    return min(known), max(known)


def _order(names: Sequence[str]) -> dict[str, int]:
    return {name: i for i, name in enumerate(dict.fromkeys(names))}
