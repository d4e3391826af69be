"""GET /api/v1/rules: whose rules, which bytes, when they are the same."""

import gzip
from datetime import UTC, datetime
from typing import Any

import pytest

from firstlight.assignment import published
from firstlight.assignment.index import Published
from firstlight.assignment.rules import Rule
from firstlight.serving import publishing
from firstlight.snapshots import memory
from firstlight.snapshots.memory import Held
from tests.firstlight.assignment.test_assignment import rule
from tests.firstlight.serving.conftest import KEYS, Client

PATH = "/api/v1/rules"


def holding(number: int, rules: list[Rule]) -> Held:
    states = {
        "keys": {key.public_id: key for key in KEYS},
        "scenarios": frozenset({"home", "search"}),
        "experiments": Published.of(rules),
    }
    return Held(number, datetime.now(UTC), {}, {}, states)


@pytest.fixture
def hold(client: Client, monkeypatch: pytest.MonkeyPatch) -> Any:
    def hold(held: Held) -> None:
        monkeypatch.setattr(memory, "current", lambda: held)

    hold(holding(7, [rule("a"), rule("b", scenarios=("home", "search"))]))
    return hold


def test_a_key_gets_the_rules_of_its_scenarios(client: Client, hold: Any) -> None:
    everything, part = published.decode(client.ask("GET", PATH).body), client
    part.key = "search"
    told = published.decode(part.ask("GET", PATH).body)
    assert [one.key for one in everything.rules] == ["a", "b"]
    assert everything.scenarios == ("home", "search")
    assert [(one.key, one.scenarios) for one in told.rules] == [("b", ("search",))]
    assert told.scenarios == ("search",)


@pytest.mark.parametrize(("key", "status"), [("reader", 403), ("nobody", 401), (None, 401)])
def test_without_the_scope_there_are_no_rules(client: Client, hold: Any, key: str, status: int) -> None:
    client.key = key
    assert client.ask("GET", PATH).status == status


def test_post_is_refused(client: Client, hold: Any) -> None:
    assert client.post(PATH, {}).status == 405


def test_the_tag_is_the_digest_and_the_same_tag_is_answered_by_304(client: Client, hold: Any) -> None:
    first = client.ask("GET", PATH)
    assert first.headers["ETag"] == f'"{published.digest(first.body)}"'
    again = client.ask("GET", PATH, HTTP_IF_NONE_MATCH=first.headers["ETag"])
    assert (again.status, again.body, again.headers["Firstlight-Snapshot"]) == (304, b"", "7")


def test_gzip_is_the_same_document_under_a_tag_of_its_own(client: Client, hold: Any) -> None:
    small = client.ask("GET", PATH, HTTP_ACCEPT_ENCODING="gzip")
    assert "Content-Encoding" not in small.headers
    hold(holding(7, [rule(f"e-{i}") for i in range(20)]))
    plain = client.ask("GET", PATH)
    squeezed = client.ask("GET", PATH, HTTP_ACCEPT_ENCODING="gzip, deflate")
    assert squeezed.headers["Content-Encoding"] == "gzip"
    assert gzip.decompress(squeezed.body) == plain.body
    assert squeezed.headers["ETag"] != plain.headers["ETag"]
    again = client.ask("GET", PATH, HTTP_ACCEPT_ENCODING="gzip", HTTP_IF_NONE_MATCH=squeezed.headers["ETag"])
    assert again.status == 304


def test_the_tag_stands_while_other_parts_of_the_snapshot_change(client: Client, hold: Any) -> None:
    tag = client.ask("GET", PATH).headers["ETag"]
    hold(holding(8, [rule("a"), rule("b", scenarios=("home", "search"))]))
    later = client.ask("GET", PATH, HTTP_IF_NONE_MATCH=tag)
    assert (later.status, later.headers["Firstlight-Snapshot"]) == (304, "8")
    hold(holding(9, [rule("a")]))
    assert client.ask("GET", PATH, HTTP_IF_NONE_MATCH=tag).status == 200


def test_bytes_are_made_once_for_a_version_and_set_of_scenarios() -> None:
    made: list[frozenset[str]] = []

    def make(state: Published, scenarios: frozenset[str]) -> publishing.Body:
        made.append(scenarios)
        return publishing.Body.of(state, scenarios)

    bodies, state, home = publishing.Bodies(make), Published.of([rule()]), frozenset({"home"})
    for _ in range(3):
        bodies.of(state, home)
        bodies.of(state, frozenset())
    assert made == [home, frozenset()]
    for number in range(2 * publishing.MOST_KEPT):
        bodies.of(state, frozenset({str(number)}))
    assert len(bodies._kept) == publishing.MOST_KEPT
    made.clear()
    bodies.of(Published.of([rule("new")]), home)
    assert made == [home]
