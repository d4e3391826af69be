"""The Python client and a real server: the printed lines, the same arms, and kills under load."""

import os
import random
import re
import signal
import threading
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import psycopg
import pytest

from firstlight.serving import siblings
from firstlight_client import Firstlight, Options, Patience, Question
from tests.faults.server import ROOT, Server, with_database, within

pytestmark = pytest.mark.slow

SETUP = """
from datetime import UTC, datetime, timedelta
from django.core.management import call_command
call_command("migrate", verbosity=0)
from bandits import lifecycle
from bandits.models import Campaign
from experiments import lifecycle as experimenting
from experiments.models import Layer, Type
from firstlight.accounts import keys
from firstlight.catalog.models import Item, Scenario
from firstlight.snapshots.publication import publish
from tests.experiments.plans import draft, scenario

every, home, search = scenario("all"), scenario("home"), scenario("search")
layer = Layer.objects.create(key="ranking", name="Ranking")
india = {"country": "IN", "app_version": {"$vgte": "5.2.0"}}
words = {"$or": [{"platform": {"$regex": "^and"}}, {"$not": {"age": {"$lt": 30}}}]}
plans = [
    draft("ranker", every, unit="session_id", parameters="ranker"),
    draft("plain", home, search),
    draft("thirds", home, arms=("control", "b", "c"), coverage="0.4"),
    draft("left", home, layer=layer, end_bucket=5000, parameters="model"),
    draft("right", home, layer=layer, first_bucket=5000, end_bucket=9000, parameters="model", targeting=words),
    draft("indian", home, unit="device_id", targeting=india, parameters="layout"),
    draft("other", search, targeting={"tags": {"$elemMatch": {"$eq": "vip"}}, "country": {"$in": ["BR", "IN"]}}),
]
for one in plans:
    experimenting.start(one.pk, actor="pm", at=datetime.now(UTC) - timedelta(hours=1))
Item.objects.bulk_create(Item(key=f"sku-{i}") for i in range(40))
campaign = Campaign.objects.create(key="new", name="New arrivals", scenario=every, positions=[3, 8])
lifecycle.start(campaign.pk, actor="pm", at=datetime.now(UTC))
publish()
result = keys.create("recommender", ["allocate", "ingest"], [], "pm")[1]
"""


class Running(NamedTuple):
    server: Server
    key: str

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server.port}"

    def stored(self) -> Counter[str]:
        """Events in the inbox by id, decisions left out."""
        with psycopg.connect(self.server.cluster.url()) as connection:
            rows = connection.execute("SELECT event_id::text, payload FROM events_inbox WHERE payload IS NOT NULL")
            return Counter(i for i, payload in rows if msgspec.json.decode(payload)["type"] != "decision")

    def events(self) -> list[dict[str, Any]]:
        with psycopg.connect(self.server.cluster.url()) as connection:
            rows = connection.execute("SELECT payload FROM events_inbox WHERE payload IS NOT NULL").fetchall()
        return [msgspec.json.decode(payload) for (payload,) in rows]


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with with_database(Path(tmp_path_factory.mktemp("client"))) as server:
        key = server.django(SETUP)
        server.serve()
        yield Running(server, key)


def printed(page: str) -> str:
    (lines,) = re.findall(r"```python\n(from pathlib.*?)```", (ROOT / page).read_text(), re.DOTALL)
    return str(lines)


def test_both_pages_print_the_same_lines() -> None:
    assert printed("README.md") == printed("clients/python/README.md")
    assert len([line for line in printed("README.md").splitlines() if line]) <= 12


def test_the_lines_that_are_printed_integrate_a_recommender(
    running: Running, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Exactly those, in an empty folder, but for the port, which is the demo's there."""
    monkeypatch.chdir(tmp_path)
    Path("var/demo").mkdir(parents=True)
    Path("var/demo/key").write_text(running.key)
    lines = printed("README.md")
    assert "http://127.0.0.1:8000" in lines
    names: dict[str, Any] = {}
    exec(lines.replace("http://127.0.0.1:8000", running.url), names)
    answer, here = names["answer"], names["firstlight"]
    assert (answer.source, answer.reason) == ("remote", "")
    assert names["ranker"] == answer.variant("ranker")
    assert [slot.position for slot in answer.discovery] == [3, 8]
    assert here.flush(10)
    here.close()
    shown = [event for event in running.events() if event["type"] == "impression"]
    assert {(event["item_id"], event["position"], event["trace_id"], event["ranker"]) for event in shown} == {
        (slot.item_id, slot.position, answer.trace_id, names["ranker"]) for slot in answer.discovery
    }


def test_arms_decided_in_process_are_those_of_allocations(running: Running) -> None:
    """4,000 random visitors with random attributes: every experiment, variant, phase and parameter."""
    chance = random.Random(7)
    questions = [_question(chance) for _ in range(4_000)]
    with Firstlight(running.url, running.key, local=True, options=Options(raises=True)) as here:
        assert here.wait_until_ready(20)
        remote = here.allocate_batch(questions, timeout=60)
        met: Counter[str] = Counter()
        for question, there in zip(questions, remote, strict=True):
            mine = here.assign(question.unit, question.scenario, question.attributes, expose=False)
            assert mine.experiments == there.experiments, question
            assert mine.parameters == there.parameters, question
            assert (mine.snapshot, mine.source, there.source) == (there.snapshot, "local", "remote")
            met.update(f"{one.experiment} {one.variant}" for one in mine.experiments)
    assert len(met) == 2 * 6 + 3, met  # every arm of every experiment was met
    assert min(met.values()) > 20


def _question(chance: random.Random) -> Question:
    ids = {"user_id": f"u-{chance.random()}", "device_id": f"d-ä{chance.random()}", "session_id": f"s{chance.random()}"}
    attributes = {
        "country": chance.choice(["IN", "BR", "DE", None]),
        "app_version": chance.choice(["5.10", "5.1.9", "5.2.0", "4"]),
        "platform": chance.choice(["android", "ios", 7]),
        "age": chance.choice([18, 30.0, 44, "30"]),
        "tags": chance.choice([["vip"], [], ["new", "vip"], "vip"]),
    }
    unit = {name: ids[name] for name in chance.sample(sorted(ids), chance.randint(1, 3))}
    return Question(unit=unit, scenario=chance.choice(["all", "home", "search"]), attributes=attributes, log=False)


def test_a_server_killed_and_started_again_under_load_breaks_no_page_and_loses_no_event(
    running: Running, tmp_path: Path
) -> None:
    """kill -9 of every process of the server, twice, while eight threads ask, decide and track."""
    before = set(running.stored())
    options = Options(patience=Patience(deadline=0.5), refresh=0.2)
    here = Firstlight(running.url, running.key, folder=tmp_path, local=True, options=options)
    assert here.wait_until_ready(20)
    stopped, sources, errors = threading.Event(), Counter[str](), []

    def visit(thread: int) -> None:
        number = 0
        while not stopped.wait(0.005):
            number += 1
            unit = {"user_id": f"u-{thread}-{number % 50}"}
            try:
                asked, made = here.allocate(unit, "home"), here.assign(unit, "home", expose=False)
                here.track("click", answer=asked, item_id=f"i-{thread}-{number}")
            except Exception as error:
                errors.append(error)
                return
            sources.update([asked.source, made.source])

    threads = [threading.Thread(target=visit, args=[i]) for i in range(8)]
    for thread in threads:
        thread.start()
    try:
        for _ in range(2):
            stopped.wait(1.0)
            _kill(running.server)
            stopped.wait(1.5)
            running.server.serve(running.server.port)
        stopped.wait(1.0)
    finally:
        stopped.set()
        for thread in threads:
            thread.join()
    assert errors == []
    assert sources["remote"] > 0
    assert sources["local"] > 0
    assert sources["defaults"] == 0
    assert within(60, lambda: here.flush(2))
    counts = here.counts
    here.close()
    assert (counts.dropped, counts.rejected, counts.waiting) == (0, 0, 0)
    stored = running.stored()
    assert set(stored.values()) == {1}
    assert len(set(stored) - before) == counts.tracked == counts.accepted + counts.duplicates


def _kill(server: Server) -> None:
    """All of it at once: the workers of granian outlive a parent that is killed."""
    assert server.process
    pid = server.process.pid
    workers = [
        int(one) for task in Path(f"/proc/{pid}/task").iterdir() for one in (task / "children").read_text().split()
    ]
    for one in (pid, *workers):
        os.kill(one, signal.SIGKILL)
    server.process.wait()
    assert within(10, lambda: not any(siblings.is_alive(one) for one in workers))
