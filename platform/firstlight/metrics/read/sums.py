"""From events to one row per unit: what it added to every metric after its exposure, and before it.

first exposures >< the events that count -> sums per unit, in the experiment's scenarios (`l`) and everywhere (`g`),
after exposure and before it (`pl`, `pg`). Units are numbered, and what an event counts for is one integer: sixteen sums
per unit then cost half of what they do with a condition on the event each.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import reduce
from operator import and_
from typing import Any

import ibis

from firstlight.metrics.read.counted import bit, counted, holds_for
from firstlight.metrics.read.exposed import attribute_slices, first_exposures, with_ends
from firstlight.metrics.read.layout import BITS, Asked, Layout, Side
from firstlight.metrics.read.values import Exposures

DAY = 86_400  # seconds


@dataclass(frozen=True, slots=True)
class Sums:
    first: ibis.Table  # id, unit, arm, exposed_at, day, segments, of every exposed unit
    units: ibis.Table  # the same with its sums
    joined: ibis.Table  # the events behind them
    scenarios: Sequence[str] | None  # what the numbers in `joined` stand for; None: names stand there
    read: ibis.Table  # of `joined` those that were read now, as they were kept
    added: tuple[str, ...]  # columns of `units` that grow by each event
    replaced: tuple[int, ...] = ()  # numbers that units had in an earlier reading, who are read anew under others


Keep = Callable[[ibis.Table], ibis.Table]


def as_it_is(table: ibis.Table) -> ibis.Table:
    return table


def sums(
    events: ibis.Table,
    layout: Layout,
    exposures: Exposures,
    *,
    keep: Keep = as_it_is,
    keep_events: Keep = as_it_is,
    parts: bool = False,
    scenarios: Sequence[str] | None = None,
) -> Sums:
    """`parts`: every sum both local and everywhere. `keep` may compute a table at once, to be read several times.

    `scenarios` are all there are, for numbers instead of their names where events are kept.
    """
    first = keep(first_exposures(events, exposures).mutate(id=ibis.row_number().cast("int32")))
    rows = counted(events, layout, exposures, each=False)
    read = keep_events(join_events(first, rows, layout, exposures, scenarios))
    asked = Asked(layout, exposures, parts, events=True)
    return finished(first, read, read, asked, scenarios)


def finished(
    first: ibis.Table, read: ibis.Table, every: ibis.Table, asked: Asked, scenarios: Sequence[str] | None
) -> Sums:
    """Of the units of `first`, who may bring sums of their own from before, and of the events that were `read` now.

    What does not add up is found from `every` event.
    """
    layout, exposures, parts = asked.layout, asked.exposures, asked.parts
    now, whole = told(read, layout), told(every, layout)
    sums = _summed(now, layout, exposures, parts)
    table = _plus(first, sums)
    for extra in (*_distinct(whole, layout, exposures), *_funnels(whole, layout, exposures)):
        table = table.left_join(extra, "id").drop("id_right")
    named = ["seen", *(name for name in table.columns if name[:1] in "lgpf" and name[-1].isdigit())]
    returns = table.seen > 0
    units = table.mutate(
        **{name: table[name].cast("float64").fill_null(0.0) for name in named},
        is_new=returns.ifelse(0.0, 1.0),
        visitor=returns.ifelse("returning", "new"),
    )
    added = tuple(name for name in sums.columns if name != "id")
    return Sums(first, units, whole, scenarios, read, added)


def _plus(first: ibis.Table, sums: ibis.Table) -> ibis.Table:
    """Those sums beside the units, or on top of what the units have."""
    met = first.left_join(sums, "id").drop("id_right")
    both = [name for name in sums.columns if name != "id" and name in first.columns]
    grown = {name: met[name] + met[f"{name}_right"].fill_null(0).cast("float64") for name in both}
    return met.mutate(**grown).drop(*(f"{name}_right" for name in both))


def join_events(
    first: ibis.Table, rows: ibis.Table, layout: Layout, exposures: Exposures, scenarios: Sequence[str] | None
) -> ibis.Table:
    """Events of exposed units from `pre_days` before their exposure on; `before` marks the earlier ones.

    `marks0` has the sides that an event counts for in time, or as their past. Narrow, for there are many: four times
    the events in a table twice as wide would not fit into the memory of one analysis.
    """
    since = first.exposed_at - ibis.interval(days=exposures.pre_days) if exposures.pre_days else first.exposed_at
    start = with_ends(first.mutate(since=since), layout.hours)
    met = start.join(rows, (start.unit == rows.who) & (rows.happened_at >= start.since))
    before = met.happened_at < met.exposed_at
    extra: dict[str, Any] = {
        f"marks{block}": before.ifelse(met[f"marks{block}"], _in_time(met, layout, block)) for block in layout.blocks
    }
    extra |= {name: met[name] for name in ("priced", "priced_net") if any(s.worth == name for s in layout.sides)}
    if any(side.worth == "signed" for side in layout.sides):
        extra["gave_back"] = met.gave_back
    if exposures.ages:
        extra["age"] = (met.happened_at.delta(met.exposed_at, unit="second") // DAY).cast("int16")
    if layout.funnels:
        extra |= {name: met[name] for name in met.columns if name == "happened_at" or name.startswith("until_")}
    return met.select(
        "id",
        "arm",
        "worth",
        *(name for name in rows.columns if name.startswith(("segment_", "v", "t"))),
        scenario=met.scenario if scenarios is None else _numbered(met.scenario, scenarios),
        here=met.scenario.isin(exposures.scenarios),
        before=before,
        **extra,
    )


def _numbered(scenario: Any, scenarios: Sequence[str]) -> Any:
    numbers = [(name, ibis.literal(i, "int8")) for i, name in enumerate(scenarios)]
    return scenario.cases(*numbers).cast("int8") if numbers else ibis.null("int8")


def told(joined: ibis.Table, layout: Layout) -> ibis.Table:
    """With what each of the sums asks for: an engine works it out once, not in every one of them."""
    nothing = ibis.literal(0, "int64")
    found: dict[str, Any] = {}
    for block in layout.blocks:
        marks, before = joined[f"marks{block}"], joined.before
        when = {"after": before.ifelse(nothing, marks), "earlier": before.ifelse(marks, nothing)}
        found |= {f"{name}{block}": asked for name, asked in when.items()}
        found |= {f"here_{name}{block}": joined.here.ifelse(asked, nothing) for name, asked in when.items()}
    if "gave_back" in joined.columns:
        found["signed"] = joined.gave_back.ifelse(-joined.worth, joined.worth)
    return joined.mutate(**found)


def _in_time(met: ibis.Table, layout: Layout, block: int) -> Any:
    """Marks of the sides whose own window after exposure holds the event."""
    windows: dict[tuple[int, int | None], int] = {}
    for i, side in enumerate(layout.sides):
        if i // BITS == block:
            window = (side.delay_hours, side.window_hours)
            windows[window] = windows.get(window, 0) | bit(i)
    found: Any = ibis.literal(0, "int64")
    for (delay, end), marks in windows.items():
        holds: Any = ibis.literal(True)
        if delay:
            holds &= met.happened_at >= met[f"until_{delay}"]
        if end is not None:
            holds &= met.happened_at < met[f"until_{end}"]
        asked = met[f"marks{block}"] & ibis.literal(marks, "int64")
        found += asked if not delay and end is None else holds.ifelse(asked, ibis.literal(0, "int64"))
    return found


def _is_marked(rows: ibis.Table, i: int, *, past: bool = False, local: bool = False) -> Any:
    """Whether an event counts for this side."""
    marks = rows[f"{'here_' if local else ''}{'earlier' if past else 'after'}{i // BITS}"]
    return (marks & ibis.literal(bit(i), "int64")) != 0


def _sum(rows: ibis.Table, side: Side, where: Any) -> Any:
    return rows.count(where=where) if side.worth is None else rows[side.worth].sum(where=where)


def _added(layout: Layout) -> Iterator[tuple[int, Side]]:
    return ((i, side) for i, side in enumerate(layout.sides) if not side.is_distinct)


def _summed(joined: ibis.Table, layout: Layout, exposures: Exposures, parts: bool) -> ibis.Table:
    """One row per unit that did anything."""
    idle = reduce(and_, (joined[f"after{block}"] == 0 for block in layout.blocks), ~joined.before)
    joined = joined.filter(~idle)
    found: dict[str, Any] = {"seen": joined.count(where=joined.before)}
    for i, side in _added(layout):
        for place in _places(layout, i, exposures, parts):
            past, local = place.startswith("p"), place.endswith("l")
            found[f"{place}{i}"] = _sum(joined, side, _is_marked(joined, i, past=past, local=local))
    return joined.group_by("id").aggregate(**found)


def _places(layout: Layout, i: int, exposures: Exposures, parts: bool) -> list[str]:
    """Where and when a side is asked for."""
    asked = (("l", layout.local), ("g", layout.everywhere))
    now = [place for place, sides in asked if i in sides or (parts and i in layout.past)]
    has_past = exposures.pre_days > 0 and i in layout.past
    return [*now, *(f"p{place}" for place, sides in asked if has_past and i in sides)]


def single(joined: ibis.Table, i: int, layout: Layout, *, local: bool) -> ibis.Table:
    """id, arm, value: every event that a side counts, in the experiment's scenarios or everywhere, and its worth."""
    marked = _is_marked(joined, i)
    rows = joined.filter(marked & joined.here if local else marked)
    worth = rows.select("id", "arm", value=rows["priced" if layout.sides[i].priced else "worth"])
    return worth.filter(worth.value.notnull())


def without_worth(joined: ibis.Table, i: int, layout: Layout, *, local: bool) -> Any:
    """How many events a side counts whose money has no rate."""
    marked = _is_marked(joined, i, local=local)
    return (marked & joined.worth.notnull() & joined[str(layout.sides[i].worth)].isnull()).sum()


def _distinct(joined: ibis.Table, layout: Layout, exposures: Exposures) -> Iterator[ibis.Table]:
    """Counts of distinct values do not add over scenarios: they are counted for themselves."""
    sides = [i for i, side in enumerate(layout.sides) if side.is_distinct]
    if sides:
        found = {}
        for i in sides:
            for past in (False, True) if exposures.pre_days else (False,):
                marked, place = _is_marked(joined, i, past=past), "p" if past else ""
                found[f"{place}l{i}"] = joined[f"v{i}"].nunique(where=marked & joined.here)
                found[f"{place}g{i}"] = joined[f"v{i}"].nunique(where=marked)
        yield joined.group_by("id").aggregate(**found)


def _funnels(joined: ibis.Table, layout: Layout, exposures: Exposures) -> Iterator[ibis.Table]:
    """f<i>_1: took the first step; f<i>_2: took all, each at or after the one before."""
    for i, one in enumerate(layout.funnels):
        in_time = ~joined.before
        if one.window_hours is not None:
            in_time &= joined.happened_at < joined[f"until_{one.window_hours}"]
        if one.in_scenario:
            in_time &= joined.here
        steps = [
            joined.filter(in_time & joined[f"t{i}_{j}"]).select("id", "happened_at") for j in range(len(one.steps))
        ]
        reached = steps[0].group_by("id").aggregate(reached_at=steps[0].happened_at.min())
        began = reached.select("id", **{f"f{i}_1": ibis.literal(1.0)})
        for step in steps[1:]:
            later = reached.join(step, "id")
            later = later.filter(later.happened_at >= later.reached_at)
            reached = later.group_by("id").aggregate(reached_at=later.happened_at.min())
        yield began
        yield reached.select("id", **{f"f{i}_2": ibis.literal(1.0)})


def by_dimension(joined: ibis.Table, layout: Layout, segment: str, among: Sequence[int] | None = None) -> ibis.Table:
    """id, segment, arm, and the sums after exposure of its events in that segment."""
    rows = joined.filter(~joined.before)
    asked = [(i, side) for i, side in _added(layout) if among is None or i in among]
    return rows.group_by("id", segment=rows[segment]).aggregate(
        arm=rows.arm.max(), **{f"s{i}": _sum(rows, side, _is_marked(rows, i)) for i, side in asked}
    )


__all__ = ["Layout", "Side", "Sums", "attribute_slices", "by_dimension", "counted", "holds_for", "single", "sums"]
