"""The database is killed again and again under senders: what they were told is stored is stored, once."""

import threading
import time
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid4

import httpx
import psycopg
import pytest

from firstlight.postgres import embedded
from tests.faults.server import Server, with_database

pytestmark = pytest.mark.slow

STOPS, EVENTS = 4, 200
SETUP = """
from django.core.management import call_command
from firstlight.accounts import keys
call_command("migrate", verbosity=0)
result = keys.create("one", ["ingest"], [], "test")[1]
"""


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    with with_database(tmp_path) as here:
        yield here


def test_nothing_that_was_acknowledged_is_lost_and_sending_again_stores_nothing_twice(server: Server) -> None:
    key = server.django(SETUP)
    server.serve()
    acknowledged: list[str] = []
    statuses: Counter[int] = Counter()
    stopped = threading.Event()

    def send() -> None:
        while not stopped.is_set():
            _send_until_taken(server, key, acknowledged, statuses)

    senders = [threading.Thread(target=send) for _ in range(2)]
    for sender in senders:
        sender.start()
    for _ in range(STOPS):
        time.sleep(0.7)
        embedded.stop(server.cluster, mode="immediate")
        time.sleep(0.3)
        embedded.start(server.cluster)
    time.sleep(1)
    stopped.set()
    for sender in senders:
        sender.join()

    assert set(statuses) == {200, 503}, statuses
    with psycopg.connect(server.cluster.url()) as connection:
        stored = Counter(i for (i,) in connection.execute("SELECT event_id::text FROM events_inbox").fetchall())
    assert stored == Counter(acknowledged)


def _send_until_taken(server: Server, key: str, acknowledged: list[str], statuses: Counter[int]) -> None:
    """As a sender does: the very same events again until they are acknowledged."""
    at = datetime.now(UTC).isoformat()
    events = [{"event_id": str(uuid4()), "type": "visit", "at": at, "unit": {"user_id": "u"}} for _ in range(EVENTS)]
    while True:
        try:
            answer = server.ask("POST", "/api/v1/events", key, json=events)
        except httpx.TransportError:  # no answer is no acknowledgement
            continue
        statuses[answer.status_code] += 1
        if answer.status_code == 200:
            said = answer.json()
            assert said["accepted"] + said["duplicates"] == EVENTS
            acknowledged += [str(event["event_id"]) for event in events]
            return
        time.sleep(0.1)
