"""The database is really stopped under a real server; what was promised is looked at from outside."""

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from firstlight.postgres import embedded
from tests.faults.running import ALLOCATIONS, ASKED, Running, serving
from tests.faults.server import within

pytestmark = pytest.mark.slow

REVOKE = """
import time
from firstlight.accounts import keys
from firstlight.accounts.models import ApiKey
keys.revoke(ApiKey.objects.get(name="two"), "test")
result = time.time()
"""
ADD_A_SCENARIO = """
import time
from firstlight.catalog.models import Scenario
from firstlight.snapshots.publication import publish
Scenario.objects.create(key="search", name="Search")
result = [publish(), time.time()]
"""


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with serving(Path(tmp_path_factory.mktemp("away"))) as here:
        yield here


def test_serving_goes_on_without_a_database_and_nothing_is_lost(running: Running) -> None:
    assert running.allocate(20) == {200}
    assert running.send_event().json()["accepted"] == 1
    assert within(5, lambda: running.stored("decision") == 20)

    embedded.stop(running.server.cluster, mode="immediate")
    assert running.allocate(40) == {200}, "allocations go on at once"
    refused = running.send_event()
    assert refused.status_code == 503
    assert int(refused.headers["Retry-After"]) >= 1
    assert refused.headers["Content-Type"] == "application/problem+json"
    assert within(6, lambda: running.readiness() == {"stale"}), "and are known to be from memory"
    assert running.allocate(40) == {200}
    kept = [running.server.ask("GET", "/readyz").json()["decisions"]["waiting"] for _ in range(20)]
    assert max(kept) > 0, "what is kept is told"

    embedded.start(running.server.cluster)
    assert within(6, lambda: running.readiness() == {"ready"})
    assert within(10, lambda: running.stored("decision") == 100), "kept decisions arrive, once"
    assert running.stored("visit") == 1, "what was not acknowledged is not there"
    assert running.send_event().json()["accepted"] == 1


def test_a_revoked_key_is_refused_by_every_process_within_two_seconds(running: Running) -> None:
    server, key = running.server, running.keys[1]
    assert server.asks("POST", ALLOCATIONS, 20, key, json=ASKED) == {200}
    revoked_at = server.django(REVOKE)
    time.sleep(max(0.0, revoked_at + 2 - time.time()))
    assert server.asks("POST", ALLOCATIONS, 40, key, json=ASKED) == {401}
    assert server.asks("POST", ALLOCATIONS, 20, running.keys[0], json=ASKED) == {200}


def test_a_new_version_is_seen_by_every_process_within_two_seconds(running: Running) -> None:
    assert running.allocate(20, scenario="search") == {422}
    number, published_at = running.server.django(ADD_A_SCENARIO)
    time.sleep(max(0.0, published_at + 2 - time.time()))
    body = {**ASKED, "scenario": "search"}
    answers = [running.server.ask("POST", ALLOCATIONS, running.keys[0], json=body).json() for _ in range(40)]
    assert {answer["snapshot"] for answer in answers} == {number}


def test_metrics_add_up_over_the_processes(running: Running) -> None:
    def count() -> float:
        line = f'firstlight_requests_total{{path="{ALLOCATIONS}",status="200"}} '
        text = running.server.ask("GET", "/metrics").text
        return sum(float(found[len(line) :]) for found in text.splitlines() if found.startswith(line))

    before = count()
    assert running.allocate(30) == {200}
    assert {count() for _ in range(10)} == {before + 30}, "whichever process is asked"


def test_a_server_told_to_end_writes_what_it_keeps(running: Running) -> None:
    time.sleep(1)  # for the decisions of earlier tests to be written
    before = running.stored("decision")
    assert running.allocate(50) == {200}
    running.server.end()
    assert running.stored("decision") == before + 50
