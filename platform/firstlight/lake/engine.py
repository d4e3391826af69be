"""Reading the lake: an Ibis table over the active files of the Delta log, through an engine in this process."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC
from typing import Any

import ibis
import pyarrow as pa
from django.conf import settings

from firstlight.kernel.windows import Window
from firstlight.lake import table
from firstlight.lake.schema import EVENTS
from firstlight.lake.table import Covered


@contextmanager
def events(window: Window, *, until_batch: int | None = None) -> Iterator[Any]:
    """The event table over the days that `window` touches, as an Ibis table with the columns of `lake.schema`.

    Rows are pruned by day, not cut to the window's hours. `until_batch` leaves out what later batches brought, so that
    a reader that names its watermark finds the same rows again. An empty lake is an empty table.
    """
    connection = _connection()
    try:
        yield _until(_rows(connection, window), until_batch)
    finally:
        connection.disconnect()


def beyond(rows: ibis.Table, window: Window, covered: Covered, *, until_batch: int | None = None) -> ibis.Table:
    """Of the same events, through the engine of `rows`, those that were not covered yet.

    Files in which there is none of them are not opened.
    """
    found = _until(_rows(rows.get_backend(), window, covered), until_batch)
    until = ibis.literal(covered.until.astimezone(UTC).replace(tzinfo=None))
    return found.filter((found.batch > covered.batch) | (found["at"] >= until))


def _until(rows: ibis.Table, batch: int | None) -> ibis.Table:
    return rows if batch is None else rows.filter(rows.batch <= batch)


def batches(rows: ibis.Table, size: int) -> Iterator[pa.RecordBatch]:
    """The rows as Arrow batches of at most `size`, by the engine's own reader, within `events`.

    Ibis 12 asks DuckDB for a reader by a name that DuckDB 2 has dropped. They are kept as a table first, which spills
    to disk: Ibis hands over tables of ours that the rows stand on (rates, categories) only when it runs a query itself.
    """
    backend = rows.get_backend()
    kept = backend.create_table(ibis.util.gen_name("batches"), rows, temp=True)
    yield from backend.con.sql(str(ibis.to_sql(kept))).to_arrow_reader(size)


def _connection() -> Any:
    """An engine of its own for each reader: no state is shared, and its memory is given back."""
    connection = ibis.duckdb.connect(
        memory_limit=settings.ENGINE_MEMORY,
        preserve_insertion_order=False,  # a group-by over 20 M rows needs a third less memory
        temp_directory=str(settings.VAR_DIR / "spill"),
    )
    connection.raw_sql("SET enable_progress_bar = false")  # a worker's log is no terminal
    return connection


def _rows(connection: Any, window: Window, covered: Covered | None = None) -> Any:
    days, name = list(window.days()), "events" if covered is None else "later_events"
    lake = table.opened()
    files = table.files(lake, days, beyond=covered) if lake else []
    if lake is None or not files:
        # As files are read: with every column nullable, or queries would have other types while there is nothing.
        nullable = pa.schema([field.with_nullable(True) for field in EVENTS])
        return connection.create_table(name, schema=ibis.Schema.from_pyarrow(nullable), temp=True)
    if table.is_local():
        # `day` stands in the folder's name. A column that came later is null in older files; to look for such is half
        # a second of every query over 4,500 files.
        mixed = not table.have_every_column(lake)
        rows = connection.read_parquet(files, table_name=name, hive_partitioning=True, union_by_name=mixed)
        return rows.cast({"day": "date"}).select(EVENTS.names)
    # An object store is read through the Delta library: the engine would need an extension from the network.
    data = lake.to_pyarrow_dataset(file_pruning_predicate=[("day", "in", [str(day) for day in days])])
    connection.con.register(name, data)
    return connection.table(name).select(EVENTS.names)
