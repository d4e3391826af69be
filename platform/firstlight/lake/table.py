"""The event table: a Delta Lake table, appended to once per batch, whoever tries again."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import url2pathname

import pyarrow as pa
from deltalake import CommitProperties, DeltaTable, Transaction, write_deltalake
from deltalake.exceptions import TableNotFoundError
from django.conf import settings

from firstlight.lake.schema import EVENTS

APPLICATION = "inbox"  # whose transaction ids the Delta log keeps: the number of the last batch it has


@dataclass(frozen=True, slots=True)
class Covered:
    """The events that a reader has seen: of batches up to this one, those before this moment."""

    batch: int
    until: datetime


def append(batch: int, events: pa.Table) -> None:
    """Commit these rows as this batch; nothing happens when the lake has it already.

    Rows and transaction id enter the Delta log in one atomic commit, so a batch is in the lake whole or not at all.
    Raises `ValueError` when the columns are not those of `lake.schema`, and `DeltaError` when another process commits a
    batch meanwhile: one that lost its lock and does not know may come too late, but never twice.
    """
    if events.schema != EVENTS:
        raise ValueError(f"these are not the columns of the event table: {events.schema.names}")
    lake = opened() or DeltaTable.create(address(), EVENTS, partition_by=["day"])
    if batch <= _latest(lake):
        return
    write_deltalake(
        lake,  # as it was looked at: Delta refuses the commit when the application's id moved since
        events,
        mode="append",
        commit_properties=CommitProperties(app_transactions=[Transaction(APPLICATION, batch)]),
    )


def latest_batch() -> int:
    """Number of the last batch that the lake has; 0 when there is none."""
    lake = opened()
    return _latest(lake) if lake else 0


def _latest(lake: DeltaTable) -> int:
    return lake.transaction_version(APPLICATION) or 0


def opened() -> DeltaTable | None:
    """The table as it is now; None before the first append."""
    try:
        return DeltaTable(address())
    except TableNotFoundError:
        return None


def files(table: DeltaTable, days: Iterable[date], *, beyond: Covered | None = None) -> list[str]:
    """Active files that hold events of these days; those alone that may hold some `beyond` what was covered."""
    wanted = [str(day) for day in days]
    if not wanted:
        return []
    every = list(table.file_uris(file_pruning_predicate=[("day", "in", wanted)]))
    if beyond is None:
        return every
    newer = set(_beyond(table, beyond))
    return [one for one in every if "/".join(one.split("/")[-2:]) in newer]


def _beyond(table: DeltaTable, covered: Covered) -> Iterator[str]:
    """Their paths, day=…/name, by what the log says of each file; one of which it says nothing may hold anything."""
    last_day = covered.until.astimezone(UTC).date()
    for one in pa.table(table.get_add_actions(flatten=True)).to_pylist():
        newest = one.get("max.batch")
        if newest is None or newest > covered.batch or one["partition.day"] >= last_day:
            yield str(one["path"])


def count(days: Iterable[date]) -> int:
    """Events of these days, by what the log says of each file: nothing is opened."""
    lake, wanted = opened(), set(days)
    if lake is None:
        return 0
    told = pa.table(lake.get_add_actions(flatten=True)).select(["partition.day", "num_records"]).to_pylist()
    return sum(one["num_records"] or 0 for one in told if one["partition.day"] in wanted)


def have_every_column(table: DeltaTable) -> bool:
    """Whether all active files have all columns of today: of one that a file has not, the log counts no nulls.

    Of lists it counts none at all: a list that is added comes with a plain column.
    """
    told = pa.table(table.get_add_actions(flatten=True))
    plain = {one.name for one in EVENTS if not pa.types.is_nested(one.type)} - set(table.metadata().partition_columns)
    counts = [f"null_count.{name}" for name in plain]
    return all(name in told.column_names and told[name].null_count == 0 for name in counts)


def identity() -> str:
    """Of this very table, which no other has; empty before the first append."""
    lake = opened()
    return str(lake.metadata().id) if lake else ""


def is_local() -> bool:
    return urlsplit(settings.LAKE_URL).scheme == "file"


def address() -> str:
    """Where the table is; a folder of this machine is made."""
    parts = urlsplit(settings.LAKE_URL)
    if not is_local():
        return f"{settings.LAKE_URL.rstrip('/')}/events"
    folder = Path(url2pathname(parts.path)) / "events"
    folder.mkdir(parents=True, exist_ok=True)
    return str(folder)
