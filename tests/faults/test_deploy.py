"""Every web process is replaced under load, twice, as a deploy does it; a process is killed; nobody notices."""

import contextlib
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.faults.loading import Load
from tests.faults.running import ALLOCATIONS, ASKED, Running, serving
from tests.faults.server import Server, within

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with serving(Path(tmp_path_factory.mktemp("deploy"))) as here:
        yield here


def processes(server: Server) -> set[str]:
    """Process ids of those that answer; one that was just killed may still be offered a connection."""
    found = set()
    for _ in range(24):
        with contextlib.suppress(httpx.TransportError):
            found.add(server.ask("GET", "/pulse").text)
    return found


def all_new(server: Server, before: set[str]) -> bool:
    return not processes(server) & before


def test_a_deploy_under_load_fails_no_request_and_loses_no_decision(running: Running) -> None:
    server = running.server
    assert server.process is not None
    before = processes(server)
    with Load(server.port, ALLOCATIONS, running.keys[0], ASKED, clients=8, pause=0.005) as load:
        time.sleep(1)
        server.process.send_signal(signal.SIGHUP)
        assert within(120, lambda: all_new(server, before))
        time.sleep(1)
    assert set(load.answers) == {"200"}, load.answers
    assert load.answers["200"] > 1_000
    assert within(15, lambda: running.stored("decision") == load.answers["200"]), "each, once"


def cores(server: Server) -> list[set[int]]:
    """Of each process, those that any of its threads may use."""
    threads = [Path(f"/proc/{pid}/task").iterdir() for pid in processes(server)]
    return [set.union(*(os.sched_getaffinity(int(one.name)) for one in several)) for several in threads]


def test_the_new_processes_share_out_the_cores_anew(running: Running) -> None:
    usable = sorted(os.sched_getaffinity(0))
    shared = [[usable[place % len(usable)]] for place in range(2)]
    assert within(15, lambda: sorted(map(sorted, cores(running.server))) == shared)


def test_a_killed_process_is_replaced(running: Running) -> None:
    server = running.server
    time.sleep(6)  # granian takes two deaths within 5.5 s for a crash loop
    killed = sorted(processes(server))[0]
    os.kill(int(killed), signal.SIGKILL)
    assert within(30, lambda: len(processes(server) - {killed}) == 2)
    assert running.allocate(20) == {200}
