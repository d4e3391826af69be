"""A server with one scenario and two keys, and what is asked of it and looked at from outside."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple
from uuid import uuid4

import httpx
import psycopg

from tests.faults.server import Server, with_database

ALLOCATIONS, EVENTS = "/api/v1/allocations", "/api/v1/events"
ASKED = {"unit": {"user_id": "u-81"}, "scenario": "home_feed"}
SETUP = """
from django.core.management import call_command
from firstlight.accounts import keys
from firstlight.catalog.models import Scenario
call_command("migrate", verbosity=0)
Scenario.objects.create(key="home_feed", name="Home feed")
result = [keys.create(name, ["allocate", "ingest"], [], "test")[1] for name in ("one", "two")]
"""


class Running(NamedTuple):
    server: Server
    keys: list[str]

    def allocate(self, n: int, **asked: Any) -> set[int]:
        return self.server.asks("POST", ALLOCATIONS, n, self.keys[0], json={**ASKED, **asked})

    def send_event(self) -> httpx.Response:
        return self.server.ask("POST", EVENTS, self.keys[0], json=[an_event()])

    def stored(self, kind: str) -> int:
        with psycopg.connect(self.server.cluster.url()) as connection:
            query = (
                "SELECT coalesce(sum(n_events), 0) FROM events_inbox"
                " WHERE CASE WHEN packed IS NULL THEN payload::json ->> 'type' ELSE 'decision' END = %s"
            )
            (count,) = connection.execute(query, [kind]).fetchone() or (0,)
            return int(count)

    def readiness(self) -> set[str]:
        return {self.server.ask("GET", "/readyz").json()["status"] for _ in range(12)}


def an_event() -> dict[str, Any]:
    at = datetime.now(UTC).isoformat()
    return {"event_id": str(uuid4()), "type": "visit", "at": at, "unit": {"user_id": "u"}}


@contextmanager
def serving(var_dir: Path) -> Iterator[Running]:
    with with_database(var_dir) as server:
        here = Running(server, server.django(SETUP))
        server.serve()
        yield here
