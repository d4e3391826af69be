"""Units that come in clusters, and switchbacks whose units are windows of time: moments over clusters, not over units.

A cluster has two sums, of the metric and of its units (or of a ratio's denominator); their ratio over clusters is the
mean per unit, and its error by the delta method is the cluster-robust one (CR1).
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any

import ibis
import numpy as np

from firstlight.kernel.moments import Moments
from firstlight.metrics import read
from firstlight.metrics.definitions import Definition
from firstlight.metrics.read import Cells, Exposures
from firstlight.metrics.read.exposed import within
from firstlight.metrics.read.sums import Layout, Side, counted

COUNTED = ("mean", "proportion", "retention", "ratio")
HOUR = 3_600  # seconds


def of_units(
    events: ibis.Table, definitions: Sequence[Definition], exposures: Exposures, column: str
) -> dict[str, Cells]:
    """Every metric that is a sum per unit, over clusters of units that share `column` at their exposure.

    A unit without one is a cluster of its own. Days are those of the cluster's first unit.
    """
    asked = [one for one in definitions if one.kind in COUNTED]
    met = events.filter(events["type"].isin(["exposure", "decision"]), events[column].notnull())
    clusters = met.group_by(member=met[exposures.unit]).aggregate(cluster=met[column].min())
    units = read.units(events, asked, exposures)
    rows = units.filter(units.arm.notnull()).left_join(clusters, units.unit == clusters.member)
    rows = rows.mutate(cluster=ibis.coalesce(rows.cluster, rows.unit))
    sums = {name: rows[name].sum() for one in asked for name in _columns(one, exposures.pre_days > 0)}
    table = rows.group_by("arm", "cluster").aggregate(day=rows.day.min(), units=rows.count(), **sums)
    found = table.to_pyarrow().to_pylist()
    return {one.key: _cells(found, _places(one, exposures.pre_days > 0)) for one in asked}


def _columns(one: Definition, pre: bool) -> list[str]:
    """Of the table of units."""
    own = ["", ".denominator"] if one.kind == "ratio" else [""]
    past = [".pre_value", ".pre_denominator"][: len(own)] if pre else []
    return [one.key + name for name in [*own, *past]]


def _places(one: Definition, pre: bool) -> dict[str, str]:
    """Column of the moments -> column of the sums over a cluster."""
    value, *others = _columns(one, pre)
    below = others.pop(0) if one.kind == "ratio" else "units"
    return {"value": value, "denominator": below, **dict(zip(("pre_value", "pre_denominator"), others, strict=False))}


def _cells(rows: Sequence[Mapping[str, Any]], places: Mapping[str, str]) -> Cells:
    groups: dict[tuple[str, date], list[list[float]]] = defaultdict(list)
    for row in rows:
        groups[row["arm"], row["day"]].append([float(row[name] or 0.0) for name in places.values()])
    return Cells(tuple(places), {at: Moments.of(np.array(several)) for at, several in groups.items()})


def of_windows(
    events: ibis.Table, definitions: Sequence[Definition], exposures: Exposures, *, hours: int, burn_in_minutes: int
) -> dict[str, Cells]:
    """Every metric over windows of a scenario: what units did there between their first exposure and the window's end.

    The start of each window is left out, for what carries over from the one before. A unit that met several arms in
    one window is left out of it. A metric that counts everywhere is counted for every scenario the unit came by.
    """
    asked = [one for one in definitions if one.kind in COUNTED and not _is_distinct(one)]
    layout = Layout.of(asked)
    met = _met(events, exposures, hours, burn_in_minutes)
    rows = counted(events, layout, exposures)
    rows = rows.mutate(of_window=_window(rows.happened_at, hours))
    joined = met.left_join(
        rows.rename(happened_in="scenario"),
        (met.unit == rows.who) & (met.window == rows.of_window) & (rows.happened_at >= met.met_at),
    )
    keys, sides = ["arm", "scenario", "window"], range(len(layout.sides))
    here = joined.happened_in == joined.scenario
    worth = {i: _worth(joined, i, layout.sides[i]) for i in sides}
    per_unit = joined.group_by(*keys, "unit").aggregate(
        **{f"l{i}": worth[i].sum(where=here).fill_null(0.0) for i in sides},
        **{f"g{i}": worth[i].sum().fill_null(0.0) for i in sides},
    )
    names = [f"{place}{i}" for place in ("l", "g") for i in sides]
    table = per_unit.group_by(*keys).aggregate(
        units=per_unit.count(),
        **{name: per_unit[name].sum() for name in names},
        **{f"any_{name}": (per_unit[name] > 0).cast("float64").sum() for name in names},
    )
    found = [{**row, "day": _day(row["window"], hours)} for row in table.to_pyarrow().to_pylist()]
    return {one.key: _cells(found, _sides(one, layout)) for one in asked}


def _is_distinct(one: Definition) -> bool:
    return any(source.adds == "distinct" for source in one.sources)


def _met(events: ibis.Table, exposures: Exposures, hours: int, burn_in_minutes: int) -> ibis.Table:
    """unit, scenario, window, arm, met_at: every unit in every window of a scenario in which it met one arm."""
    rows = events.filter(
        events[exposures.unit].notnull(), within(events["at"], exposures.window.start, exposures.window.end)
    )
    told = rows.filter(rows["type"] == "exposure", rows["experiment"] == exposures.experiment)
    decided = rows.filter(rows["type"] == "decision")
    each = decided.select(
        "scenario", unit=decided[exposures.unit], happened_at=decided["at"], met=decided["assignments"].unnest()
    )
    ours = each.filter(each.met["experiment"] == exposures.experiment)
    both = told.select(
        "scenario", unit=told[exposures.unit], happened_at=told["at"], arm=told["variant"], phase=told["phase"]
    ).union(ours.select("scenario", "unit", "happened_at", arm=ours.met["variant"], phase=ours.met["phase"]))
    kept = both.filter(
        (both.phase == exposures.phase) | both.phase.isnull(),
        both.arm.isin(exposures.arms),
        both.scenario.isin(exposures.scenarios),
        both.happened_at.epoch_seconds() % (hours * HOUR) >= burn_in_minutes * 60,
    )
    first = kept.group_by("unit", "scenario", window=_window(kept.happened_at, hours)).aggregate(
        arm=kept.arm.min(), other=kept.arm.max(), met_at=kept.happened_at.min()
    )
    return first.filter(first.arm == first.other).drop("other")


def _window(at: Any, hours: int) -> Any:
    """Number of the window since 1970."""
    return (at.epoch_seconds() // (hours * HOUR)).cast("int64")


def _day(window: int, hours: int) -> date:
    return (datetime(1970, 1, 1, tzinfo=UTC) + timedelta(hours=window * hours)).date()


def _worth(rows: ibis.Table, i: int, side: Side) -> Any:
    """What an event adds, 0 where it does not count."""
    counts = rows[f"c{i}"].fill_null(False)
    if side.source.adds == "count":
        return counts.cast("float64")
    return counts.ifelse(rows[side.worth], 0.0)


def _sides(one: Definition, layout: Layout) -> dict[str, str]:
    """Column of the moments -> column of the sums over a window."""
    place = "l" if one.in_scenario else "g"
    names = [f"{place}{i}" for i in layout.metrics[one.key]]
    if one.kind == "ratio":
        return dict(zip(("value", "denominator"), names, strict=True))
    return {"value": names[0] if one.kind == "mean" else f"any_{names[0]}", "denominator": "units"}
