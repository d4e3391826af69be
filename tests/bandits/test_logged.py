"""Which logged choices a policy is valued from: their propensities, from our decisions or the sender, and clicks."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import ibis
import pyarrow as pa
import pytest

from bandits import logged
from firstlight.events.flush import columns
from firstlight.lake.schema import EVENTS

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def event(kind: str, trace: str | None, item: str | None = None, *, hours: float = 0, **more: Any) -> dict[str, Any]:
    at = (NOON + timedelta(hours=hours) - EPOCH) // timedelta(microseconds=1)
    return {
        "event_id": f"{kind}{trace}{item}{hours}",
        "type": kind,
        "at": at,
        "trace_id": trace,
        "item_id": item,
    } | more


def decided(trace: str, *slots: tuple[str, int, float]) -> dict[str, Any]:
    return event(
        "decision",
        trace,
        discovery=[
            {"item_id": i, "position": r, "propensity": p, "campaign": "c", "table": 1, "row": 0, "source": "table"}
            for i, r, p in slots
        ],
    )


def found(*events: dict[str, Any]) -> list[tuple[Any, ...]]:
    lines = "\n".join(json.dumps({k: v for k, v in e.items() if v is not None}) for e in events).encode()
    table: pa.Table = columns(lines, 1)
    assert table.schema == EVENTS
    rows = logged.choices(ibis.memtable(table), attribution=timedelta(hours=24)).to_pyarrow().to_pylist()
    return sorted((r["view"], r["item_id"], r["position"], r["propensity"], r["clicked"]) for r in rows)


def test_a_choice_of_ours_has_the_propensity_that_we_logged() -> None:
    assert found(
        decided("t", ("x", 3, 0.04), ("y", 8, 0.5)),
        event("impression", "t", "x", hours=0.1),
        event("impression", "t", "y", hours=0.1),
        event("click", "t", "y", hours=0.2),
    ) == [("t", "x", 3, 0.04, False), ("t", "y", 8, 0.5, True)]


def test_a_choice_of_the_senders_has_the_propensity_that_was_sent() -> None:
    shown = event("impression", "t", "x", position=2, propensity=0.0125)
    assert found(shown) == [("t", "x", 2, 0.0125, False)]


@pytest.mark.parametrize(
    "shown",
    [
        event("impression", "t", "x", position=2),
        event("impression", "t", "x", propensity=0.5),
        event("impression", None, "x", position=2, propensity=0.5),
    ],
)
def test_without_a_propensity_a_position_and_a_trace_there_is_no_choice(shown: dict[str, Any]) -> None:
    assert found(shown) == []


@pytest.mark.parametrize(("hours", "counts"), [(-0.1, False), (0, True), (24, True), (24.1, False)])
def test_a_click_counts_from_the_impression_to_the_end_of_its_time(hours: float, counts: bool) -> None:
    shown = event("impression", "t", "x", position=2, propensity=0.5)
    click = event("click", "t", "x", hours=hours)
    assert found(shown, click, event("click", "other", "x"), event("click", "t", "z")) == [("t", "x", 2, 0.5, counts)]


def test_two_clicks_and_a_decision_given_twice_make_one_choice() -> None:
    once = decided("t", ("x", 3, 0.04))
    shown = event("impression", "t", "x")
    clicks = [event("click", "t", "x", hours=h) for h in (0.1, 0.2)]
    assert found(once, once | {"event_id": "again"}, shown, *clicks) == [("t", "x", 3, 0.04, True)]
