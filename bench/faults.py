"""Allocations while things fail: a deploy, the database stopped for a minute, three times the clients that fill it.

Failed requests are counted by clients that keep their connections, as a recommender's do. `FAULTS_AWAY=60` seconds.
"""

import json
import os
import signal
import time
from collections import Counter
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
from django.conf import settings
from django.db import connection

from bench import stack
from bench.allocate import prepare
from bench.patient import crowd
from firstlight.postgres import embedded
from tests.faults.loading import Load
from tests.faults.server import within

PATH = "/api/v1/allocations"
ASKED: dict[str, Any] = {
    "unit": {"user_id": "u-1", "device_id": "d-1"},
    "scenario": "home_feed",
    "attributes": {"country": "IN", "platform": "android", "app_version": "5.2.0"},
}
AWAY = float(os.environ.get("FAULTS_AWAY", "60"))
CLIENTS, FULL, STEADY = 16, 400, 8.0  # connections; connections that fill the server; seconds


def run() -> None:
    with stack.database():
        secret = prepare()
        with stack.web(ready="/readyz") as address:
            port = urlsplit(address).port or 0
            deploy(port, secret)
            away(port, secret)
            crowded(port, secret)


def deploy(port: int, secret: str) -> None:
    """Every web process is replaced once."""
    before, (child,) = pids(port), processes_of(port)
    with Load(port, PATH, secret, ASKED, clients=CLIENTS) as load:
        os.kill(child, signal.SIGHUP)
        replaced = within(180, lambda: not pids(port) & before)
    told("deploy" if replaced else "deploy NOT OVER", load.answers, load.longest)


def away(port: int, secret: str) -> None:
    """The database is stopped at once, as by a failure, and started again."""
    here, stored = embedded.cluster(settings.VAR_DIR), decisions()
    connection.close()
    with Load(port, PATH, secret, ASKED, clients=CLIENTS) as load:
        time.sleep(1)
        embedded.stop(here, mode="immediate")
        time.sleep(AWAY)
        embedded.start(here)
        time.sleep(1)
    told(f"database away for {AWAY:g} s", load.answers, load.longest)
    asked = load.answers["200"]
    arrived = within(60, lambda: decisions() - stored >= asked)
    print(
        f"           decisions stored: {decisions() - stored:,} of {asked:,}{'' if arrived else ' (LOST)'}", flush=True
    )


def crowded(port: int, secret: str) -> None:
    """As many clients as fill the server, and three times as many; who is refused waits as long as it is told."""
    raw = json.dumps(ASKED)
    head = f"POST {PATH} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
    whole = f"{head}Authorization: Bearer {secret}\r\nContent-Length: {len(raw)}\r\n\r\n{raw}".encode()
    full, over = (crowd("127.0.0.1", port, [whole], clients=n, seconds=STEADY) for n in (FULL, 3 * FULL))
    figure = f"{3 * FULL} clients {over.rate:,.0f} answers/s (p99 {over.p99 * 1e3:.0f} ms, {over.refused} refused)"
    reference = f"{FULL} clients {full.rate:,.0f} (p99 {full.p99 * 1e3:.0f} ms, {full.refused} refused)"
    stack.line("faults", figure, reference, over.rate / full.rate)


def pids(port: int) -> set[str]:
    return {httpx.get(f"http://127.0.0.1:{port}/pulse").text for _ in range(24)}


def processes_of(port: int) -> list[int]:
    """The process that is the parent of those that answer."""
    return sorted({int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1]) for pid in pids(port)})


def decisions() -> int:
    with connection.cursor() as cursor:
        cursor.execute("SELECT coalesce(sum(n_events), 0) FROM events_inbox")
        return int(cursor.fetchone()[0])


def told(what: str, answers: Counter[str], longest: float) -> None:
    failed = sum(answers.values()) - answers["200"]
    why = f" ({dict(answers)})" if failed else ""
    print(
        f"faults     {what}: {answers['200']:,} answers, {failed} failed{why}, longest {longest * 1e3:.0f} ms",
        flush=True,
    )
