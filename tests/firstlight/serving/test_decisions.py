from datetime import UTC, datetime
from typing import Any

import msgspec

from firstlight.lake import schema
from firstlight.serving import allocations, decisions
from firstlight.serving.decisions import Decision
from firstlight.snapshots.memory import Held
from firstlight.snapshots.sections import Request

AT = datetime(2026, 11, 23, 10, 0, 0, 123456, tzinfo=UTC)


def row_of(held: Held, **asked: Any) -> dict[str, Any]:
    request = Request(unit={"user_id": "u", "item_id": "i"}, scenario="home_feed", trace_id="t", at=AT, **asked)
    decision = decisions.completed(Decision(held, request, allocations.decide(held, request)))
    row = decisions.row(decision)
    columns = msgspec.json.decode(row.payload)
    assert columns["event_id"] == row.event_id
    return dict(columns)


def test_every_name_is_a_column_of_the_lake(held: Held) -> None:
    row = row_of(held)
    assert set(row) <= set(schema.EVENTS.names)
    assert {d.name for d in schema.DISCOVERY} == set(row["discovery"][0])
    assert {a.name for a in schema.ASSIGNMENT} == set(row["assignments"][0])


def test_time_is_in_whole_microseconds_since_1970(held: Held) -> None:
    assert row_of(held)["at"] == 1_795_428_000_123_456  # date -u -d "2026-11-23 10:00:00.123456" +%s%6N


def test_properties_hold_what_is_needed_to_decide_again(held: Held) -> None:
    asked: dict[str, Any] = {
        "attributes": {"country": "IN"},
        "recent": ({"event": "view", "item_id": "i", "at": "2026-11-23T10:00:00Z"},),
        "slots": 5,
        "exclude_items": frozenset({"b", "a"}),
        "eligible": {"category": ["dress"]},
    }
    row = row_of(held, **asked)
    kept = msgspec.json.decode(row["properties"])
    again = Request(
        unit={"user_id": row["user_id"], "item_id": row["item_id"]},
        scenario=row["scenario"],
        trace_id=row["trace_id"],
        at=AT,
        attributes=kept["attributes"],
        recent=tuple(kept["recent"]),
        slots=kept["slots"],
        exclude_items=frozenset(kept["exclude_items"]),
        eligible=kept["eligible"],
    )
    first = Request(unit={"user_id": "u", "item_id": "i"}, scenario="home_feed", trace_id="t", at=AT, **asked)
    assert again == first


def test_two_decisions_under_one_trace_are_two_rows(held: Held) -> None:
    assert row_of(held)["event_id"] != row_of(held)["event_id"]
