"""Every column reads back as it was written, from a folder and through the reader for object stores."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import ibis
import pyarrow as pa
import pytest
from deltalake import write_deltalake
from django.conf import LazySettings

from firstlight.kernel.windows import Window
from firstlight.lake import engine, table
from firstlight.lake.schema import EVENTS

AT = datetime(2026, 11, 23, 12, 0, 0, 123_456)
FULL: dict[str, Any] = {
    **{field.name: f"{field.name} ☕ '\"" for field in EVENTS if field.type == pa.string()},
    "at": AT,
    "position": 2**31 - 1,
    "value": Decimal("-99999999999999.9999"),
    "score": 0.1 + 0.2,
    "propensity": 5e-324,
    "phase": 2,
    "assignments": [{"experiment": "e", "variant": "a", "phase": 1}, {"experiment": "f", "variant": "b", "phase": 3}],
    "discovery": [
        {
            "position": 3,
            "item_id": "i",
            "campaign": "c",
            "table": 2**40,
            "row": 1023,
            "propensity": 1 / 3,
            "source": "draw",
        }
    ],
    "snapshot": 2**40,
    "day": AT.date(),
    "batch": 1,
}


def bare(batch: int, at: datetime) -> dict[str, Any]:
    named = {"event_id": f"bare-{batch}", "type": "visit", "at": at, "day": at.date(), "batch": batch}
    return dict.fromkeys(EVENTS.names) | named


@pytest.fixture(autouse=True)
def lake(settings: LazySettings, tmp_path: Path) -> Iterator[None]:
    settings.LAKE_URL = (tmp_path / "lake").as_uri()
    yield


@pytest.fixture(params=["folder", "object store"])
def place(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """The reader for object stores is made to read a `file://` address, which the Delta library takes as any other."""
    if request.param == "object store":
        Path(table.address()).mkdir(parents=True, exist_ok=True)
        monkeypatch.setattr(table, "is_local", lambda: False)
    return str(request.param)


def window(start: datetime, **length: float) -> Window:
    return Window(start.replace(tzinfo=UTC), start.replace(tzinfo=UTC) + timedelta(**length))


def read(of: Window, until_batch: int | None = None) -> list[dict[str, Any]]:
    with engine.events(of, until_batch=until_batch) as events:
        assert tuple(events.columns) == tuple(EVENTS.names)
        found: list[dict[str, Any]] = events.order_by("batch").to_pyarrow().to_pylist()
    return found


def put(batch: int, *rows: dict[str, Any]) -> None:
    table.append(batch, pa.Table.from_pylist(list(rows), schema=EVENTS))


def test_every_column_reads_back_as_written(place: str) -> None:
    put(1, FULL)
    put(2, bare(2, AT))
    assert read(window(AT, hours=1)) == [FULL, bare(2, AT)]


def test_an_empty_lake_has_the_columns_and_no_rows(place: str) -> None:
    assert read(window(AT, hours=1)) == []


def test_days_without_events_are_empty_too(place: str) -> None:
    put(1, FULL)
    assert read(window(AT - timedelta(days=9), days=2)) == []


def test_the_days_of_the_window_are_read_whole_and_no_others(place: str) -> None:
    for batch in range(1, 6):
        put(batch, bare(batch, AT + timedelta(days=batch)))
    found = read(window(AT + timedelta(days=2, hours=6), days=1))
    assert [row["batch"] for row in found] == [2, 3], "also what lies before the window's first hour"


def test_the_window_is_half_open_at_midnight(place: str) -> None:
    put(1, bare(1, AT), bare(1, AT + timedelta(days=1)))
    midnight = AT.replace(hour=0, minute=0, second=0, microsecond=0)
    assert len(read(window(midnight, days=1))) == 1


def test_what_came_after_the_watermark_is_left_out(place: str) -> None:
    for batch in (1, 2, 3):
        put(batch, bare(batch, AT))
    assert [row["batch"] for row in read(window(AT, hours=1), until_batch=2)] == [1, 2]


def test_a_column_that_came_later_is_null_in_older_files() -> None:
    older = pa.Table.from_pylist([bare(1, AT)], schema=EVENTS).drop_columns("phase")
    write_deltalake(table.address(), older, partition_by=["day"])
    newer = pa.Table.from_pylist([bare(2, AT) | {"phase": 7}], schema=EVENTS)
    write_deltalake(table.address(), newer, mode="append", schema_mode="merge")
    assert [row["phase"] for row in read(window(AT, hours=1))] == [None, 7]


def test_two_readers_at_a_time_do_not_see_each_other(place: str) -> None:
    put(1, bare(1, AT))
    put(2, bare(2, AT + timedelta(days=1)))
    with engine.events(window(AT, hours=1)) as one, engine.events(window(AT + timedelta(days=1), hours=1)) as other:
        assert one.event_id.to_pyarrow().to_pylist() == ["bare-1"]
        assert other.event_id.to_pyarrow().to_pylist() == ["bare-2"]


def test_a_reader_keeps_its_files_while_others_are_compacted_away() -> None:
    for batch in (1, 2, 3):
        put(batch, bare(batch, AT))
    with engine.events(window(AT, hours=1)) as events:
        opened = table.opened()
        assert opened
        opened.optimize.compact()
        opened.vacuum(retention_hours=7 * 24, dry_run=False)
        assert events.count().to_pyarrow().as_py() == 3
    assert len(read(window(AT, hours=1))) == 3


def test_batches_may_stand_on_tables_of_ours(settings: LazySettings, tmp_path: Path) -> None:
    """Rates and categories are handed in from memory."""
    settings.LAKE_URL = (tmp_path / "lake").as_uri()
    table.append(1, pa.Table.from_pylist([FULL], schema=EVENTS))
    named = ibis.memtable({"item": [FULL["item_id"]], "category": ["dress"]})
    with engine.events(Window(AT.replace(tzinfo=UTC), AT.replace(tzinfo=UTC) + timedelta(hours=1))) as events:
        rows = events.inner_join(named, events.item_id == named.item).select("item_id", "category")
        (found,) = (batch for batch in engine.batches(rows, 100) if batch.num_rows)
    assert found.to_pylist() == [{"item_id": FULL["item_id"], "category": "dress"}]


def test_beyond_what_was_covered_there_are_later_batches_and_events_ahead_of_their_time(place: str) -> None:
    put(1, bare(1, AT), bare(1, AT + timedelta(hours=2)))
    put(2, bare(2, AT - timedelta(days=1)), bare(2, AT))
    put(3, bare(3, AT))
    at = (AT + timedelta(hours=1)).replace(tzinfo=UTC)
    of = window(AT - timedelta(days=2), days=3)
    with engine.events(of, until_batch=2) as events:
        later = engine.beyond(events, of, table.Covered(1, at), until_batch=2)
        found = later.order_by("batch", "at").to_pyarrow().to_pylist()
        assert events.count().to_pyarrow().as_py() == 4
    assert [(row["batch"], row["at"]) for row in found] == [
        (1, AT + timedelta(hours=2)),
        (2, AT - timedelta(days=1)),
        (2, AT),
    ]


def test_nothing_beyond_is_an_empty_table(place: str) -> None:
    of = window(AT, hours=1)
    with engine.events(of) as events:
        assert engine.beyond(events, of, table.Covered(1, of.end)).count().to_pyarrow().as_py() == 0
    put(1, bare(1, AT))
    with engine.events(of) as events:
        assert engine.beyond(events, of, table.Covered(1, of.end)).count().to_pyarrow().as_py() == 0
