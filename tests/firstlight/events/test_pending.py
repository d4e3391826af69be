"""A trace is visible as soon as its events are durable, before the lake has them, and told once while they move."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from unittest.mock import ANY

import msgspec
import pytest
import uuid_utils

from firstlight.events import inbox, packs, pending, traces
from firstlight.events.flush import flush
from firstlight.events.packs import Decided, Pack
from firstlight.events.parse import InboxRow

pytestmark = pytest.mark.django_db(transaction=True)

NOW = datetime.now(UTC)


@pytest.fixture(autouse=True)
def empty(settings: Any, tmp_path: Any) -> Iterator[None]:
    settings.LAKE_URL = (tmp_path / "lake").as_uri()
    with inbox.connected() as connection:
        connection.execute("TRUNCATE events_inbox")
    yield
    inbox.close()


def micros(at: datetime) -> int:
    return int(at.timestamp() * 1_000_000)


def click(trace: str, **more: Any) -> InboxRow:
    event_id = str(uuid_utils.uuid7())
    said = {"event_id": event_id, "type": "click", "at": micros(NOW), "trace_id": trace, "item_id": "i", **more}
    return InboxRow(event_id, msgspec.json.encode(said))


def decisions(*names: str) -> Pack:
    def one(trace: str) -> Decided:
        answer = {
            "trace_id": trace,
            "snapshot": 7,
            "scenario": "home",
            "journey_stage": None,
            "experiments": [],
            "parameters": {},
            "objectives": None,
            "discovery": [],
        }
        asked = {"unit": {"user_id": f"of {trace}"}, "scenario": "home"}
        return Decided(micros(NOW), msgspec.json.encode(asked), msgspec.json.encode(answer))

    return packs.pack([one(name) for name in names])


def test_what_waits_is_told_beside_what_the_lake_has_and_each_once() -> None:
    inbox.store_packs([decisions("a", "mine", "b")])
    flush()
    inbox.store([click("mine"), click("other"), click("mine, not")])
    inbox.store_packs([decisions("c", "mine")])
    found = traces.find("mine", at=NOW)
    assert found.decision is not None
    assert found.decision["user_id"] == "of mine"
    assert [event["type"] for event in found.events] == ["click"]
    assert len(found.again) == 1
    assert found.waiting == {found.events[0]["event_id"], found.again[0]["event_id"]}
    flush()
    assert traces.find("mine", at=NOW) == found._replace(waiting=frozenset(), arrived=ANY)


def test_a_decision_is_there_before_the_lake_is() -> None:
    inbox.store_packs([decisions("mine")])
    found = traces.find("mine", at=NOW)
    assert found.decision is not None
    assert found.decision["event_id"] in found.waiting


def test_an_event_that_moves_to_the_lake_between_the_two_readings_is_told_once(monkeypatch: pytest.MonkeyPatch) -> None:
    inbox.store([click("mine")])
    read = pending.of_trace

    def read_and_flush(trace_id: str) -> Any:
        rows = read(trace_id)
        flush()
        return rows

    monkeypatch.setattr(pending, "of_trace", read_and_flush)
    found = traces.find("mine", at=NOW)
    assert len(found.events) == 1
    assert not found.waiting


@pytest.mark.parametrize("trace", ['a"b', "a\\b", "a%b_", "日本", "\u2028", "it's"])
def test_a_trace_of_any_name_is_found_by_its_name_alone(trace: str) -> None:
    inbox.store([click(trace), click("another", properties=msgspec.json.encode({"said": trace}).decode())])
    inbox.store_packs([decisions(trace, "another")])
    rows = pending.of_trace(trace)
    assert [row["type"] for row in rows] == ["click", "decision"]
    assert {row["trace_id"] for row in rows} == {trace}


def test_an_event_that_tells_of_another_time_is_told_as_well() -> None:
    """Waiting events are few: none is left out by its day, so what comes weeks late is seen while it waits."""
    inbox.store([click("mine", at=micros(NOW - timedelta(days=20)))])
    assert len(traces.find("mine", at=NOW).events) == 1
