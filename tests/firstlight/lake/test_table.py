"""A batch is in the lake once: tried again, raced for, beside compaction, and after many more."""

import threading
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from deltalake import DeltaTable, write_deltalake
from deltalake.exceptions import DeltaError
from django.conf import LazySettings

from firstlight.lake import table
from firstlight.lake.schema import EVENTS

AT = datetime(2026, 11, 23, 12)


@pytest.fixture(autouse=True)
def lake(settings: LazySettings, tmp_path: Path) -> Iterator[None]:
    settings.LAKE_URL = (tmp_path / "lake").as_uri()
    yield


def events(batch: int, n: int = 2, at: datetime = AT) -> pa.Table:
    rows: list[dict[str, Any]] = [
        {"event_id": f"{batch}-{i}", "type": "visit", "at": at, "day": at.date(), "batch": batch} for i in range(n)
    ]
    return pa.Table.from_pylist(rows, schema=EVENTS)


def ids() -> list[str]:
    opened = table.opened()
    found: list[str] = opened.to_pyarrow_table(columns=["event_id"])["event_id"].to_pylist() if opened else []
    return sorted(found)


def test_before_the_first_append_there_is_nothing() -> None:
    assert table.opened() is None
    assert table.latest_batch() == 0


def test_events_of_some_days_are_counted_off_the_log() -> None:
    assert table.count([AT.date()]) == 0
    for batch, day in enumerate((0, 0, 1, 3), start=1):
        table.append(batch, events(batch, 2 + batch, AT + timedelta(days=day)))
    days = [AT.date() + timedelta(days=n) for n in range(4)]
    assert [table.count([day]) for day in days] == [7, 5, 0, 6]
    assert table.count(days) == 18


def test_a_batch_tried_again_is_there_once() -> None:
    for batch in (1, 1, 2, 1, 2):
        table.append(batch, events(batch))
    assert ids() == ["1-0", "1-1", "2-0", "2-1"]
    assert table.latest_batch() == 2


def test_one_that_lost_its_lock_and_comes_too_late_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """It looked before the other had committed: only the commit itself can tell."""
    table.append(1, events(1))
    real = table._latest

    def overtaken(lake: DeltaTable) -> int:
        latest = real(lake)
        monkeypatch.setattr(table, "_latest", real)
        table.append(2, events(2))
        return latest

    monkeypatch.setattr(table, "_latest", overtaken)
    with pytest.raises(DeltaError, match="Concurrent"):
        table.append(2, events(2))
    assert ids() == ["1-0", "1-1", "2-0", "2-1"]


def test_the_last_batch_is_known_after_many_more_than_one_checkpoint() -> None:
    """The Delta log is folded into a checkpoint every hundred commits; the batch number must come through."""
    for batch in range(1, 206):
        table.append(batch, events(batch, 1))
    log = Path(table.address()) / "_delta_log"
    assert list(log.glob("*.checkpoint.parquet")), "no checkpoint was written: the test proves nothing"
    assert table.latest_batch() == 205
    table.append(205, events(205, 1))
    assert len(ids()) == 205


def test_appends_beside_compactions_lose_nothing_and_bring_nothing_twice() -> None:
    table.append(1, events(1))
    done = threading.Event()
    compacted = 0

    def append() -> None:
        for batch in range(2, 42):
            table.append(batch, events(batch))
        done.set()

    appending = threading.Thread(target=append)
    appending.start()
    while not done.is_set():
        opened = table.opened()
        assert opened
        compacted += opened.optimize.compact()["numFilesRemoved"] > 0
    appending.join()
    assert compacted > 1, "compaction never met an append"
    assert ids() == sorted(f"{batch}-{i}" for batch in range(1, 42) for i in range(2))
    assert table.latest_batch() == 41


def test_files_of_other_days_are_not_opened() -> None:
    for ahead in range(4):
        table.append(ahead + 1, events(ahead + 1, at=AT + timedelta(days=ahead)))
    opened = table.opened()
    assert opened
    assert len(table.files(opened, [AT.date()])) == 1
    assert len(table.files(opened, [AT.date(), date(2026, 11, 25)])) == 2
    assert table.files(opened, [date(2020, 1, 1)]) == []
    assert table.files(opened, []) == []


def test_days_are_partitions_and_times_have_no_zone() -> None:
    table.append(1, events(1))
    opened = table.opened()
    assert opened
    assert opened.metadata().partition_columns == ["day"]
    back = opened.to_pyarrow_table()
    assert back["at"].to_pylist() == [AT, AT]
    assert back.schema.field("at").type == pa.timestamp("us")


def test_files_beyond_what_was_covered_are_those_of_later_batches_and_of_its_last_day() -> None:
    for batch, day in enumerate((0, 1, 2, 3), 1):
        table.append(batch, events(batch, at=AT + timedelta(days=day)))
    lake = table.opened()
    assert lake is not None
    days = [(AT + timedelta(days=day)).date() for day in range(4)]
    covered = table.Covered(3, (AT + timedelta(days=2)).replace(tzinfo=UTC))
    found = table.files(lake, days, beyond=covered)
    assert sorted(path.split("day=")[1][:10] for path in found) == ["2026-11-25", "2026-11-26"]
    assert set(found) < set(table.files(lake, days))
    table.append(5, events(5, at=AT))  # late
    assert len(table.files(table.opened() or lake, days, beyond=covered)) == 3
    (table.opened() or lake).optimize.compact()
    compacted = table.files(table.opened() or lake, days, beyond=covered)
    assert sorted(path.split("day=")[1][:10] for path in compacted) == ["2026-11-23", "2026-11-25", "2026-11-26"]


def test_a_lake_that_was_made_anew_is_another_one(settings: LazySettings, tmp_path: Path) -> None:
    assert table.identity() == ""
    table.append(1, events(1))
    first = table.identity()
    table.append(2, events(2))
    assert table.identity() == first != ""
    settings.LAKE_URL = (tmp_path / "another").as_uri()
    table.append(1, events(1))
    assert table.identity() not in ("", first)


def test_a_file_that_lacks_a_column_is_known_by_the_log() -> None:
    older = events(1).drop_columns("phase")
    write_deltalake(table.address(), older, partition_by=["day"])
    write_deltalake(table.address(), events(2), mode="append", schema_mode="merge")
    assert not table.have_every_column(DeltaTable(table.address()))
    write_deltalake(table.address(), events(3), mode="overwrite")
    assert table.have_every_column(DeltaTable(table.address()))
