"""Covariates, segments, scenarios, ages and every kind of metric, against plain loops over the same rows."""

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from functools import reduce
from operator import add
from typing import Any

import ibis
import numpy as np
import pyarrow as pa
import pytest

from firstlight.kernel.moments import Moments
from firstlight.metrics.definitions import Definition, Filter, Source
from firstlight.metrics.read import Exposures, Measured, Slice, measure, units
from tests.firstlight.metrics import reference
from tests.firstlight.metrics.test_read import START, WINDOW, assert_alike, naive

COUNTRIES = ("IN", "BR", None)
SLICES = (
    Slice("country", "unit", "country"),
    Slice("visitor", "unit", "visitor"),
    Slice("recall", "event", "recall_source"),
    Slice("category", "event", "category"),
)
CATEGORIES = pa.table({"item_id": ["i0", "i1", "i2"], "category": ["dress", "dress", "shoe"]})
RATES = {("INR", 0): 0.012, ("INR", 1): 0.011, ("NPR", 0): 0.0075, ("NPR", 1): 0.007}
EXPOSURES = Exposures(
    "ranker",
    2,
    "user_id",
    ("old", "new"),
    ("home", "search"),
    WINDOW,
    until=WINDOW.end + timedelta(days=2),
    pre_days=7,
    slices=SLICES,
    ages=4,
    categories=CATEGORIES,
)
CLICK, ORDER = Source("click", "count"), Source("order", "value")
DEFINITIONS = [
    Definition("clicks", "mean", CLICK),
    Definition("rate", "ratio", CLICK, Source("impression", "count"), window_hours=48),
    Definition("bought", "proportion", Source("order", "count"), in_scenario=False),
    Definition("back", "retention", Source("click", "count"), delay_hours=24, window_hours=72, in_scenario=False),
    Definition("net", "mean", Source("order", "net"), window_hours=24, maturity_hours=48, in_scenario=False),
    Definition("capped", "mean", ORDER, cap_value=15.0),
    Definition("tail", "mean", ORDER, cap_share=0.6, in_scenario=False),
    Definition("kinds", "mean", Source("click", "distinct", field="item_id"), in_scenario=False),
    Definition(
        "path",
        "funnel",
        Source("order", "count"),
        steps=(Source("impression", "count"), CLICK, Source("order", "count")),
    ),
    Definition("p50", "quantile", CLICK, quantile=0.5, in_scenario=False),
    Definition("p80 of orders", "quantile", ORDER, quantile=0.8, per="event", window_hours=72, maturity_hours=2),
    Definition("categories", "mean", Source("click", "distinct", field="category"), in_scenario=False),
]
BY_KEY = {one.key: one for one in DEFINITIONS}


def synthetic(seed: int, n: int = 5_000) -> list[dict[str, Any]]:
    rng = np.random.default_rng(seed)

    def some(*values: Any) -> Any:
        return values[rng.integers(len(values))]

    rows = []
    for _ in range(n):
        user = int(rng.integers(90))
        at = naive(START) + timedelta(minutes=int(rng.integers(-60 * 24 * 9, 60 * 24 * 8)))
        kind = some("exposure", "decision", "click", "click", "impression", "impression", "order", "refund", "cancel")
        row: dict[str, Any] = {
            "at": at,
            "user_id": f"u{user}",
            "type": kind,
            "scenario": some("home", "search", "cart", None),
        }
        variant = EXPOSURES.arms[user % 2] if rng.random() < 0.995 else some(*EXPOSURES.arms)
        told = {"experiment": "ranker", "variant": variant, "phase": 2}
        country = COUNTRIES[(user // 2) % 3] if rng.random() < 0.9 else "IN"
        if kind == "exposure":
            row |= told | {"properties": json.dumps({"country": country}) if rng.random() < 0.9 else None}
        elif kind == "decision":
            row |= {"assignments": [told], "properties": json.dumps({"attributes": {"country": country}})}
        else:
            row |= {"value": some(Decimal("12.5"), Decimal("40"), Decimal("7.25")), "currency": some("INR", "NPR")}
            row |= {"item_id": some("i0", "i1", "i2", "i3"), "recall_source": some("i2i", "hot", None)}
        if kind in ("exposure", "decision") and (at < naive(START) or user % 9 == 0):
            continue  # some are never exposed
        if user % 5 == 0 and at < naive(START):
            continue  # new units
        rows.append(row)
    return rows


ROWS = synthetic(3)


@pytest.fixture(scope="module")
def found() -> Measured:
    return measure(ibis.memtable(reference.table(ROWS)), DEFINITIONS, EXPOSURES, growth=True)


Unit = tuple[str, str, datetime]  # unit, arm, first exposure


def exposed() -> list[Unit]:
    first, _ = reference.exposed(ROWS, EXPOSURES)
    return [(unit, arm, at) for unit, (arm, at) in first.items()]


def events_of(unit: str) -> Iterator[tuple[datetime, dict[str, Any]]]:
    return ((row["at"].replace(tzinfo=UTC), row) for row in ROWS if row["user_id"] == unit)


def _met(row: dict[str, Any], field: str) -> Any:
    return {"i0": "dress", "i1": "dress", "i2": "shoe"}.get(row["item_id"]) if field == "category" else row.get(field)


def total(source: Source, rows: list[dict[str, Any]]) -> float:
    types = (source.event, "refund", "cancel") if source.adds == "net" else (source.event,)
    mine = [row for row in rows if row["type"] in types]
    match source.adds:
        case "count":
            return float(len(mine))
        case "distinct":
            return float(len({_met(row, source.field) for row in mine} - {None}))
        case "value":
            return float(sum(row["value"] for row in mine))
        case "net":
            return float(sum(row["value"] if row["type"] == "order" else -row["value"] for row in mine))


def value(
    one: Definition,
    source: Source,
    unit: Unit,
    *,
    before: bool = False,
    keep: Callable[[datetime, dict[str, Any]], bool] = lambda at, row: True,
    local: bool | None = None,
) -> float:
    """What one unit adds, by reading all its events."""
    since = unit[2]
    here = one.in_scenario if local is None else local
    rows = []
    for at, row in events_of(unit[0]):
        inside = since - timedelta(days=7) <= at < since if before else _inside(one, at, since)
        if inside and at < EXPOSURES.end and (not here or row["scenario"] in EXPOSURES.scenarios) and keep(at, row):
            rows.append(row)
    summed = total(source, rows)
    return float(summed > 0) if one.kind in ("proportion", "retention") else summed


def _inside(one: Definition, at: datetime, since: datetime) -> bool:
    ends = one.window_hours is None or at < since + timedelta(hours=one.window_hours)
    return at >= since + timedelta(hours=one.delay_hours) and ends


def is_new(unit: Unit) -> float:
    types = {"click", "impression", "order", "refund", "cancel", "visit"}
    seen = any(row["type"] in types and unit[2] - timedelta(days=7) <= at < unit[2] for at, row in events_of(unit[0]))
    return float(not seen)


def columns(one: Definition, unit: Unit, **how: Any) -> list[float]:
    now = [value(one, source, unit, **how) for source in one.sources]
    return [*now, *(value(one, source, unit, before=True) for source in one.sources), is_new(unit)]


def assert_cells(found: dict[Any, Moments], wanted: dict[Any, list[list[float]]]) -> None:
    assert found.keys() == wanted.keys()
    for key, rows in wanted.items():
        assert_alike(found[key], Moments.of(np.array(rows)))


def grouped(one: Definition, key: Callable[[Unit], Any], row: Callable[[Unit], list[float]]) -> dict[Any, Any]:
    cells: dict[Any, list[list[float]]] = {}
    for unit in exposed():
        cells.setdefault(key(unit), []).append(row(unit))
    return cells


@pytest.mark.parametrize("key", ["clicks", "rate", "bought", "back", "kinds"])
def test_values_and_covariates_by_day(found: Measured, key: str) -> None:
    one = BY_KEY[key]
    wanted = grouped(one, lambda u: (u[1], u[2].date()), lambda u: columns(one, u))
    assert_cells(found.metrics[key].by_day, wanted)
    sides = ("value", "denominator") if one.denominator else ("value",)
    assert found.metrics[key].columns == (*sides, *(f"pre_{side}" for side in sides), "is_new")
    assert sum(m.mean[-1] * m.n for m in found.metrics[key].by_day.values()) > 0  # some are new


def test_only_ripe_units_count_for_what_comes_late(found: Measured) -> None:
    one, ripe = BY_KEY["net"], EXPOSURES.end - timedelta(hours=72)
    wanted = grouped(one, lambda u: (u[1], u[2].date()) if u[2] <= ripe else None, lambda u: columns(one, u))
    unripe = wanted.pop(None)
    assert_cells(found.metrics["net"].by_day, wanted)
    assert sum(found.metrics["net"].immature.values()) == len(unripe) > 0


@pytest.mark.parametrize("key", ["capped", "tail"])
def test_caps_cut_and_the_uncapped_stands_beside(found: Measured, key: str) -> None:
    one, cells = BY_KEY[key], found.metrics[key]
    rows = {unit: columns(one, unit) for unit in exposed()}
    nonzero = [row[0] for row in rows.values() if row[0]]
    cap = one.cap_value or float(np.quantile(nonzero, one.cap_share or 1))
    assert cells.cap == pytest.approx(cap)

    def cut(unit: Unit) -> list[float]:
        return [min(rows[unit][0], cap), min(rows[unit][1], cap), rows[unit][2]]

    assert_cells(cells.by_day, grouped(one, lambda u: (u[1], u[2].date()), cut))
    assert_cells(cells.uncapped, grouped(one, lambda u: u[1], lambda u: rows[u]))


def test_units_are_split_by_what_they_were_at_their_first_exposure(found: Measured) -> None:
    def country(unit: Unit) -> str:
        said = [row for at, row in events_of(unit[0]) if at == unit[2] and row["type"] in ("exposure", "decision")]
        properties = json.loads(said[0].get("properties") or "{}")
        return str(properties.get("attributes", properties).get("country") or "")

    one = BY_KEY["clicks"]
    wanted = grouped(one, lambda u: ("country", country(u), u[1]), lambda u: columns(one, u))
    kept = {key: m for key, m in found.metrics["clicks"].by_segment.items() if key[0] == "country"}
    assert_cells(kept, wanted)
    assert {segment for _, segment, _ in wanted} == {"IN", "BR", ""}
    visitors = {key: m.n for key, m in found.metrics["clicks"].by_segment.items() if key[0] == "visitor"}
    assert visitors[("visitor", "new", "old")] == sum(is_new(u) for u in exposed() if u[1] == "old")


@pytest.mark.parametrize(("slice_", "column"), [("recall", "recall_source"), ("category", "item_id")])
def test_events_are_split_and_units_are_not(found: Measured, slice_: str, column: str) -> None:
    names = dict(zip(*(CATEGORIES[name].to_pylist() for name in ("item_id", "category")), strict=True))
    for key in ("clicks", "rate", "bought"):
        one = BY_KEY[key]
        kept = {(seg, arm): m for (name, seg, arm), m in found.metrics[key].by_segment.items() if name == slice_}
        assert kept
        for (segment, arm), m in kept.items():

            def inside(at: datetime, row: dict[str, Any], segment: str = segment) -> bool:
                said = row.get(column)
                return (names.get(str(said), "") if slice_ == "category" else said or "") == segment

            rows = [[value(one, s, u, keep=inside, local=False) for s in one.sources] for u in exposed() if u[1] == arm]
            assert_alike(m, Moments.of(np.array(rows)))


@pytest.mark.parametrize("key", ["clicks", "rate", "bought", "back"])
def test_every_scenario_and_all_together(found: Measured, key: str) -> None:
    one, cells = BY_KEY[key], found.metrics[key]
    for (scenario, arm), m in cells.by_scenario.items():

        def there(at: datetime, row: dict[str, Any], scenario: str = scenario) -> bool:
            return (row["scenario"] or "") == scenario

        rows = [[value(one, s, u, keep=there, local=False) for s in one.sources] for u in exposed() if u[1] == arm]
        assert_alike(m, Moments.of(np.array(rows)))
    assert {scenario for scenario, _ in cells.by_scenario} >= {"home", "search", "cart", ""}
    joint = grouped(
        one, lambda u: u[1], lambda u: [value(one, s, u, local=here) for here in (True, False) for s in one.sources]
    )
    assert_cells(cells.joint, joint)


def on_day(age: int, unit: Unit) -> Callable[[datetime, dict[str, Any]], bool]:
    return lambda at, row: timedelta(days=age) <= at - unit[2] < timedelta(days=age + 1)


def test_each_day_of_age_counts_units_that_lived_through_it(found: Measured) -> None:
    one = BY_KEY["clicks"]
    for (age, arm), m in found.metrics["clicks"].by_age.items():
        lived = [u for u in exposed() if u[1] == arm and u[2] + timedelta(days=age + 1) <= EXPOSURES.end]
        rows = [[value(one, one.numerator, u, keep=on_day(age, u), local=False)] for u in lived]
        assert_alike(m, Moments.of(np.array(rows)))
    assert {age for age, _ in found.metrics["clicks"].by_age} == {0, 1, 2, 3}


def test_a_funnel_counts_those_that_took_all_steps_in_order(found: Measured) -> None:
    def took(unit: Unit) -> list[float]:
        reached = unit[2]
        took = [0.0, 0.0]
        for place, kind in enumerate(("impression", "click", "order")):
            later = [
                at
                for at, row in events_of(unit[0])
                if row["type"] == kind and reached <= at < EXPOSURES.end and row["scenario"] in EXPOSURES.scenarios
            ]
            if not later:
                return took
            reached, took[1] = min(later), 1.0
            took[0] = float(place == 2)
        return took

    wanted = grouped(BY_KEY["path"], lambda u: (u[1], u[2].date()), lambda u: [*took(u), is_new(u)])
    assert_cells(found.metrics["path"].by_day, wanted)
    whole = reduce(add, found.metrics["path"].by_day.values())
    assert 0 < whole.mean[0] < whole.mean[1] < 1


def test_quantiles_are_those_of_the_units(found: Measured) -> None:
    one = BY_KEY["p50"]
    for arm, told in found.metrics["p50"].quantile.items():
        values = np.array([value(one, one.numerator, u) for u in exposed() if u[1] == arm])
        reach = 1.959963984540054 * (0.25 / len(values)) ** 0.5
        assert told.n == len(values)
        assert (told.value, told.low, told.high) == pytest.approx(
            tuple(np.quantile(values, [0.5, 0.5 - reach, 0.5 + reach]))
        )
        assert told.below.mean == pytest.approx([(values <= told.value).mean(), 1.0])


def test_quantiles_of_events_come_with_what_each_unit_has_of_them(found: Measured) -> None:
    one = BY_KEY["p80 of orders"]
    ripe = [u for u in exposed() if u[2] <= EXPOSURES.end - timedelta(hours=74)]
    assert 0 < len(ripe) < len(exposed())
    for arm, told in found.metrics[one.key].quantile.items():
        orders = {u: worths(u) for u in ripe if u[1] == arm}
        values = np.array([worth for several in orders.values() for worth in several])
        reach = 1.959963984540054 * (0.8 * 0.2 / len(values)) ** 0.5
        assert told.n == len(values)
        assert (told.value, told.low, told.high) == pytest.approx(
            tuple(np.quantile(values, [0.8, 0.8 - reach, min(0.8 + reach, 1.0)]))
        )
        sums = [[sum(x <= told.value for x in several), len(several)] for several in orders.values() if several]
        assert_alike(told.below, Moments.of(np.array(sums, dtype=float)))


def worths(unit: Unit) -> list[float]:
    """Of each order of the unit in the 72 hours from its exposure, in the scenarios of the test."""
    return [
        float(row["value"])
        for at, row in events_of(unit[0])
        if row["type"] == "order" and row["scenario"] in EXPOSURES.scenarios and unit[2] <= at < min(
            unit[2] + timedelta(hours=72), EXPOSURES.end
        )
    ]  # fmt: skip


def test_different_categories_are_those_of_the_items_met(found: Measured) -> None:
    one = BY_KEY["categories"]
    assert_cells(found.metrics[one.key].by_day, grouped(one, lambda u: (u[1], u[2].date()), lambda u: columns(one, u)))
    without = measure(ibis.memtable(reference.table(ROWS)), [one], replace(EXPOSURES, categories=None, slices=()))
    assert all(m.mean[0] == 0 for m in without.metrics[one.key].by_day.values())


def test_without_the_largest_units(found: Measured) -> None:
    one = BY_KEY["clicks"]
    values = {u: columns(one, u) for u in exposed()}
    edge = np.quantile([row[0] for row in values.values()], 0.999)
    for arm, m in found.metrics["clicks"].top.items():
        assert_alike(m, Moments.of(np.array([row for u, row in values.items() if u[1] == arm and row[0] <= edge])))


def test_the_factors_of_growth_are_of_the_same_units(found: Measured) -> None:
    sources = (Source("visit", "count"), Source("order", "count"), Source("order", "value"), Source("order", "net"))
    any_ = Definition("all", "mean", CLICK, in_scenario=False)
    for arm, m in found.growth.items():
        rows = [[value(any_, s, u) for s in sources] for u in exposed() if u[1] == arm]
        wanted = [[visits, float(orders > 0), orders, gross, net] for visits, orders, gross, net in rows]
        assert_alike(m, Moments.of(np.array(wanted)))


def test_money_is_worth_the_rate_of_its_day() -> None:
    days = sorted({row["at"].date() for row in ROWS})
    table = [(currency, day, RATES[(currency, i % 2)]) for i, day in enumerate(days) for currency in ("INR", "NPR")]
    rates = pa.table(dict(zip(("currency", "day", "rate"), map(list, zip(*table, strict=True)), strict=True)))
    worth = {(currency, day): rate for currency, day, rate in table}
    net = Definition("net", "mean", Source("order", "net"), in_scenario=False, currency="USD")
    back = Definition("back", "mean", Source("refund", "value"), in_scenario=False, currency="USD")
    asked = replace(EXPOSURES, rates=rates, slices=(), ages=0)
    found = measure(ibis.memtable(reference.table(ROWS)), [net, back], asked)

    def usd(unit: Unit, signs: dict[str, int]) -> float:
        return sum(
            signs[row["type"]] * float(row["value"]) * worth[(row["currency"], row["at"].date())]
            for at, row in events_of(unit[0])
            if row["type"] in signs and unit[2] <= at < EXPOSURES.end
        )

    for one, signs in ((net, {"order": 1, "refund": -1, "cancel": -1}), (back, {"refund": 1})):
        by_day: dict[tuple[str, date], list[float]] = {}
        for u in exposed():
            by_day.setdefault((u[1], u[2].date()), []).append(usd(u, signs))
        for key, values in by_day.items():
            assert found.metrics[one.key].by_day[key].mean[0] == pytest.approx(np.mean(values))


def test_money_without_a_rate_is_counted_and_not_lost_in_silence() -> None:
    days = sorted({row["at"].date() for row in ROWS})
    priced = [("INR", day, 0.012) for day in days[::2]]
    rates = pa.table(dict(zip(("currency", "day", "rate"), map(list, zip(*priced, strict=True)), strict=True)))
    known = {(currency, day) for currency, day, _ in priced}
    here = Definition("here", "mean", Source("order", "net"), currency="USD", window_hours=48)
    bare = Definition("bare", "mean", Source("order", "value"))
    asked = replace(EXPOSURES, rates=rates, slices=(), ages=0)
    found = measure(ibis.memtable(reference.table(ROWS)), [here, bare], asked).metrics
    wanted = sum(
        1
        for unit in exposed()
        for at, row in events_of(unit[0])
        if row["type"] in ("order", "refund", "cancel")
        and row["scenario"] in EXPOSURES.scenarios
        and unit[2] <= at < min(unit[2] + timedelta(hours=48), EXPOSURES.end)
        and (row["currency"], row["at"].date()) not in known
    )
    assert wanted > 0 and (found["here"].unpriced, found["bare"].unpriced) == (wanted, 0)


def test_moments_alone_are_those_of_the_whole(found: Measured) -> None:
    alone = measure(ibis.memtable(reference.table(ROWS)), DEFINITIONS, EXPOSURES, parts=False)
    assert (alone.units, alone.mixed_units) == (found.units, found.mixed_units)
    for key, cells in found.metrics.items():
        told = alone.metrics[key]
        assert (told.cap, told.immature) == (cells.cap, cells.immature)
        assert_same(told.by_day, cells.by_day)
        assert_same(told.uncapped, cells.uncapped)
        assert_same(told.by_segment, {at: m for at, m in cells.by_segment.items() if at[0] in ("country", "visitor")})
        assert told.quantile.keys() == cells.quantile.keys()
        assert not (told.by_scenario or told.joint or told.by_age or told.top)


def assert_same(found: Mapping[Any, Moments], wanted: Mapping[Any, Moments]) -> None:
    assert found.keys() == wanted.keys()
    for key, moments in wanted.items():
        assert_alike(found[key], moments)


def test_one_metric_alone_is_as_among_more_than_one_integer_can_mark() -> None:
    several = [
        Definition(f"from {i}", "mean", Source("order", "value", (Filter("value", "ge", 0.6 * i),)), window_hours=72)
        for i in range(70)
    ]
    plain = replace(EXPOSURES, slices=(), ages=0)
    found = measure(ibis.memtable(reference.table(ROWS)), several, plain, parts=False)
    for i in (0, 15, 59, 60, 66):
        alone = measure(ibis.memtable(reference.table(ROWS)), [several[i]], plain, parts=False)
        assert_same(found.by_day[several[i].key], alone.by_day[several[i].key])
    means = [reduce(add, found.by_day[one.key].values()).mean[0] for one in several]
    assert means[0] > means[15] > means[59] == means[60] == means[66] > means[69] == 0  # worth 7.25, 12.5 or 40


def test_rows_of_units_are_what_the_moments_were_made_of(found: Measured) -> None:
    table = units(ibis.memtable(reference.table(ROWS)), DEFINITIONS[:3], EXPOSURES).to_pyarrow().to_pylist()
    mine = [row for row in table if row["arm"] == "old"]
    whole = reduce(add, (m for (arm, _), m in found.metrics["clicks"].by_day.items() if arm == "old"))
    assert len(mine) == whole.n
    assert np.mean([row["clicks"] for row in mine]) == pytest.approx(whole.mean[0])
    assert np.mean([row["clicks.pre_value"] for row in mine]) == pytest.approx(whole.mean[1])
    assert sum(row["arm"] is None for row in table) == found.mixed_units
    assert {"unit", "exposed_at", "day", "visitor", "country", "rate.denominator"} <= table[0].keys()
