"""Clients that trickle, a key that asks too often, the database stopped under load: the others notice nothing."""

import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from firstlight.postgres import embedded
from tests.faults.loading import Load
from tests.faults.running import ALLOCATIONS, ASKED, Running, serving
from tests.faults.server import within

pytestmark = pytest.mark.slow
RATE = 20  # requests per second of the limited key
LIMITED = f"""
from firstlight.accounts import keys
from firstlight.snapshots.publication import publish
result = keys.create("limited", ["allocate"], [], "test", rate={RATE}, burst={RATE})[1]
publish()
"""
HEAD = "POST {} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n{}Content-Length: 1000\r\n"


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with serving(Path(tmp_path_factory.mktemp("stress"))) as here:
        yield here


def trickling(port: int, said: str, n: int, opened: ExitStack) -> None:
    """So many connections that begin a request and go no further."""
    for _ in range(n):
        one = opened.enter_context(socket.create_connection(("127.0.0.1", port)))
        one.sendall(said.encode())


@pytest.mark.parametrize(
    ("path", "said", "n"),
    [
        (ALLOCATIONS, "", 300),  # half a head
        (ALLOCATIONS, "\r\nabc", 300),  # a body that does not come, without a key
        ("/admin/login/", "\r\nabc", 100),  # the same where a body is read before anybody is known
    ],
)
def test_clients_that_trickle_hold_up_nobody_else(running: Running, path: str, said: str, n: int) -> None:
    with ExitStack() as opened:
        trickling(running.server.port, HEAD.format(path, "") + said, n, opened)
        time.sleep(0.5)
        began = time.perf_counter()
        assert running.allocate(20) == {200}
        assert time.perf_counter() - began < 10, "20 on a connection each"
    assert within(20, lambda: running.server.ask("GET", "/admin/login/").status_code == 200)


def test_a_rate_holds_over_both_processes(running: Running) -> None:
    key = running.server.django(LIMITED)
    assert within(5, lambda: running.server.ask("POST", ALLOCATIONS, key, json=ASKED).status_code in {200, 429})
    time.sleep(1.5)  # the bucket is full again
    with Load(running.server.port, ALLOCATIONS, key, ASKED, clients=6, pause=0.005) as load:
        time.sleep(4)
        began = time.perf_counter()
        assert running.allocate(5) == {200}, "another key is not touched"
        more = time.perf_counter() - began
    assert set(load.answers) == {"200", "429"}
    # The burst and four seconds' worth (and as long as the other key took); a sibling is seen within a second.
    assert 4 * RATE <= load.answers["200"] <= 2 * RATE + (5 + more) * RATE
    refused = [running.server.ask("POST", ALLOCATIONS, key, json=ASKED) for _ in range(2 * RATE)]
    waits = {answer.headers["Retry-After"] for answer in refused if answer.status_code == 429}
    assert waits <= {"1"}


def test_without_its_database_no_allocation_fails_and_each_decision_arrives(running: Running) -> None:
    cluster = running.server.cluster
    time.sleep(1)
    stored = running.stored("decision")
    with Load(running.server.port, ALLOCATIONS, running.keys[0], ASKED, clients=4, pause=0.002) as load:
        time.sleep(0.5)
        embedded.stop(cluster, mode="immediate")
        time.sleep(5)
        embedded.start(cluster)
        time.sleep(1)
    assert set(load.answers) == {"200"}
    assert within(20, lambda: running.stored("decision") == stored + load.answers["200"])
