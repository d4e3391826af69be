"""How far each thing came on a way of a few steps; readable at 400 px."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import altair as alt

from firstlight.console.charts.drawing import (
    ROW,
    Drawing,
    across,
    base,
    labels,
    notes,
    room,
    rows_of,
    shape,
    tone,
)

AXIS = 30  # px above the rows
EDGE = 0.08  # of a step, beside the first and the last


@dataclass(frozen=True, slots=True)
class Came:
    """One row: at which steps it was, by their number from 0."""

    label: str
    note: str
    tone: str
    at: frozenset[int]
    tips: str = ""  # what is told of it besides
    short: str = ""  # the note where there is no room for all of it; empty: the note


def ways(rows: Sequence[Came], *, steps: Sequence[str]) -> Drawing:
    """A line from the first step to the furthest, a dot at each that was taken, over the names of all."""
    wide, narrow = room([r.note for r in rows]), room([r.short or r.note for r in rows])
    wanted = wide + min(7 * max((len(r.label) for r in rows), default=0), 420)
    values = {"steps": [*steps], "full": wide, "least": narrow, "wanted": wanted}
    return Drawing(_ways(len(steps)), [_told(i, r, len(steps)) for i, r in enumerate(rows)], _height(rows), values)


def _height(rows: Sequence[Came]) -> int:
    return ROW * max(len(rows), 1) + AXIS


@shape
def _ways(n: int) -> Any:
    axis = alt.Axis(
        values=list(range(n)),
        labelExpr="steps[datum.value]",
        orient="top",
        labelFlush=True,
        grid=True,
        labelOverlap=False,
    )
    ends = alt.Scale(domain=[-EDGE, n - 1 + EDGE], nice=False, zero=False)
    x = alt.X("first", type="quantitative", title=None, axis=axis, scale=ends)
    tips = [alt.Tooltip(name, type="nominal", title=title) for name, title in (("label", "what"), ("tips", "how"))]
    track = base().mark_rule(style="link", yOffset=9).encode(x=alt.datum(0), x2=alt.datum(n - 1), y=rows_of())
    line = base().mark_rule(strokeWidth=3, strokeCap="round", yOffset=9)
    dots = [
        base()
        .mark_circle(size=110, opacity=1, yOffset=9)
        .encode(x=across(f"s{i}"), y=rows_of(), color=tone(), tooltip=tips)
        for i in range(n)
    ]
    tight = "width < wanted"
    return alt.layer(
        line.encode(x=x, x2=alt.X2("last"), y=rows_of(), color=tone()),
        track,
        *dots,
        labels(f"({tight} ? least : full)"),
        notes("note", opacity=alt.ExprRef(expr=f"{tight} ? 0 : 1")),
        notes("short", opacity=alt.ExprRef(expr=f"{tight} ? 1 : 0")),
    )


def _told(row: int, came: Came, n: int) -> dict[str, Any]:
    ends = {"first": min(came.at), "last": max(came.at)} if came.at else {"first": None, "last": None}
    dots = {f"s{i}": i if i in came.at else None for i in range(n)}
    words = {"label": came.label, "note": came.note, "short": came.short or came.note, "tips": came.tips or came.note}
    return {"row": row, "tone": came.tone, **words, **ends, **dots}
