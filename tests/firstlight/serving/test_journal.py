import threading
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest

from firstlight.events import inbox, packs
from firstlight.events.packs import Pack
from firstlight.serving import allocations, decisions, journal, meters
from firstlight.serving.decisions import Decision
from firstlight.serving.journal import Journal
from firstlight.snapshots.memory import Held
from firstlight.snapshots.sections import Request


def decision(held: Held, trace_id: str) -> Decision:
    request = Request(unit={"user_id": "u"}, scenario="home_feed", trace_id=trace_id, at=datetime.now(UTC))
    answer = allocations.decide(held, request)
    asked = msgspec.json.encode({"unit": request.unit, "scenario": request.scenario, "trace_id": trace_id})
    return decisions.decided(held, request, asked, answer, decisions.encoded(answer))


class Inbox:
    """An inbox that can be away."""

    def __init__(self) -> None:
        self.trouble: Exception | None = None
        self.tries = 0
        self.batches: list[list[Pack]] = []

    def store(self, packed: Sequence[Pack]) -> None:
        self.tries += 1
        if self.trouble:
            raise self.trouble
        self.batches.append(list(packed))

    @property
    def decided(self) -> list[tuple[str, dict[str, Any]]]:
        """(event id, answer)."""
        kept = [one for batch in self.batches for pack in batch for one in packs.unpacked(pack.event_id, pack.packed)]
        return [(event_id, msgspec.json.decode(decided.answer)) for event_id, decided in kept]

    @property
    def traces(self) -> list[str]:
        return [answer["trace_id"] for _, answer in self.decided]


@pytest.fixture
def box() -> Inbox:
    return Inbox()


def fill(here: Journal, held: Held, n: int) -> list[str]:
    traces = [f"t{i}" for i in range(n)]
    for trace in traces:
        here.add(decision(held, trace))
    return traces


def test_what_is_added_is_stored_in_order_in_packs(held: Held, box: Inbox, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(journal, "PACK", 100)
    monkeypatch.setattr(journal, "BATCH", 3)
    here = Journal(box.store)
    traces = fill(here, held, 750)
    here.write()
    assert box.traces == traces
    assert [[pack.n_events for pack in batch] for batch in box.batches] == [[100] * 3, [100] * 3, [100, 50]]
    assert (here.waiting, here.dropped) == (0, 0)


def test_without_decisions_nothing_is_stored(box: Inbox) -> None:
    Journal(box.store).write()
    assert box.tries == 0


def test_while_the_database_is_away_decisions_wait_and_then_all_arrive(held: Held, box: Inbox) -> None:
    here = Journal(box.store)
    box.trouble = inbox.Unavailable("gone")
    traces = fill(here, held, 1_500)
    here.write()
    here.write()
    assert (here.waiting, box.traces) == (1_500, [])
    box.trouble = None
    here.write()
    assert (box.traces, here.waiting, here.dropped) == (traces, 0, 0)


def test_past_the_bound_decisions_are_counted_and_told(
    held: Held, box: Inbox, caplog: pytest.LogCaptureFixture
) -> None:
    here = Journal(box.store, most_queued=10, most_waiting=20)
    box.trouble = inbox.Unavailable("gone")
    for _ in range(5):
        fill(here, held, 10)
        here.write()
    assert here.waiting == 30
    assert here.dropped == 20
    here._said_at = float("-inf")  # a minute later
    here.write()
    assert "decisions" in caplog.text
    assert "20" in caplog.text
    box.trouble = None
    here.write()
    assert len(box.traces) == 30, "what waited is stored, what was dropped is counted"


def test_the_bound_holds_for_bytes_too(held: Held, box: Inbox, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(journal, "MOST_BYTES", 5_000)
    monkeypatch.setattr(journal, "PACK", 5)
    here = Journal(box.store)
    box.trouble = inbox.Unavailable("gone")
    fill(here, held, 200)
    for _ in range(3):
        here.write()
    assert 5_000 <= here._bytes < 6_500, "at most one pack past the bound"


def test_a_batch_that_is_never_taken_makes_room_in_the_end(held: Held, box: Inbox) -> None:
    here = Journal(box.store)
    box.trouble = RuntimeError("this row, never")
    fill(here, held, 3)
    for _ in range(journal.PATIENCE):
        assert here.dropped == 0
        here.write()
    assert (here.dropped, here.waiting, here._bytes, box.tries) == (3, 0, 0, journal.PATIENCE)
    box.trouble = None
    fill(here, held, 1)
    here.write()
    assert len(box.traces) == 1


def test_a_decision_that_cannot_be_finished_sinks_only_itself(held: Held, box: Inbox) -> None:
    here = Journal(box.store)
    bad = decision(held, "bad")
    assert bad.left
    bad.left.answer["discovery"][0]["item_id"] = object()
    here.add(bad)
    fill(here, held, 2)
    here.write()
    assert (box.traces, here.dropped) == (["t0", "t1"], 1)


def test_the_thread_writes_within_a_second_and_the_rest_at_the_end(held: Held, box: Inbox) -> None:
    here = Journal(box.store)
    here.start()
    fill(here, held, 5)
    end = time.monotonic() + 1.0
    while not box.traces and time.monotonic() < end:
        time.sleep(0.01)
    assert len(box.traces) == 5
    fill(here, held, 7)
    here.stop()
    assert len(box.traces) == 12


def test_nothing_is_lost_or_doubled_between_many_threads(held: Held, box: Inbox) -> None:
    here = Journal(box.store)
    here.start()
    threads = [threading.Thread(target=fill, args=(here, held, 500)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    here.stop()
    assert len(box.traces) == 4_000
    assert len({event_id for event_id, _ in box.decided}) == 4_000


def test_what_was_left_open_is_counted_before_it_is_kept(held: Held, box: Inbox) -> None:
    here = Journal(box.store)
    fill(here, held, 3)
    here.write()
    assert [[slot["propensity"] for slot in answer["discovery"]] for _, answer in box.decided] == [[0.25]] * 3


def test_who_falls_behind_keeps_answers_as_they_are_and_counts_them(held: Held, box: Inbox) -> None:
    here, before = Journal(box.store, most_queued=10), incomplete()
    fill(here, held, 10)
    here.write()
    counted = [answer["discovery"][0]["propensity"] for _, answer in box.decided]
    assert counted == [None] * 4 + [0.25] * 6, "until half of the queue is done"
    assert incomplete() - before == 4


def incomplete() -> float:
    return float(meters.incomplete._value.get())
