"""A snapshot made by hand, a journal that keeps its packs in a list, and a client that speaks WSGI."""

import gzip
import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any

import msgspec
import pytest

from firstlight.accounts.keys import HeldKey
from firstlight.events import packs
from firstlight.serving import allocations, decisions, dispatcher, journal
from firstlight.serving.journal import Journal
from firstlight.snapshots import memory
from firstlight.snapshots.memory import Held
from firstlight.snapshots.sections import Request


def key(name: str, *scopes: str, scenarios: Sequence[str] = ()) -> HeldKey:
    return HeldKey(name, sha256(b"secret").digest(), frozenset(scopes), frozenset(scenarios))


KEYS = [
    key("all", "allocate", "ingest"),
    key("reader", "read"),
    key("search", "allocate", "ingest", scenarios=["search"]),
]


@dataclass(frozen=True)
class Got:
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return msgspec.json.decode(self.body)


@dataclass
class Client:
    application: Callable[..., Any]
    key: str | None = "all"
    environ: dict[str, str] = field(default_factory=dict)

    def post(self, path: str, body: Any, **environ: Any) -> Got:
        raw = body if isinstance(body, bytes) else msgspec.json.encode(body)
        return self.ask("POST", path, raw, **{"CONTENT_TYPE": "application/json", **environ})

    def post_gzip(self, path: str, raw: bytes) -> Got:
        return self.post(path, raw, HTTP_CONTENT_ENCODING="gzip")

    def ask(self, method: str, path: str, body: bytes = b"", **environ: Any) -> Got:
        told: list[Any] = []
        given = {
            "REQUEST_METHOD": method,
            "PATH_INFO": path,
            "REMOTE_ADDR": "127.0.0.1",
            "CONTENT_LENGTH": str(len(body)),
            "wsgi.input": io.BytesIO(body),
            **({"HTTP_AUTHORIZATION": f"Bearer fl_{self.key}_secret"} if self.key else {}),
            **environ,
        }
        given = {name: value for name, value in given.items() if value is not None}
        chunks = self.application(given, lambda *a: told.append(a))
        ((status, headers),) = told
        return Got(int(status[:3]), dict(headers), b"".join(chunks))


def decide_ranker(state: dict[str, str], request: Request, answer: dict[str, Any]) -> None:
    """A section that gives everybody the same arm and one item whose propensity is counted later."""
    answer["experiments"].append({"experiment": "e", "variant": "v", "phase": 1, "in_holdout": False})
    answer["parameters"]["ranker"] = state["ranker"]
    answer["_word"] = "between sections"
    answer["discovery"].append(
        {"position": 3, "item_id": "i", "campaign": "c", "table": 5, "row": 8, "propensity": None, "source": "table"}
    )


def has_open_propensities(answer: dict[str, Any]) -> bool:
    return any(slot["propensity"] is None for slot in answer["discovery"])


def count_propensities(state: dict[str, str], request: Request, answer: dict[str, Any]) -> None:
    assert answer["_word"] == "between sections"
    answer["discovery"][0]["propensity"] = 0.25


@pytest.fixture
def held(monkeypatch: pytest.MonkeyPatch) -> Held:
    states = {
        "keys": {k.public_id: k for k in KEYS},
        "scenarios": frozenset({"home_feed", "search"}),
        "toy": {"ranker": "din"},
    }
    snapshot = Held(7, datetime.now(UTC), {}, {}, states)
    monkeypatch.setattr(memory, "current", lambda: snapshot)
    monkeypatch.setattr(allocations, "deciders", lambda: (("toy", decide_ranker),))
    monkeypatch.setattr(decisions, "completers", lambda: (("toy", has_open_propensities, count_propensities),))
    return snapshot


@pytest.fixture
def stored(monkeypatch: pytest.MonkeyPatch) -> Callable[[], list[dict[str, Any]]]:
    """What the journal has stored, once it is asked to write."""
    kept: list[packs.Pack] = []
    here = Journal(kept.extend)
    monkeypatch.setattr(journal, "_journal", here)

    def read() -> list[dict[str, Any]]:
        here.write()
        return [msgspec.json.decode(line) for pack in kept for line in packs.lines(pack.event_id, pack.packed)]

    return read


@pytest.fixture
def client(held: Held, stored: object) -> Client:
    def behind(environ: Any, start_response: Any) -> list[bytes]:
        start_response("200 OK", [("Server", "Django")])
        return [b"Django"]

    return Client(dispatcher.Dispatcher(behind))


def squeezed(raw: bytes) -> bytes:
    return gzip.compress(raw, 9)
