"""From the inbox to the lake, exactly once.

A batch is a range of PostgreSQL transaction ids, written down before a row is read. It ends below the oldest
transaction that still runs, so nothing can join it any more, and a second try reads the very same rows. The lake keeps
the batch's number in the commit that brings the rows. Whoever is killed, wherever, leaves one of three states, and
`flush` goes on from each: not drawn up (draw), drawn up but not in the lake (write), in the lake but not marked (mark).
"""

from datetime import UTC, datetime
from io import BytesIO

import pyarrow as pa
import pyarrow.compute as pc
from django.utils import timezone
from pyarrow import json as arrow_json

from firstlight.events import inbox, packs
from firstlight.lake import table
from firstlight.lake.models import Batch
from firstlight.lake.schema import EVENTS
from firstlight.postgres import locks

MOST_EVENTS = 200_000  # in one commit: about 100 MB of JSON, and a second or two to do again

DECISION = 10  # events that a decision counts as: it is so much longer

# `at` comes as microseconds; `day` and `batch` are not the sender's to say.
LINE = pa.schema([f.with_type(pa.int64()) if f.name == "at" else f for f in EVENTS if f.name not in {"day", "batch"}])


HELP = "see “Restoring” in docs/operations.md"


class WentBack(RuntimeError):
    """Database and lake do not belong together any more: one of them was restored, or is gone."""


def flush() -> int:
    """Carry all that the inbox has to the lake; how many events went. Raises `locks.Busy` while another one does it."""
    carried = 0
    with locks.alone("flush"):
        while (batch := _on_its_way() or _drawn_up()) is not None:
            carried += _carry(batch)
    return carried


def check_ledger() -> None:
    """Raise `WentBack` unless lake and ledger tell of the same batches, but for one that is on its way."""
    numbers = Batch.objects.values_list("number", flat=True)
    committed, newest = numbers.exclude(committed_at=None).first() or 0, numbers.first() or 0
    if not committed <= (in_lake := table.latest_batch()) <= newest:
        raise WentBack(f"the lake has batch {in_lake}, the ledger {committed}: {HELP}")


def _on_its_way() -> Batch | None:
    return Batch.objects.filter(committed_at=None).first()


def _drawn_up() -> Batch | None:
    """The next batch, written down; None when nothing waits."""
    check_ledger()
    last = Batch.objects.first()
    number, start = (last.number, last.to_xact) if last else (0, 0)
    with inbox.connected() as connection:
        row = connection.execute(
            """
            SELECT max(xact)::text::bigint, pg_snapshot_xmin(pg_current_snapshot())::text::bigint FROM (
                SELECT xact, size, sum(size) OVER (ORDER BY xact ROWS UNBOUNDED PRECEDING) AS until FROM (
                    SELECT xact, n_events * CASE WHEN packed IS NULL THEN 1 ELSE %(decision)s END AS size
                    FROM events_inbox
                    WHERE xact >= %(start)s::text::xid8 AND xact < pg_snapshot_xmin(pg_current_snapshot())
                    ORDER BY xact LIMIT %(most)s
                ) waiting
            ) counted WHERE until - size < %(most)s
            """,
            {"start": start, "most": MOST_EVENTS, "decision": DECISION},
        ).fetchone()
    last_xact, oldest_running = row or (None, start)
    if oldest_running < start:
        raise WentBack(f"transaction {oldest_running} follows {start}: {HELP}")
    if last_xact is None:
        return None
    # The last transaction is taken whole: a batch holds at most one call's events more than MOST_EVENTS.
    return Batch.objects.create(number=number + 1, from_xact=start, to_xact=last_xact + 1)


def _carry(batch: Batch) -> int:
    """Write it unless the lake has it, and mark it."""
    events = read(batch)
    table.append(batch.number, events)
    Batch.objects.filter(pk=batch.pk).update(committed_at=timezone.now(), n_events=events.num_rows)
    return int(events.num_rows)


def read(batch: Batch) -> pa.Table:
    """The rows of a batch with the columns of the lake."""
    given = {"from": batch.from_xact, "to": batch.to_xact}
    with inbox.connected() as connection, connection.cursor(binary=True) as cursor:
        # One row a transaction, its lines joined by the server: a row an event takes half as long again.
        cursor.execute(
            """
            SELECT convert_to(string_agg(payload, E'\\n'), 'UTF8') FROM events_inbox
            WHERE xact >= %(from)s::text::xid8 AND xact < %(to)s::text::xid8 AND payload IS NOT NULL GROUP BY xact
            """,
            given,
        )
        events = [lines for (lines,) in cursor]
        cursor.execute(
            """
            SELECT event_id::text, packed FROM events_inbox
            WHERE xact >= %(from)s::text::xid8 AND xact < %(to)s::text::xid8 AND packed IS NOT NULL
            """,
            given,
        )
        decisions = [line for row in cursor for line in packs.lines(*row)]
    return columns(b"\n".join(events + decisions), batch.number)


def columns(lines: bytes, batch: int) -> pa.Table:
    """JSON lines of the inbox as columns of the lake."""
    if not lines:
        return EVENTS.empty_table()
    parsed = arrow_json.read_json(
        BytesIO(lines),
        read_options=arrow_json.ReadOptions(block_size=16 << 20),
        parse_options=arrow_json.ParseOptions(explicit_schema=LINE, unexpected_field_behavior="error"),
    )
    at = parsed["at"].cast(pa.timestamp("us"))
    known = {name: parsed[name] for name in LINE.names} | {
        "at": at,
        "day": pc.cast(at, pa.date32()),
        "batch": pa.chunked_array([pa.repeat(pa.scalar(batch, pa.int64()), parsed.num_rows)]),
    }
    return pa.table([known[name] for name in EVENTS.names], schema=EVENTS)


def waiting_since() -> datetime | None:
    """When the batch on its way was drawn up; None when none is. A time that stays long ago needs a person."""
    batch = _on_its_way()
    return batch.drawn_at.astimezone(UTC) if batch else None
