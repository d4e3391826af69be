"""GET /api/features/{client_key}: who is told what, by which headers, and when it is a 304."""

import gzip
from datetime import UTC, datetime
from typing import Any

import pytest

from firstlight.accounts.client_keys import HeldClientKey
from firstlight.assignment.index import Published
from firstlight.assignment.rules import Arm, Rule
from firstlight.serving import growthbook
from firstlight.snapshots import memory
from firstlight.snapshots.memory import Held
from tests.firstlight.assignment.test_assignment import rule
from tests.firstlight.serving.conftest import KEYS, Client

PATH = "/api/features/sdk-all"
ARMS = (Arm("control", 0.5), Arm("din", 0.5, {"ranker": "din"}, {"user": 1.0}))
RULES = [
    rule("a", arms=ARMS),
    rule("b", arms=ARMS, scenarios=("home", "search"), forced={"u-7": "din"}),
    rule("c", arms=ARMS, condition={"country": {"$inGroup": "south"}}),
]


def holding(number: int, rules: list[Rule]) -> Held:
    keys = [
        HeldClientKey("sdk-all", frozenset(), tells_lists=True),
        HeldClientKey("sdk-search", frozenset({"search"}), tells_lists=False),
        HeldClientKey("sdk-quiet", frozenset(), tells_lists=False),
    ]
    states = {
        "keys": {key.public_id: key for key in KEYS},
        "client_keys": {key.key: key for key in keys},
        "scenarios": frozenset({"home", "search"}),
        "experiments": Published.of(rules, {"south": ["IN", "BR"], "unused": ["x"]}),
    }
    return Held(number, datetime.now(UTC), {}, {}, states)


@pytest.fixture(autouse=True)
def hold(client: Client, monkeypatch: pytest.MonkeyPatch) -> Any:
    client.key = None

    def hold(held: Held) -> None:
        monkeypatch.setattr(memory, "current", lambda: held)

    hold(holding(7, RULES))
    return hold


def test_a_key_tells_of_its_scenarios_without_proof(client: Client) -> None:
    everything = client.ask("GET", PATH).json
    part = client.ask("GET", "/api/features/sdk-search").json
    assert everything["status"] == 200
    assert set(everything["features"]) == {"ranker", "experiment.a", "experiment.b", "experiment.c"}
    assert everything["savedGroups"] == {"south": ["IN", "BR"]}
    assert set(part["features"]) == {"ranker", "experiment.b"}
    assert b"home" not in client.ask("GET", "/api/features/sdk-search").body


def test_lists_of_ids_and_weights_of_objectives_stay_here(client: Client) -> None:
    told = client.ask("GET", "/api/features/sdk-quiet")
    assert set(told.json["features"]) == {"ranker", "experiment.a", "experiment.b"}
    assert told.json["savedGroups"] == {}
    assert not [word for word in (b"u-7", b"south", b"IN", b'"user"') if word in told.body]
    assert b"u-7" in client.ask("GET", PATH).body


def test_any_page_may_ask_and_any_cache_may_keep(client: Client, settings: Any) -> None:
    settings.STREAMS_URL = "https://streams.example"
    headers = client.ask("GET", PATH).headers
    assert headers["Cache-Control"] == "public, max-age=30, stale-while-revalidate=3600, stale-if-error=36000"
    assert headers["Access-Control-Allow-Origin"] == "*"
    assert headers["x-sse-support"] == "enabled"
    assert "x-sse-support" in headers["Access-Control-Expose-Headers"]
    assert headers["Vary"] == "Accept-Encoding"
    settings.STREAMS_URL = ""
    assert "x-sse-support" not in client.ask("GET", PATH).headers


def test_the_same_tag_is_a_304_until_an_experiment_changes(client: Client, hold: Any) -> None:
    first = client.ask("GET", PATH)
    hold(holding(8, RULES))
    same = client.ask("GET", PATH, HTTP_IF_NONE_MATCH=first.headers["ETag"])
    assert (same.status, same.body, same.headers["ETag"]) == (304, b"", first.headers["ETag"])
    assert same.headers["Cache-Control"] == first.headers["Cache-Control"]
    hold(holding(9, RULES[:1]))
    changed = client.ask("GET", PATH, HTTP_IF_NONE_MATCH=first.headers["ETag"])
    assert changed.status == 200
    assert changed.headers["ETag"] != first.headers["ETag"]


def test_it_comes_compressed_for_who_takes_it(client: Client) -> None:
    plain = client.ask("GET", PATH)
    got = client.ask("GET", PATH, HTTP_ACCEPT_ENCODING="gzip, br")
    assert got.headers["Content-Encoding"] == "gzip"
    assert gzip.decompress(got.body) == plain.body
    assert got.headers["ETag"] != plain.headers["ETag"]
    assert client.ask("GET", PATH, HTTP_IF_NONE_MATCH=got.headers["ETag"]).status == 304


@pytest.mark.parametrize("path", ["/api/features/sdk-none", "/api/features/sdk-all/", "/api/features/sdk-\xc3\xa4"])
def test_an_unknown_key_is_a_problem_that_a_page_may_read(client: Client, path: str) -> None:
    got = client.ask("GET", path)
    assert got.status == 404
    assert got.headers["Content-Type"] == "application/problem+json"
    assert got.headers["Access-Control-Allow-Origin"] == "*"
    assert got.headers["Cache-Control"] == "no-store"


def test_head_and_options_are_answered_and_post_is_not(client: Client) -> None:
    head, asked = client.ask("HEAD", PATH), client.ask("OPTIONS", PATH)
    assert (head.status, head.body) == (200, b"")
    assert int(head.headers["Content-Length"]) == len(client.ask("GET", PATH).body)
    assert (asked.status, asked.headers["Access-Control-Allow-Headers"]) == (204, "*")
    assert client.post(PATH, {}).status == 405


def test_the_bytes_are_made_once_for_each_state(client: Client, hold: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[bool] = []

    def payload(*given: Any, lists: bool) -> dict[str, Any]:
        made.append(lists)
        return {}

    monkeypatch.setattr(growthbook, "payload", payload)
    hold(holding(10, RULES))
    assert [client.ask("GET", PATH).json for _ in range(5)] == [{}] * 5
    assert made == [True]
