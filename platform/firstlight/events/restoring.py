"""The ledger after the database was restored: its transaction ids, or its batch numbers, are behind the lake's.

A logical dump in a new server starts with low transaction ids, so the ranges of old batches mean nothing there; a
backup older than the lake would give a new batch a number that the lake has already, and lose its events.
"""

from dataclasses import dataclass

import pyarrow.compute as pc
from django.db import connection, transaction
from django.utils import timezone

from firstlight.lake import table
from firstlight.lake.models import Batch
from firstlight.lake.schema import EVENTS
from firstlight.postgres import locks


@dataclass(frozen=True, slots=True)
class Mended:
    waiting: int  # events of the inbox that the lake lacks: the next flush carries them
    known: int  # events of the inbox that the lake has


def mend() -> Mended:
    """Start the ledger anew above all that the lake has. Nothing may write into the inbox meanwhile.

    An event waits when no committed batch spans its transaction and no later batch of the lake has its id. Mending
    twice changes nothing more. Raises `locks.Busy` while a flush runs.
    """
    with locks.alone("flush"), transaction.atomic(), connection.cursor() as cursor:
        committed = Batch.objects.exclude(committed_at=None).first()
        cursor.execute("LOCK TABLE events_inbox IN EXCLUSIVE MODE")
        cursor.execute("CREATE TEMP TABLE in_lake (event_id uuid) ON COMMIT DROP")
        with cursor.copy("COPY in_lake FROM STDIN") as copy:
            copy.write("".join(f"{event_id}\n" for event_id in _brought_after(committed)))
        cursor.execute("SELECT pg_current_xact_id()::text::bigint")
        here = cursor.fetchone()[0]
        cursor.execute(
            """
            UPDATE events_inbox SET xact = CASE
                WHEN xact < %s::text::xid8 OR event_id IN (SELECT event_id FROM in_lake)
                THEN '1'::xid8 ELSE pg_current_xact_id() END
            """,
            [committed.to_xact if committed else 0],
        )
        cursor.execute(
            """
            SELECT coalesce(sum(n_events) FILTER (WHERE xact <> '1'), 0),
                coalesce(sum(n_events) FILTER (WHERE xact = '1'), 0) FROM events_inbox
            """
        )
        mended = Mended(*cursor.fetchone())
        _start_anew(here)
    return mended


def _brought_after(batch: Batch | None) -> list[str]:
    """Ids of the events in the lake that the ledger does not know of."""
    lake = table.opened()
    if lake is None:
        return []
    later = pc.field("batch") > (batch.number if batch else 0)
    ids: list[str] = lake.to_pyarrow_table(columns=["event_id"], filters=later)["event_id"].to_pylist()
    return ids


def _start_anew(xact: int) -> None:
    """A committed batch of nothing, with a number above all, that ends where the waiting events begin."""
    highest = max([table.latest_batch(), *Batch.objects.values_list("number", flat=True)[:1]])
    Batch.objects.filter(committed_at=None).delete()
    table.append(highest + 1, EVENTS.empty_table())  # lake and ledger name the same batch again
    Batch.objects.create(number=highest + 1, from_xact=xact - 1, to_xact=xact, committed_at=timezone.now(), n_events=0)
