"""Decisions in packs come out as they went in, under ids of their own, as rows of the lake that can be replayed."""

import json
import random
import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from firstlight.events import inbox, packs
from firstlight.events.flush import columns
from firstlight.events.packs import Decided, Pack
from firstlight.lake import schema

AT = 1_795_428_000_123_456
ANSWER: dict[str, Any] = {
    "trace_id": "t",
    "snapshot": 7,
    "expires_in": 10,
    "scenario": "home_feed",
    "journey_stage": "browsing",
    "experiments": [{"experiment": "e", "variant": "v", "phase": 2, "in_holdout": False}],
    "parameters": {"ranker": "din", "quota": 1.0},
    "objectives": {"weights": {"user": 0.5, "merchant": 0.2, "platform": 0.3}, "source": "default", "version": 0},
    "discovery": [
        {"position": 3, "item_id": "i", "campaign": "c", "table": 5, "row": 8, "propensity": 0.25, "source": "table"}
    ],
    "floors": {"c": 0.05},
}
UNIT = {"unit": {"user_id": "u", "item_id": "i"}, "scenario": "home_feed"}


def decided(asked: Any = UNIT, answer: Any = ANSWER, at: int = AT) -> Decided:
    return Decided(at, json.dumps(asked, indent=1).encode(), msgspec.json.encode(answer))


def rows(pack: Pack) -> list[dict[str, Any]]:
    return [json.loads(line) for line in packs.lines(pack.event_id, pack.packed)]


def row(**asked: Any) -> dict[str, Any]:
    (found,) = rows(packs.pack([decided(UNIT | asked)]))
    return found


@settings(max_examples=50, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 2**62), st.binary(), st.binary()), min_size=1, max_size=30))
def test_what_was_packed_comes_out_in_order_byte_for_byte(drawn: list[tuple[int, bytes, bytes]]) -> None:
    pack = packs.pack([Decided(*one) for one in drawn])
    found = [*packs.unpacked(pack.event_id, pack.packed)]
    assert [(one.at, one.asked, one.answer) for _, one in found] == drawn
    assert pack.n_events == len(drawn)


def test_ids_are_the_same_at_every_reading_begin_with_the_packs_own_and_never_meet() -> None:
    made = [packs.pack([decided()] * 1_000) for _ in range(20)]
    ids = [[event_id for event_id, _ in packs.unpacked(one.event_id, one.packed)] for one in made]
    assert ids == [[event_id for event_id, _ in packs.unpacked(one.event_id, one.packed)] for one in made]
    assert [own[0] for own in ids] == [one.event_id for one in made]
    assert len({event_id for own in ids for event_id in own}) == 20_000
    assert {uuid.UUID(event_id).version for own in ids for event_id in own} == {7}


def test_every_name_is_a_column_of_the_lake() -> None:
    found = row()
    assert set(found) <= set(schema.EVENTS.names)
    assert set(found["discovery"][0]) == {field.name for field in schema.DISCOVERY}
    assert set(found["assignments"][0]) == {field.name for field in schema.ASSIGNMENT}
    assert (found["type"], found["at"], found["snapshot"], found["trace_id"]) == ("decision", AT, 7, "t")
    assert columns(msgspec.json.encode(found), 1).num_rows == 1


def test_properties_hold_what_is_needed_to_decide_again() -> None:
    asked: dict[str, Any] = {
        "attributes": {"country": "IN", "size": 1.0},
        "recent": [{"event": "view", "item_id": "i", "at": "2026-11-23T10:00:00+05:30"}],
        "slots": 5,
        "exclude_items": ["b", "a", "b"],
        "eligible": {"category": ["dress"], "tags": None},
    }
    told = row(**asked, log=True, propensities=True, trace_id="t")["properties"]
    assert json.loads(told) == {
        **asked,
        "exclude_items": ["a", "b"],
        "eligible": {"category": ["dress"]},
        "parameters": ANSWER["parameters"],
        "objectives": ANSWER["objectives"],
        "journey_stage": "browsing",
        "floors": {"c": 0.05},
    }
    assert '"size":1.0' in told, "numbers stay what they were"


def test_what_was_not_asked_is_told_as_what_it_then_is() -> None:
    told = json.loads(row(eligible=None)["properties"])
    unstated: dict[str, Any] = {"attributes": {}, "recent": [], "slots": None, "exclude_items": [], "eligible": {}}
    assert {name: told[name] for name in unstated} == unstated


def test_ids_that_are_null_are_not_there() -> None:
    assert "device_id" not in row(unit={"user_id": "u", "device_id": None})


def test_a_decision_takes_a_tenth_of_its_bytes() -> None:
    rng = random.Random(5)
    experiments = [
        {"experiment": f"e{i}", "variant": rng.choice("ab"), "phase": 1, "in_holdout": False} for i in range(50)
    ]
    many = [decided(UNIT | {"unit": {"user_id": f"u-{i}"}}, ANSWER | {"experiments": experiments}) for i in range(500)]
    raw = sum(len(one.asked) + len(one.answer) for one in many)
    assert len(packs.pack(many).packed) < raw / 10


@pytest.mark.django_db(transaction=True)
def test_a_pack_that_is_sent_again_is_a_duplicate_also_after_midnight() -> None:
    inbox.close()
    pack, at = packs.pack([decided()] * 3), datetime(2026, 11, 23, 12, tzinfo=UTC)
    assert inbox.store_packs([pack], at=at) == inbox.Stored(1, 0)
    assert inbox.store_packs([pack], at=at) == inbox.Stored(0, 1)
    assert inbox.store_packs([pack], at=at + timedelta(days=1)) == inbox.Stored(0, 1)
    with inbox.connected() as connection:
        found = connection.execute(
            "SELECT event_id::text, n_events, packed FROM events_inbox WHERE event_id = %s", [pack.event_id]
        ).fetchall()
    assert found == [tuple(pack)]
    inbox.close()


def test_what_was_forced_on_a_tester_stands_apart_from_what_counts_as_exposure() -> None:
    forced = {"experiment": "f", "variant": "new", "phase": 1, "in_holdout": False, "forced": True}
    answer = ANSWER | {"experiments": [*ANSWER["experiments"], forced]}
    (found,) = rows(packs.pack([decided(UNIT | {"forced": "a.token"}, answer)]))
    assert found["assignments"] == [{"experiment": "e", "variant": "v", "phase": 2}]
    told = json.loads(found["properties"])
    assert told["forced_arms"] == [{"experiment": "f", "variant": "new", "phase": 1}]
    assert told["forced"] == "a.token"  # so that it can be decided again
    assert "forced_arms" not in json.loads(row()["properties"])
