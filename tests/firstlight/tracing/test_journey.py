"""What became of each item of a trace, from rows alone."""

from datetime import UTC, datetime, timedelta
from typing import Any

from firstlight.events.traces import Trace
from firstlight.kernel.windows import Window
from firstlight.tracing.journey import journey

AT = datetime(2026, 11, 23, 10, tzinfo=UTC)
SEARCHED = Window(AT, AT + timedelta(days=1))


def slot(item: str, position: int) -> dict[str, Any]:
    return {"item_id": item, "position": position, "campaign": "new", "table": 5, "row": 7, "source": "table"}


def event(kind: str, seconds: float, item: str | None = None, **more: Any) -> dict[str, Any]:
    at = (AT + timedelta(seconds=seconds)).isoformat()
    known = {"item_id": item} if item else {}
    return {"event_id": f"{kind}-{item}-{seconds}", "type": kind, "at": at, **known, **more}


def trace(*events: dict[str, Any], slots: Any = (), decided: bool = True, **more: Any) -> Trace:
    decision = (
        {"event_id": "d", "type": "decision", "at": AT.isoformat(), "discovery": list(slots)} if decided else None
    )
    return Trace(decision, sorted(events, key=lambda one: one["at"]), SEARCHED, **more)


def test_an_item_goes_from_its_slot_to_the_order_step_by_step_with_the_time_each_took() -> None:
    found = journey(
        trace(
            event("order", 300, "a", value="12.5000", currency="INR", order_id="o-1"),
            event("impression", 1.5, "a", recall_source="i2i", ranker="din", score=0.7, position=3),
            event("click", 4, "a"),
            event("cart", 60, "a"),
            slots=[slot("b", 8), slot("a", 3)],
        )
    )
    first, second = found.ways
    assert [(step.type, step.delay) for step in first.steps] == [
        ("impression", 1.5),
        ("click", 4.0),
        ("cart", 60.0),
        ("order", 300.0),
    ]
    assert (first.item, first.recall_source, first.ranker, first.score, first.position) == ("a", "i2i", "din", 0.7, 3)
    assert (first.reached, second.reached, found.reached) == ("order", "placed", "order")
    assert (second.item, second.position, second.steps) == ("b", 8, ())
    assert (first.steps[3].value, first.steps[3].currency, first.steps[3].order_id) == ("12.5000", "INR", "o-1")


def test_items_that_no_slot_placed_come_after_those_that_were_and_what_names_none_comes_last() -> None:
    found = journey(trace(event("visit", 0), event("impression", 1, "z"), event("click", 2, "y"), slots=[slot("a", 1)]))
    assert [way.item for way in found.ways] == ["a", "z", "y", ""]
    assert [way.reached for way in found.ways] == ["placed", "impression", "click", ""]
    assert found.ways[-1].steps[0].type == "visit"


def test_without_a_decision_there_is_no_delay_and_all_else_is_told() -> None:
    found = journey(trace(event("click", 2, "a"), decided=False))
    assert found.asked_at is None
    assert found.ways[0].steps[0].delay is None
    assert found.reached == "click"


def test_a_clock_that_is_behind_gives_a_delay_below_zero() -> None:
    assert journey(trace(event("impression", -3, "a"))).ways[0].steps[0].delay == -3.0


def test_what_waits_and_what_came_late_is_marked() -> None:
    early, late, fresh = event("click", 1, "a"), event("click", 2, "a"), event("click", 3, "a")
    arrived = {early["event_id"]: AT + timedelta(minutes=1), late["event_id"]: AT + timedelta(hours=5, seconds=2)}
    (way,) = journey(trace(early, late, fresh, arrived=arrived, waiting=frozenset({fresh["event_id"]}))).ways
    assert [(step.late_by, step.is_waiting) for step in way.steps] == [(None, False), (18_000.0, False), (None, True)]


def test_a_trace_of_nothing_reaches_nothing() -> None:
    found = journey(trace())
    assert (found.ways, found.reached) == ((), "")
