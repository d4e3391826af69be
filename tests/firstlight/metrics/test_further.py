"""Whatever came in whatever order, a reading that goes on from the last one is that of the whole lake."""

import json
import logging
import os
from collections.abc import Callable, Sequence
from dataclasses import fields, is_dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import ibis
import numpy as np
import pyarrow as pa
import pytest

from firstlight.kernel.moments import Moments
from firstlight.kernel.windows import Window
from firstlight.lake.table import Covered
from firstlight.metrics.definitions import Definition, Source
from firstlight.metrics.read import Exposures, Keeping, Measured, measure
from tests.firstlight.metrics import reference
from tests.firstlight.metrics.test_read import naive
from tests.firstlight.metrics.test_read_units import DEFINITIONS, EXPOSURES, RATES, synthetic

DAY = timedelta(days=1)
START, END = EXPOSURES.window.start, EXPOSURES.window.end
OTHER = Exposures("prices", 1, "user_id", ("off", "on"), ("home",), EXPOSURES.window)
PRICED = Definition("dollars", "mean", Source("order", "value"), window_hours=36, in_scenario=False, currency="USD")
Rows = list[dict[str, Any]]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "kept"


def arriving(seed: int, n: int = 3_000) -> Rows:
    """Each with the batch that brings it: the day after it happened, or days later, some before their time."""
    rng = np.random.default_rng(seed)
    rows = synthetic(seed, n)
    for row in rows:
        late = int(rng.choice([0, 0, 0, 1, 4, -1], p=[0.4, 0.2, 0.2, 0.1, 0.05, 0.05]))
        row["batch"] = max(1, (row["at"] - naive(START)) // DAY + 10 + late)
        if row["type"] == "exposure" and rng.random() < 0.3:
            row |= {"experiment": "prices", "variant": OTHER.arms[int(row["user_id"][1:]) % 2], "phase": 1}
        elif row["type"] == "exposure" and rng.random() < 0.1:
            row["variant"] = "new"  # some meet both arms
    rows.append({"type": "click", "user_id": "u1", "at": naive(END), "scenario": "a new one", "batch": 15, "value": 1})
    return rows


def table(rows: Rows, batch: int) -> ibis.Table:
    return ibis.memtable(reference.table([row for row in rows if row["batch"] <= batch]))


def asked(until: datetime, **more: Any) -> Exposures:
    ages = max(1, -((START - until) // DAY))
    return replace(EXPOSURES, window=Window(START, min(until, END)), until=until, ages=min(4, ages), **more)


def read(rows: Rows, batch: int, exposures: Exposures, folder: Path | None = None, **more: Any) -> Measured:
    events = table(rows, batch)

    def beyond(covered: Covered) -> ibis.Table:
        return events.filter((events.batch > covered.batch) | (events["at"] >= naive(covered.until)))

    keeping = Keeping(folder, "the lake", batch, beyond) if folder else None
    how: dict[str, Any] = {"definitions": DEFINITIONS, "growth": True, "others": [OTHER], **more}
    return measure(events, exposures=exposures, keeping=keeping, **how)


def assert_same(found: Any, wanted: Any, where: str = "") -> None:
    if isinstance(wanted, Moments):
        assert found.n == wanted.n, where
        np.testing.assert_allclose(found.mean, wanted.mean, rtol=1e-9, atol=1e-12, err_msg=where)
        spread = np.sqrt(np.outer(np.diag(wanted.products), np.diag(wanted.products)))
        assert (np.abs(found.products - wanted.products) <= 1e-9 * (1 + spread)).all(), where
    elif isinstance(wanted, dict):
        assert found.keys() == wanted.keys(), where
        for key, value in wanted.items():
            assert_same(found[key], value, f"{where}/{key}")
    elif is_dataclass(wanted):
        for one in fields(wanted):
            if one.name not in ("sql", "since"):
                assert_same(getattr(found, one.name), getattr(wanted, one.name), f"{where}.{one.name}")
    elif isinstance(wanted, float):
        assert found == pytest.approx(wanted, rel=1e-9), where
    else:
        assert found == wanted, where


STEPS = [(10 + i, START + i * DAY + timedelta(hours=5)) for i in (1, 2, 4, 5, 7)]
FEW: dict[str, Any] = {"definitions": DEFINITIONS[:2], "growth": False, "others": []}


@pytest.mark.parametrize("seed", [1, 2])
def test_day_by_day_it_is_what_the_whole_lake_says(folder: Path, seed: int) -> None:
    rows = arriving(seed)
    for n, (batch, until) in enumerate(STEPS):
        found = read(rows, batch, asked(until), folder)
        assert (found.since is None) == (n == 0)
        assert_same(found, read(rows, batch, asked(until)))
    assert found.mixed_units > 0
    assert any(found.crossed["prices"].values())


def test_units_of_an_earlier_phase_stay_left_out_whenever_they_are_heard_of(folder: Path) -> None:
    rows = arriving(8)
    for n, row in enumerate(rows):
        for one in (row, *(row.get("assignments") or [])):
            if one.get("experiment") == "ranker" and n % 40 == 0:
                one["phase"] = 1
    began = START + 2 * DAY
    for batch, until in STEPS:
        goes_on = replace(asked(until), dealt_in=1, phase_began=began)
        found, whole = read(rows, batch, goes_on, folder), read(rows, batch, goes_on)
        assert_same(found, whole)
    assert found.since and found.earlier_units > 0 and found.mixed_units > 0 and sum(found.units.values()) > 0


def test_within_a_day_every_look_goes_on_from_the_same_reading(folder: Path) -> None:
    rows = arriving(4)
    read(rows, 11, asked(START + DAY), folder)
    kept = (folder / "kept.json").read_bytes()
    for hours in (3, 6):
        found = read(rows, 11 + hours // 3, asked(START + DAY + timedelta(hours=hours)), folder)
        assert found.since == START + DAY
        assert_same(found, read(rows, 11 + hours // 3, asked(START + DAY + timedelta(hours=hours))))
    assert (folder / "kept.json").read_bytes() == kept


def test_what_nothing_but_sums_asks_for_goes_on_as_well(folder: Path) -> None:
    plain: dict[str, Any] = {"definitions": DEFINITIONS[:4], "parts": False, "growth": False, "others": []}
    rows = arriving(5)
    for batch, until in STEPS:
        bare = replace(asked(until), ages=0, slices=())
        assert_same(read(rows, batch, bare, folder, **plain), read(rows, batch, bare, **plain))
    assert len(list(folder.glob("*.parquet"))) == len(STEPS)  # one of the units each day, none of events


def test_many_days_become_one_file(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("firstlight.metrics.read.memory.MOST_PARTS", 2)
    rows = arriving(6)
    parts = []
    for batch, until in STEPS:
        found = read(rows, batch, asked(until), folder, **FEW)
        assert_same(found, read(rows, batch, asked(until), **FEW))
        parts.append(len(json.loads((folder / "kept.json").read_text())["joined"]))
    assert parts == [1, 2, 1, 2, 1]


def rates(*last: tuple[str, int, float]) -> pa.Table:
    told = [(money, day, rate) for (money, day), rate in RATES.items()] + list(last)
    days = [(START + (day - 5) * DAY).date() for _, day, _ in told]
    return pa.table({"currency": [m for m, _, _ in told], "day": days, "rate": [rate for *_, rate in told]})


def test_money_goes_on_with_the_rates_of_later_days(folder: Path) -> None:
    rows = arriving(7)
    ask: dict[str, Any] = {"definitions": [*DEFINITIONS, PRICED]}
    read(rows, 12, asked(START + 2 * DAY, rates=rates()), folder, **ask)
    later = asked(START + 3 * DAY, rates=rates(("INR", 8, 0.5)))
    found = read(rows, 13, later, folder, **ask)
    assert found.since == START + 2 * DAY
    assert found.metrics["dollars"].unpriced > 0
    assert_same(found, read(rows, 13, later, **ask))


def test_a_unit_that_turns_out_to_have_met_another_arm_earlier_leaves_its_own(folder: Path) -> None:
    def met(arm: str, hours: int, batch: int) -> dict[str, Any]:
        told = {"experiment": "ranker", "variant": arm, "phase": 2, "scenario": "home"}
        return {"type": "exposure", "user_id": "u", "at": naive(START + timedelta(hours=hours)), "batch": batch, **told}

    rows: Rows = [met("old", 30, 1), {"type": "click", "user_id": "u", "at": naive(START + DAY), "batch": 1}]
    assert read(rows, 1, asked(START + 2 * DAY), folder).units == {"old": 1, "new": 0}
    rows += [met("old", 3, 2)]  # a day and more before the first that was known: the click comes after it
    clicks = read(rows, 2, asked(START + 3 * DAY), folder, definitions=DEFINITIONS[:1]).metrics["clicks"]
    assert clicks.by_day["old", START.date()].n == 1
    rows += [met("new", 60, 3)]
    found = read(rows, 3, asked(START + 4 * DAY), folder)
    assert (found.units, found.mixed_units) == ({"old": 0, "new": 0}, 1)


# What was kept is no use


def cut(folder: Path) -> None:
    for path in folder.glob("*.parquet"):
        path.write_bytes(path.read_bytes()[:-20])


def changed(folder: Path) -> None:
    path = max(folder.glob("*.parquet"), key=lambda one: one.stat().st_size)
    whole = bytearray(path.read_bytes())
    whole[len(whole) // 2] ^= 1
    path.write_bytes(bytes(whole))


def gone(folder: Path) -> None:
    next(folder.glob("*.parquet")).unlink()


def half_a_list(folder: Path) -> None:
    path = folder / "kept.json"
    path.write_text(path.read_text()[:50])


def another_format(folder: Path) -> None:
    path = folder / "kept.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"format": 0}))


@pytest.mark.parametrize("harm", [cut, changed, gone, half_a_list, another_format])
def test_a_damaged_one_is_refused_and_written_anew(
    folder: Path, harm: Callable[[Path], None], caplog: pytest.LogCaptureFixture
) -> None:
    rows, later = arriving(8), asked(START + 3 * DAY)
    read(rows, 12, asked(START + 2 * DAY), folder, **FEW)
    harm(folder)
    with caplog.at_level(logging.INFO, "firstlight.metrics.read.memory"):
        found = read(rows, 13, later, folder, **FEW)
    assert found.since is None
    assert "is read whole" in caplog.text
    assert_same(found, read(rows, 13, later, **FEW))
    assert read(rows, 13, later, folder, **FEW).since == START + 3 * DAY


def with_categories(categories: dict[str, Sequence[str]]) -> dict[str, Any]:
    return {"categories": pa.table(dict(categories))}


@pytest.mark.parametrize(
    "other",
    [
        {"phase": 3},
        {"scenarios": ("home",)},
        {"pre_days": 3},
        {"slices": EXPOSURES.slices[:1]},
        {"arms": ("old", "newer")},
        {"window": Window(START + DAY, START + 2 * DAY)},
        {"until": START + DAY, "window": Window(START, START + DAY)},
        with_categories({"item_id": ["i0"], "category": ["hat"]}),
    ],
    ids=lambda one: next(iter(one)),
)
def test_another_plan_is_read_whole(folder: Path, other: dict[str, Any]) -> None:
    rows = arriving(9, 800)
    read(rows, 12, asked(START + 2 * DAY), folder, **FEW)
    changed = replace(asked(START + 2 * DAY), **other)
    found = read(rows, 12, changed, folder, **FEW)
    assert found.since is None
    assert_same(found, read(rows, 12, changed, **FEW))


def test_a_rate_that_was_corrected_is_read_whole(folder: Path) -> None:
    rows, ask = arriving(10, 800), FEW | {"definitions": [PRICED]}
    read(rows, 12, asked(START + 2 * DAY, rates=rates(("INR", 6, 0.5))), folder, **ask)
    corrected = asked(START + 2 * DAY, rates=rates(("INR", 6, 0.25)))
    found = read(rows, 12, corrected, folder, **ask)
    assert found.since is None
    assert_same(found, read(rows, 12, corrected, **ask))


def test_another_lake_and_fewer_batches_are_read_whole(folder: Path) -> None:
    rows, at = arriving(11, 800), asked(START + 2 * DAY)
    read(rows, 12, at, folder, **FEW)
    assert read(rows, 11, at, folder, **FEW).since is None
    events = table(rows, 12)
    elsewhere = Keeping(folder, "another lake", 12, lambda _: events)
    assert measure(events, DEFINITIONS[:2], at, keeping=elsewhere).since is None


@pytest.mark.parametrize("where", ["a file", "a place that takes no file"])
def test_where_nothing_can_be_written_the_reading_stands(
    tmp_path: Path, where: str, caplog: pytest.LogCaptureFixture
) -> None:
    folder = Path("/proc/self") if where != "a file" else tmp_path / "file"
    if where == "a file":
        folder.write_text("of somebody else")
    rows, until = arriving(13, 800), asked(START + 2 * DAY)
    with caplog.at_level(logging.WARNING, "firstlight.metrics.read.memory"):
        found = read(rows, 12, until, folder, **FEW)
    assert "could not be kept" in caplog.text
    assert_same(found, read(rows, 12, until, **FEW))


def test_files_that_nobody_names_any_more_go_after_an_hour(folder: Path) -> None:
    rows = arriving(12, 800)
    stray = folder / "stray.parquet"
    read(rows, 12, asked(START + 2 * DAY), folder, **FEW)
    first = set(folder.glob("*.parquet"))
    stray.write_bytes(b"of a worker that was killed")
    read(rows, 13, asked(START + 3 * DAY), folder, **FEW)
    assert first < set(folder.glob("*.parquet"))  # somebody may be reading them
    for path in folder.glob("*"):
        _an_hour_ago(path)
    read(rows, 14, asked(START + 4 * DAY), folder, **FEW)
    told = json.loads((folder / "kept.json").read_text())
    assert not stray.exists()
    assert {*told["units"], *told["joined"]} <= {path.name for path in folder.iterdir()}


def _an_hour_ago(path: Path) -> None:
    then = path.stat().st_mtime - 3_700
    os.utime(path, (then, then))
