from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import msgspec
import pytest

from firstlight.events import inbox

HERE = "/api/v1/events"


def event(**changes: Any) -> dict[str, Any]:
    return {
        "event_id": str(uuid4()),
        "type": "visit",
        "at": datetime.now(UTC).isoformat(),
        "unit": {"user_id": "u"},
        "scenario": "search",
    } | changes


@pytest.fixture
def kept(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """What reached the inbox."""
    rows: list[Any] = []

    def store(new: Any) -> inbox.Stored:
        known = {row.event_id for row in rows}
        fresh = [row for row in new if row.event_id not in known]
        rows.extend(fresh)
        return inbox.Stored(len(fresh), len(new) - len(fresh))

    monkeypatch.setattr(inbox, "store", store)
    return rows


def test_good_events_are_stored_and_bad_ones_told(client: Any, kept: list[Any]) -> None:
    good = event()
    got = client.post(HERE, [good, event(type="click"), event(unit={})])
    assert got.status == 200
    answer = got.json
    assert (answer["accepted"], answer["duplicates"]) == (1, 0)
    assert [(r["index"], r["pointer"]) for r in answer["rejected"]] == [(1, "/item_id"), (2, "/unit")]
    assert all(r["detail"] for r in answer["rejected"])
    assert [row.event_id for row in kept] == [good["event_id"]]


def test_ndjson_is_taken_line_by_line(client: Any, kept: list[Any]) -> None:
    lines = b"\n".join(msgspec.json.encode(event()) for _ in range(3))
    assert client.post(HERE, lines, CONTENT_TYPE="application/x-ndjson").json["accepted"] == 3


def test_without_the_scope_nothing_is_taken(client: Any, kept: list[Any]) -> None:
    client.key = "reader"
    assert client.post(HERE, [event()]).status == 403
    assert kept == []


def test_a_key_for_one_scenario_takes_events_of_that_one(client: Any, kept: list[Any]) -> None:
    client.key = "search"
    answer = client.post(HERE, [event(), event(scenario="home_feed")]).json
    assert (answer["accepted"], [r["pointer"] for r in answer["rejected"]]) == (1, ["/scenario"])


def test_old_events_need_the_scope_for_them(client: Any, kept: list[Any]) -> None:
    assert client.post(HERE, [event(at="2020-01-01T00:00:00Z")]).json["accepted"] == 0


def test_too_many_events_are_too_large(client: Any, kept: list[Any]) -> None:
    small = b"[" + b",".join([b"{}"] * 10_001) + b"]"
    assert client.post(HERE, small).status == 413


@pytest.mark.parametrize("raw", [b"", b"{}", b"[", b"5", b'"x"', b"\xff", b"[" * 100_000])
def test_what_is_no_array_is_malformed(client: Any, kept: list[Any], raw: bytes) -> None:
    got = client.post(HERE, raw)
    assert got.status == 400
    assert got.headers["Content-Type"] == "application/problem+json"


@pytest.mark.parametrize("depth", [500, 980, 990, 1_000, 5_000])
def test_nesting_never_breaks_it(client: Any, kept: list[Any], depth: int) -> None:
    nested = msgspec.Raw(b'{"a":' + b"[" * depth + b"]" * depth + b"}")
    got = client.post(HERE, [event(), event(properties=nested)])
    assert got.status in (200, 400)


def test_with_the_database_away_nothing_is_acknowledged(client: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def away(_: Any) -> None:
        raise inbox.Unavailable("the reason")

    monkeypatch.setattr(inbox, "store", away)
    got = client.post(HERE, [event()])
    assert got.status == 503
    assert int(got.headers["Retry-After"]) >= 1
    assert b"accepted" not in got.body.replace(b"nothing was accepted", b"")
    assert b"the reason" not in got.body
