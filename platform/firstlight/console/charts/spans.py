"""Stretches of time: what ran when, and who held which share of a layer."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import altair as alt

from firstlight.console.charts.drawing import ROW, Drawing, base, labels, notes, room, rows_of, shape, tone, value, word

MAP = 320  # px of an allocation map


@dataclass(frozen=True, slots=True)
class Stretch:
    """One thing from `start` to `end`, both aware."""

    label: str
    note: str
    start: datetime
    end: datetime
    tone: str


@dataclass(frozen=True, slots=True)
class Share:
    """Buckets [first, end) of a layer, held from `start` to `until`."""

    label: str
    note: str
    first: int
    end: int
    start: datetime
    until: datetime
    tone: str


def timeline(stretches: Sequence[Stretch], *, now: datetime) -> Drawing:
    """One row each, its name above its bar; a line marks `now`."""
    told = [{"row": i, "now": _ms(now), **_stretch(one)} for i, one in enumerate(stretches)]
    return Drawing(_timeline(), told, ROW * max(len(stretches), 1), {"room": room([one.note for one in stretches])})


@shape
def _timeline() -> Any:
    axis = alt.Axis(format="%-d %b", tickCount=6, labelOverlap="greedy", labelFlush=True)
    x = alt.X("start", type="temporal", title=None, axis=axis, scale=alt.Scale(type="utc", nice=False))
    tips = [
        alt.Tooltip("label", type="nominal", title="what"),
        alt.Tooltip("note", type="nominal", title="state"),
        alt.Tooltip("start", type="temporal", format="%-d %b %Y"),
        alt.Tooltip("end", type="temporal", format="%-d %b %Y"),
    ]
    bar = base().mark_bar(height=12, cornerRadius=4, yOffset=9)
    now = base().mark_rule(style="bound").encode(x=alt.X("now", type="temporal", aggregate="min"))
    return alt.layer(bar.encode(x=x, x2=alt.X2("end"), y=rows_of(), color=tone(), tooltip=tips), now, labels(), notes())


def shares_over_time(held: Sequence[Share], *, now: datetime, buckets: int) -> Drawing:
    """Time to the right, the buckets of the layer upwards; a line marks `now`. What is blank is free."""
    told = [{"now": _ms(now), **_share(one)} for one in held]
    return Drawing(_shares_over_time(), told, MAP, {"buckets": buckets})


@shape
def _shares_over_time() -> Any:
    axis = alt.Axis(format="%-d %b", tickCount=6, labelOverlap="greedy", labelFlush=True)
    x = alt.X("start", type="temporal", title=None, axis=axis, scale=alt.Scale(type="utc", nice=False))
    part = alt.Scale(domain=[0, value("buckets")], nice=False)
    y = alt.Y("first", type="quantitative", title="buckets", scale=part, axis=alt.Axis(tickCount=5))
    tips = [
        alt.Tooltip("label", type="nominal", title="experiment"),
        alt.Tooltip("note", type="nominal", title="state"),
        alt.Tooltip("first", type="quantitative", title="from bucket"),
        alt.Tooltip("end", type="quantitative", title="to bucket"),
    ]
    area = base().mark_rect(cornerRadius=3, opacity=0.55, stroke="white", strokeOpacity=0.5)
    name = base().mark_text(style="cell", align="left", dx=6, limit=140)
    now = base().mark_rule(style="bound").encode(x=alt.X("now", type="temporal", aggregate="min"))
    return alt.layer(
        area.encode(x=x, x2=alt.X2("until"), y=y, y2=alt.Y2("end"), color=tone(), tooltip=tips),
        name.encode(x=x, y=alt.Y("middle", type="quantitative"), text=word("label")),
        now,
    )


def _stretch(one: Stretch) -> dict[str, Any]:
    return {"label": one.label, "note": one.note, "start": _ms(one.start), "end": _ms(one.end), "tone": one.tone}


def _share(one: Share) -> dict[str, Any]:
    about = {"label": one.label, "note": one.note, "tone": one.tone, "middle": (one.first + one.end) / 2}
    return {**about, "first": one.first, "end": one.end, "start": _ms(one.start), "until": _ms(one.until)}


def _ms(at: datetime) -> int:
    """As Vega counts time."""
    return round(at.timestamp() * 1000)
