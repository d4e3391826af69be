"""What the inbox has of a trace while it waits for the lake, in the columns of the lake."""

from collections.abc import Iterator
from typing import Any
from uuid import UUID

import msgspec
from django.db import connection

from firstlight.events import flush, packs
from firstlight.lake.models import Batch

MOST_EVENTS = 1_000
MOST_PACKS = 500  # rows of many decisions, the newest: minutes of a busy site, and no second to read


def of_trace(trace_id: str) -> list[dict[str, Any]]:
    """Rows as the lake would have them; their batch is 0. Read it before the lake: what moves meanwhile is in both."""
    carried = Batch.objects.exclude(committed_at=None).first()
    lines = list(_lines(trace_id, carried.to_xact if carried else 0))
    rows: list[dict[str, Any]] = flush.columns(b"\n".join(lines), 0).to_pylist()
    return [row for row in rows if row["trace_id"] == trace_id]


def _lines(trace_id: str, beyond: int) -> Iterator[bytes]:
    """Lines that mention it, one event each."""
    told = msgspec.json.encode(trace_id)
    given: dict[str, str | int] = {"from": beyond, "named": told.decode(), "events": MOST_EVENTS, "packs": MOST_PACKS}
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT payload FROM events_inbox
            WHERE xact >= %(from)s::text::xid8 AND payload IS NOT NULL AND strpos(payload, %(named)s) > 0
            ORDER BY xact LIMIT %(events)s
            """,
            given,
        )
        yield from (payload.encode() for (payload,) in cursor.fetchall())
        cursor.execute(
            """
            SELECT event_id, packed FROM events_inbox WHERE xact >= %(from)s::text::xid8 AND packed IS NOT NULL
            ORDER BY xact DESC LIMIT %(packs)s
            """,
            given,
        )
        for event_id, packed in cursor.fetchall():
            yield from _decisions(event_id, bytes(packed), told)


def _decisions(event_id: UUID, packed: bytes, told: bytes) -> Iterator[bytes]:
    """Most are of other traces, which their bytes say before they are taken apart."""
    for own, decided in packs.unpacked(str(event_id), packed):
        if told in decided.answer:
            yield msgspec.json.encode(packs.line(own, decided))
