"""Of the events of the lake those that some metric counts, and which of its sums each of them counts for."""

from collections.abc import Sequence
from datetime import timedelta
from functools import reduce
from typing import Any

import ibis

from firstlight.metrics.definitions import Filter, Source
from firstlight.metrics.read.exposed import within
from firstlight.metrics.read.layout import BITS, MONEY_BACK, Layout
from firstlight.metrics.read.values import OTHER, Exposures

ALWAYS = ("type", "at", "day", "scenario", "value", "currency")


def columns(layout: Layout, exposures: Exposures) -> list[str]:
    """Of the event table, those that `counted` looks at."""
    sources = [*(side.source for side in layout.sides), *(step for one in layout.funnels for step in one.steps)]
    asked = {one.field for source in sources for one in source.filters} | {source.field for source in sources}
    asked |= {one.field for one in _event_slices(exposures)} - {""}
    of_items = {"item_id"} if "category" in asked else set()
    return sorted({*ALWAYS, exposures.unit, *of_items} | asked - {"", "category"})


def counted(events: ibis.Table, layout: Layout, exposures: Exposures, *, each: bool = True) -> ibis.Table:
    """Of every event that some side counts: who, when, where, its worth, and which sides (c0, c1, …) it counts for.

    `marks0`, `marks1`, … say the latter again, as integers of a bit for each side; without `each` they alone do.
    """
    since = exposures.window.start - timedelta(days=exposures.pre_days)
    rows = events.filter(
        events["type"].isin(layout.events),
        events[exposures.unit].notnull(),
        within(events["at"], since, exposures.end),
    )
    worth = rows["value"].cast("float64")  # before any arithmetic: products of integers wrap on Spark
    gave_back = rows["type"].isin(MONEY_BACK)
    found = rows.select(
        who=rows[exposures.unit],
        happened_at=rows["at"],
        scenario=rows["scenario"].fill_null(OTHER),
        day_of=rows["day"],
        currency=rows["currency"],
        worth=worth,
        gave_back=gave_back,
        signed=gave_back.ifelse(-worth, worth),
        **{f"segment_{one.key}": _segment(rows, one.field) for one in _event_slices(exposures)},
        **{f"v{i}": _met(rows, side.source.field) for i, side in enumerate(layout.sides) if side.is_distinct},
        **{f"c{i}": _counts(rows, side.events, side.source) for i, side in enumerate(layout.sides) if each},
        **{f"marks{block}": _marks(rows, layout, block) for block in layout.blocks},
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
    """`priced`: its worth by the rate of its day, `priced_net` with its sign; null without a rate."""
    if exposures.rates is None:
        return rows.mutate(priced=ibis.null("float64"), priced_net=ibis.null("float64"))
    rates = ibis.memtable(exposures.rates.rename_columns(["of_currency", "of_day", "rate"]))
    with_rate = rows.left_join(rates, (rows.currency == rates.of_currency) & (rows.day_of == rates.of_day))
    priced = {"priced": with_rate.worth * with_rate.rate, "priced_net": with_rate.signed * with_rate.rate}
    return with_rate.mutate(**priced).drop("of_currency", "of_day", "rate")


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


def _marks(rows: ibis.Table, layout: Layout, block: int) -> Any:
    """Sums without a filter are looked up by the type of the event, once for all of them."""
    mine = {i: side for i, side in enumerate(layout.sides) if i // BITS == block}
    plain = [i for i, side in mine.items() if not side.source.filters]
    by_type = {event: sum(bit(i) for i in plain if event in mine[i].events) for event in layout.events}
    found: Any = rows["type"].cases(*((event, _int(marks)) for event, marks in by_type.items()), else_=_int(0))
    for i in mine.keys() - plain:
        counts = _counts(rows, mine[i].events, mine[i].source).fill_null(False)
        found += counts.ifelse(_int(bit(i)), _int(0))
    return found


def bit(i: int) -> int:
    return 1 << i % BITS


def _int(value: int) -> Any:
    return ibis.literal(value, "int64")
