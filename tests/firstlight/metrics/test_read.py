"""One expression gives what plain loops give."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import reduce
from operator import add
from pathlib import Path
from typing import Any

import ibis
import numpy as np
import pyarrow.parquet as pq
import pytest

from firstlight.kernel.moments import Moments
from firstlight.kernel.windows import Window
from firstlight.metrics.definitions import Definition, Filter, Source
from firstlight.metrics.read import Exposures, measure
from tests.firstlight.metrics import reference

START = datetime(2026, 11, 2, 6, tzinfo=UTC)
WINDOW = Window(START, START + timedelta(days=5))
EXPOSURES = Exposures("ranker", 2, "user_id", ("old", "new", "newer"), ("home", "search"), WINDOW)
DEFINITIONS = [
    Definition("click_rate", "ratio", Source("click", "count"), Source("impression", "count")),
    Definition("click_through", "proportion", Source("click", "count")),
    Definition("conversion", "proportion", Source("order", "value"), window_hours=24, in_scenario=False),
    Definition("orders", "mean", Source("order", "count"), window_hours=30),
    Definition("value", "mean", Source("order", "value"), in_scenario=False),
    Definition("refunds", "ratio", Source("refund", "value"), Source("order", "value"), in_scenario=False),
    Definition("itself", "ratio", Source("click", "count"), Source("click", "count")),
    Definition("top", "mean", Source("click", "count", (Filter("position", "le", 2), Filter("ranker", "ne", "din")))),
    Definition("rupees", "mean", Source("order", "value", (Filter("currency", "in", ("INR", "NPR")),))),
    Definition(
        "dear", "mean", Source("order", "count", (Filter("value", "gt", 20.0), Filter("currency", "eq", "INR")))
    ),
    Definition("shared", "mean", Source("x.shared", "count", (Filter("score", "ge", 0.5), Filter("score", "lt", 0.9)))),
]


def naive(at: datetime) -> datetime:
    return at.astimezone(UTC).replace(tzinfo=None)


def synthetic(seed: int, n: int = 6_000) -> list[dict[str, Any]]:
    """Events of some 100 units with everything that can go wrong: early, late, foreign, unknown, mixed, tied."""
    rng = np.random.default_rng(seed)

    def some(*values: Any) -> Any:
        return values[rng.integers(len(values))]

    rows: list[dict[str, Any]] = []
    for _ in range(n):
        user = int(rng.integers(100))
        at = naive(START) + timedelta(hours=int(rng.integers(-30, 150)), microseconds=int(rng.integers(3)))
        row: dict[str, Any] = {"at": at, "user_id": some(f"u{user}", f"u{user}", f"u{user}", None)}
        kind = some("exposure", "decision", "click", "click", "impression", "order", "refund", "x.shared", "visit")
        variant = EXPOSURES.arms[user % 3] if rng.random() < 0.8 else some("old", "gone", None)
        told = {"experiment": some("ranker", "ranker", "other"), "variant": variant, "phase": some(1, 2, 2, None)}
        row |= {"type": kind, "scenario": some("home", "search", "cart", None)}
        if kind == "exposure":
            row |= told
        elif kind == "decision":
            row["assignments"] = some(None, [], [told], [told, told | {"experiment": "ranker"}])
        else:
            row |= {
                "position": some(1, 2, 3, None),
                "ranker": some("din", "dien", None),
                "score": some(0.5, 0.9, 0.7, None),
            }
            row |= {
                "value": some(Decimal("12.5"), Decimal("999.9999"), None),
                "currency": some("INR", "NPR", "EUR", None),
            }
        rows.append(row)
    return rows


def assert_alike(found: Moments, wanted: Moments) -> None:
    assert found.n == wanted.n
    np.testing.assert_allclose(found.mean, wanted.mean, rtol=1e-9, atol=1e-12)
    scale = float(np.abs(wanted.products).max()) if wanted.n else 0.0
    np.testing.assert_allclose(found.products, wanted.products, rtol=1e-9, atol=1e-9 * (1 + scale))


@pytest.mark.parametrize("seed", range(8))
def test_one_expression_finds_what_plain_loops_find(seed: int) -> None:
    rows = synthetic(seed)
    exposures = replace(EXPOSURES, until=WINDOW.end + timedelta(hours=12)) if seed % 2 else EXPOSURES
    found = measure(ibis.memtable(reference.table(rows)), DEFINITIONS, exposures)
    first, mixed = reference.exposed(rows, exposures)
    assert mixed > 0  # the trap is set
    assert found.mixed_units == mixed
    assert found.units == {arm: sum(a == arm for a, _ in first.values()) for arm in EXPOSURES.arms}
    for one in DEFINITIONS:
        wanted = reference.moments(rows, one, exposures)
        assert found.by_day[one.key].keys() == wanted.keys()
        assert any(m.mean.any() for m in wanted.values()), f"{one.key} is never anything but zero"
        for cell, moments in wanted.items():
            assert_alike(found.by_day[one.key][cell], moments)


BEGAN = START + timedelta(hours=50)
GOES_ON = replace(EXPOSURES, dealt_in=1, phase_began=BEGAN)


def met_before(row: dict[str, Any]) -> bool:
    """Whether this row says that its unit met an arm of the first phase."""
    at = row["at"].replace(tzinfo=UTC)
    told = [row] if row["type"] == "exposure" else row.get("assignments") or [] if row["type"] == "decision" else []
    ours = [one for one in told if one.get("experiment") == "ranker" and at in WINDOW]
    return any(one.get("phase") == 1 or (one.get("phase") is None and at < BEGAN) for one in ours)


@pytest.mark.parametrize("seed", range(3))
def test_units_of_an_earlier_phase_are_left_out_of_one_that_goes_on(seed: int) -> None:
    rows = synthetic(seed)
    for row in rows:  # two in three units came in the second phase
        if row["user_id"] and int(row["user_id"][1:]) % 3:
            for one in (row, *(row.get("assignments") or [])):
                if "experiment" in one:
                    one["phase"] = 2
    before = {row["user_id"] for row in rows if row["user_id"] and met_before(row)}
    found = measure(ibis.memtable(reference.table(rows)), DEFINITIONS, GOES_ON)
    fresh = [row for row in rows if row["user_id"] not in before]
    wanted = measure(ibis.memtable(reference.table(fresh)), DEFINITIONS, EXPOSURES)
    assert 0 < found.earlier_units == len(before)
    assert (found.units, found.mixed_units) == (wanted.units, wanted.mixed_units)
    for one in DEFINITIONS:
        for cell, moments in wanted.by_day[one.key].items():
            assert_alike(found.by_day[one.key][cell], moments)


def test_testers_and_what_was_forced_are_no_exposures() -> None:
    forced = unit("b", "new") + unit("c", "old")
    forced[0]["properties"] = '{"forced":true,"page":1}'
    rows = [*unit("a", "old"), *forced, *unit("t", "new"), *unit("t", "old")]
    found = measure(ibis.memtable(reference.table(rows)), [CLICKS], replace(EXPOSURES, testers=("t",)))
    assert (found.units, found.mixed_units) == ({"old": 2, "new": 0, "newer": 0}, 0)


def test_days_merge_into_the_whole() -> None:
    rows = synthetic(3)
    found = measure(ibis.memtable(reference.table(rows)), DEFINITIONS, EXPOSURES)
    whole = {
        k: reference.moments([r | {"at": r["at"]} for r in rows], d, EXPOSURES)
        for k, d in ((d.key, d) for d in DEFINITIONS)
    }
    for one in DEFINITIONS:
        for arm in EXPOSURES.arms:
            days = [m for (a, _), m in found.by_day[one.key].items() if a == arm]
            assert len(days) > 2
            total = reduce(add, days)
            assert total.n == found.units[arm]
            assert_alike(total, reduce(add, [m for (a, _), m in whole[one.key].items() if a == arm]))


def unit(name: str, arm: str, *events: tuple[str, float, dict[str, Any]], exposed: float = 0.0) -> list[dict[str, Any]]:
    """One unit's rows; times in hours after the window's start."""
    first = {
        "type": "exposure",
        "user_id": name,
        "experiment": "ranker",
        "variant": arm,
        "phase": 2,
        "at": hours(exposed),
    }
    return [first, *({"type": t, "user_id": name, "at": hours(h), "scenario": "home", **more} for t, h, more in events)]


def hours(after: float) -> datetime:
    return naive(START + timedelta(hours=after))


def mean_of(rows: list[dict[str, Any]], definition: Definition, exposures: Exposures = EXPOSURES) -> list[float]:
    found = measure(ibis.memtable(reference.table(rows)), [definition], exposures)
    return [float(x) for x in reduce(add, found.by_day[definition.key].values()).mean]


CLICKS = Definition("clicks", "mean", Source("click", "count"))


def test_an_event_in_the_instant_of_the_exposure_counts_and_one_before_does_not() -> None:
    assert mean_of(unit("a", "old", ("click", 5.0, {}), exposed=5.0), CLICKS) == [1.0]
    assert mean_of(unit("a", "old", ("click", 5.0 - 1e-8, {}), exposed=5.0), CLICKS) == [0.0]


def test_the_attribution_window_is_half_open() -> None:
    day = replace(CLICKS, window_hours=24)
    assert mean_of(unit("a", "old", ("click", 5 + 24 - 1e-8, {}), exposed=5.0), day) == [1.0]
    assert mean_of(unit("a", "old", ("click", 5.0 + 24, {}), exposed=5.0), day) == [0.0]


def test_exposures_end_with_the_window_and_events_with_until() -> None:
    rows = unit("a", "old", ("click", 130.0, {}), ("click", 140.0, {}), exposed=119.0) + unit("b", "new", exposed=120.0)
    later = replace(EXPOSURES, until=START + timedelta(hours=140))
    assert mean_of(rows, CLICKS) == [0.0]
    assert mean_of(rows, CLICKS, later) == [1.0]
    assert measure(ibis.memtable(reference.table(rows)), [CLICKS], later).units == {"old": 1, "new": 0, "newer": 0}


def test_units_without_events_are_zeros_not_absent() -> None:
    rows = unit("a", "old", ("click", 1.0, {})) + unit("b", "old") + unit("c", "old") + unit("d", "old")
    assert mean_of(rows, CLICKS) == [0.25]


def test_a_unit_of_two_arms_is_counted_and_left_out() -> None:
    rows = unit("a", "old", ("click", 1.0, {})) + unit("a", "new") + unit("b", "new", ("click", 1.0, {}))
    found = measure(ibis.memtable(reference.table(rows)), [CLICKS], EXPOSURES)
    assert (found.mixed_units, found.units) == (1, {"old": 0, "new": 1, "newer": 0})
    assert {arm for arm, _ in found.by_day["clicks"]} == {"new"}


def test_an_empty_lake_has_no_units() -> None:
    found = measure(ibis.memtable(reference.table([])), DEFINITIONS, EXPOSURES)
    assert found.units == {"old": 0, "new": 0, "newer": 0}
    assert found.by_day == {one.key: {} for one in DEFINITIONS}


def test_a_small_spread_on_a_large_mean_survives() -> None:
    # At mean/sd 1e8 a raw sum of squares is 4x off; the moments are kept about the mean.
    offsets = np.random.default_rng(5).integers(0, 3, 400)
    rows = [
        row
        for i, more in enumerate(offsets)
        for row in unit(f"u{i}", "old", ("order", 1.0, {"value": Decimal(100_000_000 + int(more)), "currency": "INR"}))
    ]
    found = measure(
        ibis.memtable(reference.table(rows)), [Definition("v", "mean", Source("order", "value"))], EXPOSURES
    )
    variance = float(reduce(add, found.by_day["v"].values()).covariance[0, 0])
    assert variance == pytest.approx(float(np.var(offsets, ddof=1)), rel=1e-6)


def test_metrics_that_sum_the_same_share_the_sum() -> None:
    events = ibis.memtable(reference.table(synthetic(1, 50)))
    clicks, visits = Source("click", "count"), Source("visit", "count")
    twice = [Definition("a", "mean", clicks), Definition("b", "ratio", clicks, visits)]
    sql = measure(events, twice, EXPOSURES).sql
    assert '"l1"' in sql and '"l2"' not in sql


def test_the_sql_that_is_kept_gives_the_units_again(tmp_path: Path) -> None:
    pq.write_table(reference.table(synthetic(2)), tmp_path / "events.parquet")
    connection = ibis.duckdb.connect()
    found = measure(connection.read_parquet(tmp_path / "events.parquet"), DEFINITIONS, EXPOSURES)
    rows = connection.con.sql(found.sql).to_arrow_table().to_pylist()
    assert len(rows) == sum(found.units.values()) + found.mixed_units > 0
    clicks = [row["l0"] for row in rows if row["arm"] == 0]
    whole = reduce(add, (m for (arm, _), m in found.by_day["click_rate"].items() if arm == "old"))
    assert np.mean(clicks) == pytest.approx(whole.mean[0])
