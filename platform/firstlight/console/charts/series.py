"""What changes: over time, over the days since exposure, over what is known."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import date, datetime
from typing import Any

import altair as alt

from firstlight.console.charts.drawing import Drawing, base, domain, shape, signed, value
from firstlight.console.theme import SERIES, UNSETTLED


@dataclass(frozen=True, slots=True)
class Point:
    """One point of a series, with its band where there is one."""

    at: date | datetime
    series: str
    value: float | None
    low: float | None = None
    high: float | None = None
    outer_low: float | None = None  # of a wider band, drawn fainter
    outer_high: float | None = None


@dataclass(frozen=True, slots=True)
class Aged:
    """An estimate at so many days since something."""

    at: int
    series: str
    value: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Crossing:
    """A statistic against the bounds that would end a test."""

    information: float  # share of the planned; over 1 past the plan
    bound: float  # standard errors
    statistic: float | None  # likewise
    series: str = ""


def cumulative(points: Sequence[Point], *, title: str) -> Drawing:
    """An estimate as it settled: line, band of its interval, zero line."""
    low, high = _settled(points)
    names, wide = _names(points), any(p.outer_low is not None for p in points)
    made = _cumulative(title, "", len(names), _time_of(points), wide)
    return Drawing(made, [_dated(p) for p in points], 240, {"lowest": low, "highest": high, "names": names})


def ages(points: Sequence[Aged], *, title: str, at: str) -> Drawing:
    """The same by age; `at` titles the axis of ages. Few units are old, so the last bands may be cut."""
    ends = sorted(abs(x) for p in points for x in (p.low, p.high))
    reach = 2 * ends[len(ends) // 2] if ends else 1.0
    most = max([abs(p.value) for p in points] + [min(reach, ends[-1] if ends else 1.0)])
    names, (low, high) = _names(points), domain(-most, most)
    made = _cumulative(title, at, len(names), ("", min(len({p.at for p in points}), 8)), False)
    return Drawing(made, [asdict(p) for p in points], 240, {"lowest": low, "highest": high, "names": names})


def curves(points: Sequence[Aged], *, title: str, at: str) -> Drawing:
    """How much had come by then, with the band in which it may be; `at` titles the axis of time."""
    names = _names(points)
    ends = {"lowest": min([0.0, *(p.low for p in points)]), "highest": max([1.0, *(p.high for p in points)])}
    made = _curves(title, at, len(names), min(len({p.at for p in points}), 8))
    return Drawing(made, [asdict(p) for p in points], 240, {**ends, "names": names})


@shape
def _curves(title: str, at: str, n_names: int, ticks: int) -> Any:
    x, colour = _x(("", ticks), at), _colours(n_names)
    axis = alt.Axis(format="~s", tickCount=5)
    scale = alt.Scale(domain=[value("lowest"), value("highest")], nice=True)
    y, lower = (alt.Y(name, type="quantitative", title=title, axis=axis, scale=scale) for name in ("value", "low"))
    line = base().mark_line().encode(x=x, y=y, color=colour, tooltip=_tips(("", ticks), ",.1f", banded=True))
    return alt.layer(base().mark_area(opacity=0.16).encode(x=x, y=lower, y2=alt.Y2("high"), color=colour), line)


@shape
def _cumulative(title: str, at: str, n_names: int, time: tuple[str, int], wide: bool) -> Any:
    x, colour = _x(time, at), _colours(n_names)
    axis = alt.Axis(labelExpr=signed(), tickCount=5)
    scale = alt.Scale(domain=[value("lowest"), value("highest")], nice=False, zero=False)
    y = alt.Y("value", type="quantitative", title=title, axis=axis, scale=scale)

    def band(low: str, high: str, opacity: float) -> Any:
        lower = alt.Y(low, type="quantitative", title=title, axis=axis, scale=scale)
        return base().mark_area(opacity=opacity, clip=True).encode(x=x, y=lower, y2=alt.Y2(high), color=colour)

    return alt.layer(
        base().mark_rule(style="zero").encode(y=alt.datum(0)),
        *([band("outer_low", "outer_high", 0.1)] if wide else []),
        band("low", "high", 0.16),
        base().mark_line(clip=True).encode(x=x, y=y, color=colour),
        base().mark_circle(size=44, opacity=1, clip=True).encode(
            x=x, y=y, color=colour, tooltip=_tips(time, "+.1%", banded=True)
        ),
    )  # fmt: skip


def series(points: Sequence[Point], *, form: str = "~s") -> Drawing:
    """Values over time, one line per series. `form` is a d3 number format."""
    # Zeros lie at the bottom, not in the middle.
    highest = max((p.value or 0 for p in points), default=0) or (0.04 if "%" in form else 4)
    names = _names(points)
    made = _series(form, len(names), _time_of(points), any(p.low is not None for p in points))
    return Drawing(made, [_dated(p) for p in points], 180, {"highest": highest, "names": names})


@shape
def _series(form: str, n_names: int, time: tuple[str, int], banded: bool) -> Any:
    x, colour = _x(time, ""), _colours(n_names)
    axis = alt.Axis(labelExpr=f"datum.value == 0 ? '0' : format(datum.value, '{form}')", tickCount=4)
    scale = alt.Scale(zero=True, nice=True, domainMax=value("highest"))
    y = alt.Y("value", type="quantitative", title=None, axis=axis, scale=scale)
    dots = base().mark_circle(size=36, opacity=1)
    tips = _tips(time, form, banded=banded)
    return alt.layer(
        base().mark_line().encode(x=x, y=y, color=colour), dots.encode(x=x, y=y, color=colour, tooltip=tips)
    )


def shares(points: Sequence[Point], *, rest: str) -> Drawing:
    """How a whole was split at each time, as bars that fill it. The series named `rest` stays in the background."""
    rows = [{**_dated(p), "order": i} for i, p in enumerate(points)]
    names = _names(points)
    made = _shares(len(names), names.index(rest) if rest in names else None, _time_of(points))
    return Drawing(made, rows, 240, {"names": names})


@shape
def _shares(n_names: int, rest: int | None, time: tuple[str, int]) -> Any:
    y = alt.Y("value", type="quantitative", stack="normalize", title=None, axis=alt.Axis(format=".0%", tickCount=4))
    axis = alt.Axis(
        labelAngle=0,
        labelOverlap="greedy",
        labelSeparation=14,
        labelExpr=f"timeFormat(toDate(datum.value), '{time[0]}')",
    )
    x = alt.X("at", type="ordinal", title=None, axis=axis, scale=alt.Scale(paddingInner=0.12))
    tips = [alt.Tooltip("at", type="ordinal", title="when"), *_tips(time, ",.0f")[1:]]
    order = alt.Order("order", type="ordinal")
    return base().mark_bar().encode(x=x, y=y, color=_colours(n_names, rest), order=order, tooltip=tips)


def boundary(looks: Sequence[Crossing], *, title: str) -> Drawing:
    """The statistic of each look, one line per series, and the bounds it has to leave, which are common to all."""
    names = list(dict.fromkeys(look.series for look in looks))
    rows = [{**asdict(look), "lower": -look.bound, "first": look.series == names[0]} for look in looks]
    reach = [abs(x.statistic) for x in looks if x.statistic is not None] + [min(x.bound for x in looks) if looks else 2]
    most = max((look.information for look in looks), default=1.0)
    values = {"reach": max(4.0, 1.15 * max(reach)), "most": max(most, 1.0), "names": names}
    return Drawing(_boundary(title, len(names)), rows, 220, values)


@shape
def _boundary(title: str, n_names: int) -> Any:
    axis = alt.Axis(format=".0%", grid=False, tickCount=5, labelFlush=True)
    x = alt.X("information", type="quantitative", title="share of the planned data", axis=axis,
              scale=alt.Scale(domain=[0, value("most")], nice=False))  # fmt: skip
    scale = alt.Scale(domain=[alt.ExprRef(expr="-reach"), value("reach")], nice=False)
    y = alt.Y("bound", type="quantitative", title=title, scale=scale, axis=alt.Axis(tickCount=5))
    lower = alt.Y("lower", type="quantitative", title=title, scale=scale)
    seen = alt.Y("statistic", type="quantitative", title=title, scale=scale)
    tips = [
        alt.Tooltip("information", type="quantitative", format=".0%", title="data"),
        alt.Tooltip("statistic", type="quantitative", format="+.2f", title="statistic"),
        alt.Tooltip("bound", type="quantitative", format=".2f", title="bound"),
    ]
    line = base().mark_line(clip=True).encode(x=x, y=seen, color=_colours(n_names))
    dots = base().mark_circle(size=50, opacity=1, clip=True).encode(x=x, y=seen, color=_colours(n_names), tooltip=tips)

    def common(mark: Any) -> Any:
        return mark.transform_filter("datum.first")

    return alt.layer(
        common(base().mark_area(style="track", opacity=0.45, clip=True).encode(x=x, y=y, y2=alt.Y2("lower"))),
        common(base().mark_line(style="bound", clip=True).encode(x=x, y=y)),
        common(base().mark_line(style="bound", clip=True).encode(x=x, y=lower)),
        base().mark_rule(style="zero").encode(y=alt.datum(0)),
        line.transform_filter("datum.statistic !== null"),
        dots.transform_filter("datum.statistic !== null"),
    )


def _names(points: Sequence[Point] | Sequence[Aged]) -> list[str]:
    return list(dict.fromkeys(p.series for p in points))


def _colours(n_names: int, rest: int | None = None) -> Any:
    """In the order of the parameter `names`, grey for the one that is `rest`; no legend for a single one."""
    colours = [UNSETTLED if i == rest else SERIES[i % len(SERIES)] for i in range(n_names)]
    scale = alt.Scale(domain=[value(f"names[{i}]") for i in range(n_names)], range=colours)
    return alt.Color("series", type="nominal", scale=scale, legend=alt.Legend(symbolOpacity=1) if n_names > 1 else None)


def _time_of(points: Sequence[Point]) -> tuple[str, int]:
    """(how times are written, number of ticks); ages have no form, for they are whole numbers."""
    hourly = any(isinstance(p.at, datetime) and (p.at.hour or p.at.minute) for p in points)
    return ("%d %b %H:%M", 4) if hourly else ("%d %b", min(len({p.at for p in points}), 7))


def _x(time: tuple[str, int], title: str) -> Any:
    form, n_ticks = time
    style: dict[str, Any] = {"grid": False, "labelOverlap": "greedy", "labelFlush": True, "tickCount": n_ticks}
    if not form:
        axis = alt.Axis(format="d", tickMinStep=1, **style)
        return alt.X("at", type="quantitative", title=title or None, axis=axis, scale=_edged(zero=False))
    axis = alt.Axis(format=form, labelSeparation=10, **style)
    return alt.X("at", type="temporal", title=title or None, axis=axis, scale=_edged())


def _edged(**more: Any) -> Any:
    """With room for half a dot at either end."""
    return alt.Scale(nice=False, padding=7, **more)


def _tips(time: tuple[str, int], form: str, *, banded: bool = False) -> list[Any]:
    when = (
        alt.Tooltip("at", type="temporal", title="when", format=time[0] if "%H" in time[0] else "%d %b %Y")
        if time[0]
        else alt.Tooltip("at", type="quantitative", title="day")
    )
    shown = [when, alt.Tooltip("series", type="nominal", title="what")]
    numbers = ("value", "low", "high") if banded else ("value",)
    return shown + [alt.Tooltip(name, type="quantitative", format=form) for name in numbers]


def _dated(point: Point) -> dict[str, Any]:
    """Without zone, as UTC people read it: Vega would turn a zone into the browser's own."""
    at = (
        point.at.replace(tzinfo=None)
        if isinstance(point.at, datetime)
        else datetime.combine(point.at, datetime.min.time())
    )
    return {**asdict(point), "at": at.isoformat()}


def _settled(points: Sequence[Point]) -> tuple[float, float]:
    """Axis of an estimate as it settled: the first days' bands may reach far beyond what they settle to."""
    bands = [(p.low, p.high) for p in points if p.low is not None and p.high is not None]
    last = max((p.at for p in points), default=None)
    ends = [x for p in points if p.at == last for x in (p.low, p.high, p.outer_low, p.outer_high) if x is not None]
    reach = 4 * max((abs(x) for x in ends), default=1.0)
    lowest = max(min((low for low, _ in bands), default=0.0), -reach)
    return domain(min(lowest, 0.0), max(min(max((high for _, high in bands), default=0.0), reach), 0.0))
