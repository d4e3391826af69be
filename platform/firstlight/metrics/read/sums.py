"""From events to one row per unit: what it added to every metric after its exposure, and before it.

first exposures >< the events that count -> sums per unit and scenario -> sums per unit, in the experiment's scenarios
(`l`) and everywhere (`g`), after exposure and before it (`pl`, `pg`).
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import reduce
from typing import Any

import ibis

from firstlight.metrics.definitions import Definition, Filter, Source
from firstlight.metrics.read.exposed import attribute_slices, first_exposures, within
from firstlight.metrics.read.values import OTHER, Exposures

MONEY_BACK = ("refund", "cancel")
PERIODS = ("", "p")  # after exposure, before it


@dataclass(frozen=True, slots=True)
class Side:
    """One sum per unit. Metrics that sum the same share it."""

    source: Source
    delay_hours: int
    window_hours: int | None
    priced: bool  # money by the rate of its day

    @property
    def is_distinct(self) -> bool:
        return self.source.adds == "distinct"

    @property
    def events(self) -> tuple[str, ...]:
        return (self.source.event, *MONEY_BACK) if self.source.adds == "net" else (self.source.event,)


@dataclass(frozen=True, slots=True)
class Layout:
    """Which sums the metrics need: per metric one side, or two of a ratio, as positions in `sides`."""

    sides: tuple[Side, ...]
    metrics: dict[str, tuple[int, ...]]
    funnels: tuple[Definition, ...]

    @classmethod
    def of(cls, definitions: Sequence[Definition]) -> "Layout":
        wanted = {one.key: tuple(_sides(one)) for one in definitions if one.kind != "funnel"}
        sides = tuple(dict.fromkeys(side for several in wanted.values() for side in several))
        places = {key: tuple(map(sides.index, several)) for key, several in wanted.items()}
        return cls(sides, places, tuple(one for one in definitions if one.kind == "funnel"))

    @property
    def hours(self) -> list[int]:
        ends = {side.window_hours for side in self.sides} | {one.window_hours for one in self.funnels}
        return sorted(
            {hours for hours in ends if hours} | {side.delay_hours for side in self.sides if side.delay_hours}
        )

    @property
    def sources(self) -> list[Source]:
        return [side.source for side in self.sides] + [step for one in self.funnels for step in one.steps]

    @property
    def events(self) -> list[str]:
        types = {event for side in self.sides for event in side.events}
        return sorted(types | {step.event for one in self.funnels for step in one.steps})


def _sides(definition: Definition) -> Iterator[Side]:
    any_of = definition.kind in ("proportion", "retention")
    for source in definition.sources:
        what = Source(source.event, "count", source.filters) if any_of and source.adds != "net" else source
        priced = bool(definition.currency) and what.adds in ("value", "net")
        yield Side(what, definition.delay_hours, definition.window_hours, priced)


@dataclass(frozen=True, slots=True)
class Sums:
    units: ibis.Table  # one row per exposed unit
    by_scenario: ibis.Table  # unit, arm, scenario and sums after exposure, of those that have any
    joined: ibis.Table  # the events behind both


Keep = Callable[[ibis.Table], ibis.Table]


def sums(events: ibis.Table, layout: Layout, exposures: Exposures, keep: Keep = lambda table: table) -> Sums:
    """`keep` may compute a table at once, so that what follows does not read the lake again."""
    first = keep(first_exposures(events, exposures, layout.hours))
    joined = _joined(first, counted(events, layout, exposures), exposures)
    grouped = joined.group_by("unit", "scenario").aggregate(
        arm=joined.arm.max(),
        seen=joined.before.sum(),
        **{
            f"{period}s{i}": _sum(joined, i, side, period)
            for period in _periods(exposures)
            for i, side in _added(layout)
        },
    )
    by_scenario = keep(grouped)
    collapsed = _collapsed(by_scenario, layout, exposures)
    table = first.left_join(collapsed, "unit").drop("unit_right")
    for extra in (*_distinct(joined, layout, exposures), *_funnels(joined, layout, exposures)):
        table = table.left_join(extra, "unit").drop("unit_right")
    named = [name for name in table.columns if name[:1] in "lgpdf" and name[-1].isdigit()]
    filled = table.mutate(**{name: table[name].fill_null(0).cast("float64") for name in named})
    visitor = (table.seen.fill_null(0) > 0).ifelse("returning", "new")
    units = filled.mutate(is_new=(visitor == "new").cast("float64"), visitor=visitor)
    return Sums(keep(units), by_scenario, joined)


def _periods(exposures: Exposures) -> Sequence[str]:
    return PERIODS if exposures.pre_days else PERIODS[:1]


def _added(layout: Layout) -> Iterator[tuple[int, Side]]:
    return ((i, side) for i, side in enumerate(layout.sides) if not side.is_distinct)


def counted(events: ibis.Table, layout: Layout, exposures: Exposures) -> ibis.Table:
    """Of every event that some side counts: who, when, where, its worth, and which sides (c0, c1, …) it counts for."""
    since = exposures.window.start - timedelta(days=exposures.pre_days)
    rows = events.filter(
        events["type"].isin(layout.events),
        events[exposures.unit].notnull(),
        within(events["at"], since, exposures.end),
    )
    worth = rows["value"].cast("float64")  # before any arithmetic: products of integers wrap on Spark
    signed = rows["type"].isin(MONEY_BACK).ifelse(-worth, worth)
    found = rows.select(
        who=rows[exposures.unit],
        happened_at=rows["at"],
        scenario=rows["scenario"].fill_null(OTHER),
        day_of=rows["day"],
        currency=rows["currency"],
        worth=worth,
        signed=signed,
        **{f"segment_{one.key}": _segment(rows, one.field) for one in _event_slices(exposures)},
        **{f"v{i}": _met(rows, side.source.field) for i, side in enumerate(layout.sides) if side.is_distinct},
        **{f"c{i}": _counts(rows, side.events, side.source) for i, side in enumerate(layout.sides)},
        **{
            f"t{i}_{j}": _counts(rows, (step.event,), step)
            for i, one in enumerate(layout.funnels)
            for j, step in enumerate(one.steps)
        },
    )
    categories = [
        f"v{i}" for i, side in enumerate(layout.sides) if side.is_distinct and side.source.field == "category"
    ]
    return _priced(_with_categories(_categorised(found, exposures), categories, exposures), exposures)


def _event_slices(exposures: Exposures) -> list[Any]:
    return [one for one in exposures.slices if one.of == "event"]


def _segment(rows: ibis.Table, field: str) -> Any:
    return rows["item_id" if field == "category" else field].fill_null(OTHER)


def _met(rows: ibis.Table, field: str) -> Any:
    """What is counted distinct; items stand for their category until `_with_categories`."""
    return rows["item_id" if field == "category" else field]


def _with_categories(rows: ibis.Table, names: Sequence[str], exposures: Exposures) -> ibis.Table:
    """The category of the item in each of these columns; null for an item that has none."""
    for name in names:
        if exposures.categories is None:
            rows = rows.mutate(**{name: ibis.null("string")})
        else:
            known = ibis.memtable(exposures.categories.rename_columns(["of_item", "its_category"]))
            found = rows.left_join(known, rows[name] == known.of_item)
            rows = found.mutate(**{name: found.its_category}).drop("of_item", "its_category")
    return rows


def _categorised(rows: ibis.Table, exposures: Exposures) -> ibis.Table:
    """Items stand for their category until here."""
    for one in _event_slices(exposures):
        if one.field == "category" and exposures.categories is not None:
            known = ibis.memtable(exposures.categories)
            name = f"segment_{one.key}"
            with_category = rows.left_join(known, rows[name] == known.item_id)
            rows = with_category.mutate(**{name: with_category.category.fill_null(OTHER)}).drop("item_id", "category")
    return rows


def _priced(rows: ibis.Table, exposures: Exposures) -> ibis.Table:
    """`priced`: its signed worth by the rate of its day; null without a rate."""
    if exposures.rates is None:
        return rows.mutate(priced=ibis.null("float64"))
    rates = ibis.memtable(exposures.rates.rename_columns(["of_currency", "of_day", "rate"]))
    with_rate = rows.left_join(rates, (rows.currency == rates.of_currency) & (rows.day_of == rates.of_day))
    return with_rate.mutate(priced=with_rate.signed * with_rate.rate).drop("of_currency", "of_day", "rate")


def _counts(rows: ibis.Table, types: Sequence[str], source: Source) -> Any:
    holds = rows["type"] == types[0] if len(types) == 1 else rows["type"].isin(types)
    return reduce(lambda found, one: found & holds_for(rows[one.field], one), source.filters, holds)


def holds_for(column: Any, one: Filter) -> Any:
    match one.op:
        case "in":
            return column.isin(one.value)
        case "ne":
            return column.isnull() | (column != one.value)
        case "eq":
            return column == one.value
        case "gt":
            return column > one.value
        case "ge":
            return column >= one.value
        case "lt":
            return column < one.value
        case "le":
            return column <= one.value


def _joined(first: ibis.Table, rows: ibis.Table, exposures: Exposures) -> ibis.Table:
    """Events of exposed units from `pre_days` before their exposure on; `before` marks the earlier ones."""
    since = first.exposed_at - ibis.interval(days=exposures.pre_days) if exposures.pre_days else first.exposed_at
    start = first.mutate(since=since)
    joined = start.join(rows, (start.unit == rows.who) & (rows.happened_at >= start.since))
    return joined.mutate(before=joined.happened_at < joined.exposed_at)


def _sum(joined: ibis.Table, i: int, side: Side, period: str) -> Any:
    counts = joined[f"c{i}"] & _in_time(joined, side, period)
    if side.source.adds == "count":
        return counts.sum()
    worth = joined.priced if side.priced else joined.signed if side.source.adds == "net" else joined.worth
    return worth.sum(where=counts)


def single(joined: ibis.Table, i: int, layout: Layout, scenarios: Sequence[str] | None) -> ibis.Table:
    """unit, arm, value: every event that a side counts, in these scenarios or (None) everywhere, and its worth."""
    side = layout.sides[i]
    counts = joined[f"c{i}"] & _in_time(joined, side, "")
    rows = joined.filter(counts if scenarios is None else counts & joined.scenario.isin(scenarios))
    worth = rows.select("unit", "arm", value=rows.priced if side.priced else rows.worth)
    return worth.filter(worth.value.notnull())


def _in_time(joined: ibis.Table, side: Side, period: str) -> Any:
    """The whole time before exposure, or the metric's own window after it."""
    if period:
        return joined.before
    holds = ~joined.before
    if side.delay_hours:
        holds &= joined.happened_at >= joined[f"until_{side.delay_hours}"]
    if side.window_hours is not None:
        holds &= joined.happened_at < joined[f"until_{side.window_hours}"]
    return holds


def _collapsed(by_scenario: ibis.Table, layout: Layout, exposures: Exposures) -> ibis.Table:
    """One row per unit: every sum in the scenarios of the experiment, and everywhere."""
    here = by_scenario.scenario.isin(exposures.scenarios)
    found: dict[str, Any] = {"seen": by_scenario.seen.sum()}
    for period in _periods(exposures):
        for i, _ in _added(layout):
            column = by_scenario[f"{period}s{i}"]
            found |= {f"{period}l{i}": column.sum(where=here), f"{period}g{i}": column.sum()}
    return by_scenario.group_by("unit").aggregate(**found)


def _distinct(joined: ibis.Table, layout: Layout, exposures: Exposures) -> Iterator[ibis.Table]:
    """Counts of distinct values do not add over scenarios: they are counted for themselves."""
    sides = [(i, side) for i, side in enumerate(layout.sides) if side.is_distinct]
    if sides:
        here = joined.scenario.isin(exposures.scenarios)
        found = {}
        for period in _periods(exposures):
            for i, side in sides:
                counts = joined[f"c{i}"] & _in_time(joined, side, period)
                found[f"{period}l{i}"] = joined[f"v{i}"].nunique(where=counts & here)
                found[f"{period}g{i}"] = joined[f"v{i}"].nunique(where=counts)
        yield joined.group_by("unit").aggregate(**found)


def _funnels(joined: ibis.Table, layout: Layout, exposures: Exposures) -> Iterator[ibis.Table]:
    """f<i>_1: took the first step; f<i>_2: took all, each at or after the one before."""
    for i, one in enumerate(layout.funnels):
        in_time = ~joined.before
        if one.window_hours is not None:
            in_time &= joined.happened_at < joined[f"until_{one.window_hours}"]
        if one.in_scenario:
            in_time &= joined.scenario.isin(exposures.scenarios)
        steps = [
            joined.filter(in_time & joined[f"t{i}_{j}"]).select("unit", "happened_at") for j in range(len(one.steps))
        ]
        reached = steps[0].group_by("unit").aggregate(reached_at=steps[0].happened_at.min())
        began = reached.select("unit", **{f"f{i}_1": ibis.literal(1.0)})
        for step in steps[1:]:
            later = reached.join(step, "unit")
            later = later.filter(later.happened_at >= later.reached_at)
            reached = later.group_by("unit").aggregate(reached_at=later.happened_at.min())
        yield began
        yield reached.select("unit", **{f"f{i}_2": ibis.literal(1.0)})


def by_dimension(joined: ibis.Table, layout: Layout, dimension: str) -> ibis.Table:
    """unit, arm, segment and sums after exposure of its events in that segment."""
    rows = joined.filter(~joined.before)
    return rows.group_by("unit", segment=rows[dimension]).aggregate(
        arm=rows.arm.max(), **{f"s{i}": _sum(rows, i, side, "") for i, side in _added(layout)}
    )


def by_age(joined: ibis.Table, layout: Layout, days: int) -> ibis.Table:
    """unit, arm, segment (whole days since exposure, under `days`) and the sums of that day alone."""
    rows = joined.filter(~joined.before)
    aged = rows.mutate(age=rows.happened_at.delta(rows.exposed_at, unit="second") // 86_400)
    aged = aged.filter(aged.age < days)
    return aged.group_by("unit", segment=aged.age).aggregate(
        arm=aged.arm.max(), **{f"s{i}": _sum(aged, i, side, "") for i, side in _added(layout)}
    )


__all__ = ["Layout", "Side", "Sums", "attribute_slices", "by_age", "by_dimension", "counted", "single", "sums"]
