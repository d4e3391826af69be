"""Rows of estimates with their intervals, and rows of bars; readable at 400 px."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
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
    value,
    word,
)

TIGHT = "width < wanted"  # label and note would meet


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
    short: str = field(
        default="", kw_only=True
    )  # what it says where there is no room for both label and note; empty: the note
    margin: float | None = None  # where a guardrail is broken, on the axis of `value`


@dataclass(frozen=True, slots=True)
class Bar:
    label: str
    value: float
    note: str
    tone: str = "neutral"


def intervals(
    rows: Sequence[Interval],
    *,
    title: str,
    zero: bool = True,
    lowest: float = -1.0,
    highest: float = 2.0,
    numbers: bool = True,
) -> Drawing:
    """Forest plot. What reaches beyond `lowest` or `highest` is cut at the edge; the note has the number.

    Without `numbers` the axis has none: for rows in units of their own, each scaled by itself.
    """
    ends = [x for r in rows for x in (r.low, r.high, r.margin, 0.0 if zero else None) if x is not None] or [0.0]
    low, high = domain(max(min(ends), lowest), min(max(ends), highest))
    told = [r for r in rows if r.value is not None]
    full, least = room([r.note for r in told]), room([r.short or r.note for r in told])
    wanted = full + min(7 * max((len(r.label) for r in told), default=0), 420)
    return Drawing(
        _forest(title, zero, numbers),
        [_told(i, r) for i, r in enumerate(rows)],
        ROW * max(len(rows), 1),
        {"lowest": low, "highest": high, "full": full, "least": least, "wanted": wanted},
    )


@shape
def _forest(title: str, zero: bool, numbers: bool) -> Any:
    form = signed() if zero else "format(datum.value, '.2~%')"
    axis = alt.Axis(
        labelExpr=form if numbers else "datum.value == 0 ? '0' : ''",
        tickCount=5,
        labelFlush=True,
        labelOverlap="greedy",
        grid=numbers,
    )
    ends = alt.Scale(domain=[value("lowest"), value("highest")], nice=False, zero=False)
    x = alt.X("low", type="quantitative", title=title, axis=axis, scale=ends)
    y, colour = rows_of(), tone()
    # Upright lines keep to the lower part of a row: the upper one has the words.
    below, end = alt.Y("row", type="ordinal", axis=None, bandPosition=0.44), alt.Y2("row", bandPosition=0.96)
    tips = [
        alt.Tooltip("label", type="nominal", title="what"),
        alt.Tooltip("note", type="nominal", title="estimate"),
    ]
    outer = base().mark_rule(strokeWidth=2.5, clip=True, strokeCap="round", yOffset=9)
    inner = base().mark_rule(strokeWidth=7, clip=True, strokeCap="round", opacity=0.45, yOffset=9)
    dot = base().mark_circle(size=90, opacity=1, clip=True, yOffset=9)
    layers = [
        outer.encode(x=x, x2=alt.X2("high"), y=y, color=colour),
        inner.encode(x=across("inner_low"), x2=alt.X2("inner_high"), y=y, color=colour),
        base().mark_rule(style="margin", clip=True).encode(x=across("margin"), y=below, y2=end),
        dot.encode(x=across("value"), y=y, color=colour, tooltip=tips),
        labels(f"({TIGHT} ? least : full)"),
        notes("beside", opacity=alt.ExprRef(expr=f"{TIGHT} ? 0 : 1")),
        notes("shortly", opacity=alt.ExprRef(expr=f"{TIGHT} ? 1 : 0")),
        base().mark_text(style="faint", align="left", dy=8).encode(x=alt.value(0), y=y, text=word("below")),
    ]
    if zero:
        layers.insert(1, base().mark_rule(style="zero").encode(x=alt.datum(0), y=below, y2=end))
    return alt.layer(*layers)


def bars(rows: Sequence[Bar], *, highest: float | None = None) -> Drawing:
    """One bar a row, label and number above it, on a track as long as the longest."""
    most = highest if highest is not None else max((r.value for r in rows), default=0) or 1
    told = [{"row": i, "most": most, **asdict(r)} for i, r in enumerate(rows)]
    values = {"most_of_all": most, "room": room([r.note for r in rows])}
    return Drawing(_bars(), told, ROW * max(len(rows), 1), values)


@shape
def _bars() -> Any:
    x = alt.X("value", type="quantitative", axis=None, scale=alt.Scale(domain=[0, value("most_of_all")]))
    track = base().mark_bar(style="track", height=8, cornerRadius=4, yOffset=9)
    bar = base().mark_bar(height=8, cornerRadius=4, yOffset=9)
    return alt.layer(
        track.encode(x=alt.X("most", type="quantitative", axis=None), y=rows_of()),
        bar.encode(x=x, y=rows_of(), color=tone()),
        labels(),
        notes(),
    )


def _told(row: int, r: Interval) -> dict[str, Any]:
    """What is withheld is said where the mark would be; it may be long."""
    if r.value is None:
        return {"row": row, **asdict(r), "beside": "", "shortly": "", "below": r.note}
    return {"row": row, **asdict(r), "beside": r.note, "shortly": r.short or r.note, "below": ""}
