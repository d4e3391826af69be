"""A disk is really full, that of the web processes or that of the database: allocations go on, and nothing is lost."""

import os
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from firstlight.postgres import embedded
from tests.faults.running import ALLOCATIONS, ASKED, EVENTS, Running, an_event, serving
from tests.faults.server import Server, within

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(os.geteuid() != 0, reason="only root may mount a disk that can be filled"),
]
LIMITED = """
from firstlight.accounts import keys
from firstlight.snapshots.publication import publish
result = keys.create("limited", ["allocate"], [], "test", rate=1000, burst=1000)[1]
publish()
"""


@contextmanager
def small_disk(folder: Path, mebibytes: int) -> Iterator[None]:
    folder.mkdir(parents=True, exist_ok=True)
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={mebibytes}m", "tmpfs", folder], check=True)
    try:
        yield
    finally:
        subprocess.run(["umount", "--lazy", folder], check=True)


@contextmanager
def full(folder: Path) -> Iterator[None]:
    """To the last page."""
    file = folder / "full"
    with suppress(OSError), file.open("wb", buffering=0) as filling:
        while True:
            filling.write(b"x" * 4096)
    try:
        yield
    finally:
        file.unlink()


def statuses(running: Running, key: str) -> set[int]:
    """Of what touches counters for the first time: a limit, refusals, other doors."""
    asked = [("/api/v1/allocations/batch", {"requests": [ASKED]}), (ALLOCATIONS, ASKED), (ALLOCATIONS, {"unit": 3})]
    found = {running.server.ask("POST", path, key, json=body).status_code for path, body in asked * 20}
    return found | running.server.asks("GET", "/metrics", 20)


def test_the_web_processes_live_on_a_full_disk_also_without_a_database(tmp_path: Path) -> None:
    with small_disk(tmp_path, 6), serving(tmp_path) as running:
        key = running.server.django(LIMITED)
        assert within(5, lambda: running.server.asks("POST", ALLOCATIONS, 12, key, json=ASKED) == {200})
        time.sleep(2)  # for the decisions so far to be written
        before = running.stored("decision")
        with full(tmp_path):
            assert statuses(running, key) == {200, 422}
            embedded.stop(running.server.cluster, mode="immediate")
            assert running.allocate(40) == {200}
            time.sleep(4)  # what goes wrong is told in a log that takes no more
            assert running.allocate(40) == {200}
            embedded.start(running.server.cluster)
            assert within(15, lambda: running.stored("decision") == before + 20 + 20 + 80), "each, once"


def test_a_database_whose_disk_is_full_costs_no_allocation_and_no_decision(tmp_path: Path) -> None:
    home = Server(tmp_path).cluster.home
    with small_disk(home, 300), serving(tmp_path) as running:
        assert running.allocate(20) == {200}
        assert within(5, lambda: running.stored("decision") == 20)
        with full(home):
            assert within(60, lambda: sent(running) == 503), "no room for events"
            assert running.allocate(200) == {200}
            assert within(10, lambda: kept(running) > 0), "decisions wait"
            assert running.allocate(200) == {200}
        assert within(30, lambda: running.stored("decision") == 420)
        assert running.send_event().status_code == 200


def sent(running: Running) -> int:
    """The status of as many events as one request may hold."""
    events = [{**an_event(), "item_id": f"sku-{i}" * 10} for i in range(1_000)]
    return running.server.ask("POST", EVENTS, running.keys[0], json=events).status_code


def kept(running: Running) -> int:
    found = [running.server.ask("GET", "/readyz").json()["decisions"]["waiting"] for _ in range(12)]
    return max(map(int, found))
