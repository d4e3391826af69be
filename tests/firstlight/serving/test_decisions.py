"""A decision keeps the bytes that came and went, and counts what was left open."""

from datetime import UTC, datetime
from typing import Any

import msgspec

from firstlight.serving import allocations, decisions
from firstlight.serving.decisions import Decision
from firstlight.snapshots.memory import Held
from firstlight.snapshots.sections import Request

AT = datetime(2026, 11, 23, 10, 0, 0, 123456, tzinfo=UTC)
ASKED = b'{"unit": {"user_id": "u"}, "scenario": "home_feed"}'


def decided(held: Held, propensity: float | None = None) -> Decision:
    request = Request(unit={"user_id": "u"}, scenario="home_feed", trace_id="t", at=AT)
    answer = allocations.decide(held, request)
    answer["discovery"][0]["propensity"] = propensity
    return decisions.decided(held, request, ASKED, answer, decisions.encoded(answer))


def test_time_is_in_whole_microseconds_since_1970(held: Held) -> None:
    assert decisions.kept(decided(held)).at == 1_795_428_000_123_456  # date -u -d "2026-11-23 10:00:00.123456" +%s%6N


def test_what_came_and_went_is_kept_as_it_was(held: Held) -> None:
    kept = decisions.kept(decisions.completed(decided(held, 0.5)))
    told: dict[str, Any] = msgspec.json.decode(kept.answer)
    assert kept.asked == ASKED
    assert told["discovery"][0]["propensity"] == 0.5
    assert not [name for name in told if name.startswith("_")], "words between sections are not sent"


def test_what_is_whole_holds_on_to_nothing(held: Held) -> None:
    assert decided(held, 0.5).left is None
    assert decided(held).left is not None
    assert decisions.completed(decided(held)).left is None


def test_what_was_left_open_is_counted_and_nothing_else_changes(held: Held) -> None:
    before = decided(held)
    first, second = (msgspec.json.decode(one.answer) for one in (before, decisions.completed(before)))
    assert first["discovery"][0].pop("propensity") is None
    assert second["discovery"][0].pop("propensity") == 0.25
    assert first == second
