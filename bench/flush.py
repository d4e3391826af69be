"""Inbox to lake, beside a bare append of the same rows to a Delta table."""

import time
import uuid
from datetime import UTC, datetime
from pathlib import Path

from deltalake import write_deltalake
from django.conf import settings

from bench import stack
from firstlight.events import inbox
from firstlight.events.flush import flush, read
from firstlight.events.parse import parse
from firstlight.lake.models import Batch

CALLS, EVENTS = 300, 1_000


def events(n: int, at: datetime) -> bytes:
    """A body of n clicks as a recommender sends them."""
    line = (
        '{"event_id":"%s","type":"click","at":"%s","unit":{"user_id":"u-%d"},"scenario":"home_feed","trace_id":"%s",'
        '"item_id":"sku-%d","merchant_id":"m-7","position":3,"recall_source":"i2i","ranker":"din","score":0.71,'
        '"properties":{"query":"red dress"}}'
    )
    when = at.isoformat()
    return b"[%b]" % ",".join(line % (uuid.uuid4(), when, i, uuid.uuid4(), i) for i in range(n)).encode()


def run() -> None:
    with stack.database():
        now = datetime.now(UTC)
        for _ in range(CALLS):
            inbox.store(parse(events(EVENTS, now), "application/json", at=now, may_backfill=False).rows)
        started = time.perf_counter()
        carried = flush()
        ours = carried / (time.perf_counter() - started)
        columns = [read(batch) for batch in Batch.objects.all()]
        started = time.perf_counter()
        for table in columns:
            write_deltalake(Path(settings.VAR_DIR) / "bare", table, mode="append", partition_by=["day"])
        bare = carried / (time.perf_counter() - started)
        inbox.close()
    stack.line("flush", f"{ours:,.0f} events/s", f"bare Delta append {bare:,.0f} events/s", ours / bare)
