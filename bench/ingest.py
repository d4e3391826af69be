"""Durable, deduplicated events per second over HTTP, one client, batches of 1,000.

The reference stores the same events as a plain Django view would: validated the same, then one INSERT … ON CONFLICT an
event, by `executemany` in one transaction.
"""

import http.client
import time
from datetime import UTC, datetime
from urllib.parse import urlsplit

from django.db import connection, transaction

from bench import stack
from bench.flush import events
from firstlight.accounts import keys
from firstlight.events import inbox
from firstlight.events.parse import InboxRow, parse
from firstlight.snapshots.publication import publish

CALLS, EVENTS = 150, 1_000


def run() -> None:
    with stack.database():
        _, secret = keys.create("bench", ["ingest"], [], "bench")
        publish()
        now = datetime.now(UTC)
        bodies = [events(EVENTS, now) for _ in range(CALLS)]
        with stack.web(ready="/readyz") as address:
            ours = _over_http(address, secret, bodies)
        naive = _one_by_one(bodies[:20], now)
        inbox.close()
    stack.line("ingest", f"{ours:,.0f} events/s", f"INSERT an event {naive:,.0f} events/s", ours / naive)


def _over_http(address: str, secret: str, bodies: list[bytes]) -> float:
    """Events accepted per second."""
    client = http.client.HTTPConnection(urlsplit(address).netloc)
    headers = {"Authorization": f"Bearer {secret}", "Content-Type": "application/json"}
    accepted = 0
    started = time.perf_counter()
    for body in bodies:
        client.request("POST", "/api/v1/events", body, headers)
        answer = client.getresponse()
        said = answer.read()
        if answer.status != 200 or b'"rejected":[]' not in said:
            raise RuntimeError(f"{answer.status} {said[:300]!r}")
        accepted += EVENTS
    return accepted / (time.perf_counter() - started)


def _one_by_one(bodies: list[bytes], now: datetime) -> float:
    with connection.cursor() as cursor:
        cursor.execute("CREATE TABLE naive_inbox (event_id uuid PRIMARY KEY, payload text NOT NULL)")
    started = time.perf_counter()
    for body in bodies:
        rows = parse(body, "application/json", at=now, may_backfill=False).rows
        _insert(rows)
    return len(bodies) * EVENTS / (time.perf_counter() - started)


def _insert(rows: list[InboxRow]) -> None:
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.executemany(
            "INSERT INTO naive_inbox VALUES (%s, %s) ON CONFLICT DO NOTHING",
            [(row.event_id, row.payload.decode()) for row in rows],
        )
