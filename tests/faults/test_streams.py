"""Streams of a real server: a change is heard of within two seconds, also after the database was gone."""

import json
import queue
import random
import socket
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

import httpx
import pytest

from bench import hostile
from firstlight.demo import services
from firstlight.postgres import embedded
from tests.faults.server import ROOT, Server, with_database, within

pytestmark = pytest.mark.slow

SETUP = """
from django.core.management import call_command
from firstlight.accounts import client_keys, keys
from firstlight.catalog.models import Scenario
from firstlight.snapshots.publication import publish
call_command("migrate", verbosity=0)
Scenario.objects.create(key="home", name="Home")
result = [keys.create("one", ["allocate"], [], "test")[1]]
result += [client_keys.create(name, [], "test", tells_lists=True).key for name in ("page", "shop")]
publish()
"""
CHANGE = """
import time
from firstlight.catalog.models import Scenario
from firstlight.snapshots.publication import publish
Scenario.objects.create(key="scenario-%d", name="One more")
result = [publish(), time.time()]
"""
NOTHING = """
from firstlight.accounts import keys
from firstlight.snapshots.publication import publish
keys.create("another", ["read"], [], "test")
result = publish()
"""
REVOKED = """
from firstlight.accounts import keys
from firstlight.accounts.models import ApiKey
from firstlight.snapshots.publication import publish
keys.revoke(ApiKey.objects.get(name="one"), "test")
result = publish()
"""
ELSEWHERE = "http://127.0.0.1:1"  # what an operator says of where streams are; the port is not known yet
CLOSED = 0  # a connection, without an answer
CONTEXT = {"context": {"targetingKey": "u", "scenario": "home"}}


class Ear:
    """What comes on one stream, with the time when it came."""

    def __init__(self, url: str, **headers: str) -> None:
        self.heard: queue.Queue[tuple[dict[str, str], float]] = queue.Queue()
        self.status: int | None = None
        self._stream = threading.Thread(target=self._listen, args=(url, headers), daemon=True)
        self._stream.start()

    @property
    def is_over(self) -> bool:
        return not self._stream.is_alive()

    def _listen(self, url: str, headers: dict[str, str]) -> None:
        event: dict[str, str] = {}
        with suppress(httpx.RemoteProtocolError), httpx.stream("GET", url, headers=headers, timeout=60) as answer:
            self.status = answer.status_code
            for line in answer.iter_lines():
                name, _, value = line.partition(": ")
                if line:
                    event[name] = value
                elif "data" in event:
                    self.heard.put((event, time.time()))
                if not line:
                    event = {}


@contextmanager
def streaming(server: Server) -> Iterator[str]:
    command = [
        sys.executable,
        "-m",
        *services.streaming("127.0.0.1", server.port + 1),
        "firstlight.streams.asgi:application",
    ]
    with (server.var_dir / "streams.log").open("ab") as log:
        process = subprocess.Popen(command, env=server.environment, cwd=ROOT, stdout=log, stderr=log)
    address = f"http://127.0.0.1:{server.port + 1}"
    try:
        assert within(30, lambda: _alive(address)), (server.var_dir / "streams.log").read_text()
        yield address
    finally:
        process.terminate()
        process.wait(30)


def _alive(address: str) -> bool:
    try:
        return httpx.get(f"{address}/nothing", timeout=2).status_code == 404  # 503 before it holds a snapshot
    except httpx.TransportError:
        return False


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    with with_database(tmp_path) as here:
        yield here


def test_a_change_is_heard_of_by_whoever_listens(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    key, page, _ = server.django(SETUP)
    monkeypatch.setenv("STREAMS_URL", ELSEWHERE)
    server.serve()
    told = server.ask("POST", "/ofrep/v1/evaluate/flags", key, json=CONTEXT).json()
    (stream,) = told["eventStreams"]
    with streaming(server) as address:
        ofrep = stream["url"].replace(ELSEWHERE, address)
        assert httpx.get(ofrep[:-1]).status_code == 401  # not what was signed
        assert httpx.get(f"{address}/sub/sdk-1").status_code == 404
        ears = [Ear(ofrep), Ear(f"{address}/sub/{page}")]
        assert within(10, lambda: [ear.status for ear in ears] == [200, 200])
        server.django(NOTHING)
        number, at = server.django(CHANGE % 1)
        (one, one_at), (other, other_at) = (ear.heard.get(timeout=20) for ear in ears)
        assert (one["event"], one["id"], json.loads(one["data"])["type"]) == (
            "message",
            str(number),
            "refetchEvaluation",
        )
        assert (other["event"], other["id"]) == ("features", str(number))
        assert json.loads(other["data"]) == server.ask("GET", f"/api/features/{page}").json()
        assert max(one_at, other_at) - at < 2
        late = Ear(ofrep, **{"Last-Event-ID": str(number - 1)})
        assert late.heard.get(timeout=10)[0]["id"] == str(number)
        embedded.stop(server.cluster, mode="immediate")
        embedded.start(server.cluster)
        number, _ = server.django(CHANGE % 2)
        assert {ear.heard.get(timeout=30)[0]["id"] for ear in ears} == {str(number)}
        server.django(REVOKED)
        assert within(10, lambda: ears[0].is_over and not ears[1].is_over)
        assert httpx.get(ofrep).status_code == 401


def test_streams_are_bounded_and_free_when_clients_go(server: Server) -> None:
    _, page, shop = server.django(SETUP)
    server.serve()
    with streaming(server) as address, httpx.Client(timeout=10, limits=httpx.Limits(max_connections=None)) as client:
        held = [_opened(client, f"{address}/sub/{page}") for _ in range(501)]
        assert [one.status_code for one in held].count(503) == 1
        assert held[-1].headers["Retry-After"]
        assert _opened(client, f"{address}/sub/{shop}").status_code == 200
        for one in held:
            one.close()
        assert within(10, lambda: httpx.get(f"{address}/healthz").json()["streams"] <= 1)


def _opened(client: httpx.Client, url: str) -> Any:
    return client.send(client.build_request("GET", url), stream=True)


def test_hostile_clients_are_refused_or_listen_and_leave_nothing_behind(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    key, page, _ = server.django(SETUP)
    monkeypatch.setenv("STREAMS_URL", ELSEWHERE)
    server.serve()
    (stream,) = server.ask("POST", "/ofrep/v1/evaluate/flags", key, json=CONTEXT).json()["eventStreams"]
    chance = random.Random(11)
    right = [f"/sub/{page}", stream["url"].removeprefix(ELSEWHERE)]
    with streaming(server) as address:
        statuses = Counter(_status(address, _hostile(chance, right)) for _ in range(3_000))
        assert set(statuses) <= {CLOSED, 200, 400, 401, 404, 405, 414, 431}, statuses
        assert {200, 401, 404, 405} <= set(statuses), statuses
        assert within(10, lambda: httpx.get(f"{address}/healthz").json() == {"status": "alive", "streams": 0})
    told = (server.var_dir / "streams.log").read_text()
    assert "Traceback" not in told, told


def _hostile(chance: random.Random, right: list[str]) -> bytes:
    path = chance.choice([*right, "/sub/", "/ofrep/v1/stream", "/healthz", "/"])
    if chance.random() < 0.5:
        path += chance.choice(["?", "?token=", "&token=", "/", "%00", ""]) + quote(_word(chance), safe="%/&=?:")
    method = chance.choice(["GET"] * 8 + ["HEAD", "POST", "OPTIONS"])
    seen = chance.choice([_word(chance).replace("\n", ""), "0", "1", "9" * 40, "-1", "\u00b2"])
    head = f"{method} {path} HTTP/1.1\r\nHost: localhost\r\nLast-Event-ID: {seen}\r\n\r\n"
    return head.encode("utf-8", "replace")


def _word(chance: random.Random) -> str:
    return chance.choice([*hostile.WORDS, *hostile.HEADERS]).encode("utf-8", "replace").decode()


def _status(address: str, head: bytes) -> int:
    """Of the answer, whose client hangs up at once."""
    place = urlsplit(address)
    with socket.create_connection((place.hostname or "", place.port or 0), timeout=10) as connection:
        with suppress(BrokenPipeError, ConnectionResetError):  # refused before all was sent
            connection.sendall(head)
        try:
            line = connection.recv(64)
        except ConnectionResetError:
            return CLOSED
    return int(line.split()[1]) if line else CLOSED
