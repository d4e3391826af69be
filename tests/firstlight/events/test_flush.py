"""What the inbox has comes to the lake: once, whole, in bounded batches, and no sooner than it may."""

import json
import random
import shutil
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pyarrow as pa
import pytest
from django.conf import settings

from firstlight.events import flush as flushing
from firstlight.events import inbox, packs, tasks
from firstlight.events.flush import WentBack, flush
from firstlight.events.packs import Decided, Pack
from firstlight.events.parse import InboxRow, parse
from firstlight.events.restoring import Mended, mend
from firstlight.kernel.windows import Window
from firstlight.lake import engine, table
from firstlight.lake.models import Batch
from firstlight.lake.tasks import compact
from firstlight.postgres import locks

NOW = datetime.now(UTC)


@pytest.fixture(autouse=True)
def empty(transactional_db: None) -> Iterator[None]:
    shutil.rmtree(settings.VAR_DIR / "lake", ignore_errors=True)
    inbox.close()
    with inbox.connected() as connection:
        connection.execute("TRUNCATE events_inbox")
    yield
    inbox.close()


def clicks(n: int, **changes: str) -> list[InboxRow]:
    event = {
        "type": "click",
        "at": NOW.isoformat(),
        "unit": {"user_id": "u"},
        "scenario": "s",
        "item_id": "i",
    } | changes
    body = json.dumps([{"event_id": str(uuid.uuid4())} | event for _ in range(n)]).encode()
    return parse(body, "application/json", at=NOW, may_backfill=False).rows


def decisions(n: int) -> Pack:
    answer = {"trace_id": "t", "snapshot": 1, "scenario": "s", "journey_stage": None, "objectives": None}
    told = json.dumps(answer | {"experiments": [], "parameters": {}, "discovery": []}).encode()
    return packs.pack([Decided(int(NOW.timestamp() * 1e6), b'{"unit": {"user_id": "u"}}', told)] * n)


def ids(pack: Pack) -> list[str]:
    return [event_id for event_id, _ in packs.unpacked(pack.event_id, pack.packed)]


def lake(until_batch: int | None = None, back: int = 40) -> list[tuple[str, int]]:
    """(event_id, batch) of all in the lake."""
    window = Window(NOW - timedelta(days=back), NOW + timedelta(days=1))
    with engine.events(window, until_batch=until_batch) as events:
        found = events.select("event_id", "batch").to_pyarrow()
    return sorted(zip(found["event_id"].to_pylist(), found["batch"].to_pylist(), strict=True))


def test_an_empty_lake_is_an_empty_table_and_an_empty_inbox_no_batch() -> None:
    assert flush() == 0
    assert lake() == []
    assert table.latest_batch() == 0
    assert not Batch.objects.exists()


def test_what_arrived_is_there_after_one_flush_and_after_two() -> None:
    first, second = clicks(30), clicks(5)
    inbox.store(first)
    assert flush() == 30
    assert flush() == 0
    inbox.store(second)
    assert flush() == 5
    assert lake() == sorted([(r.event_id, 1) for r in first] + [(r.event_id, 2) for r in second])
    assert lake(until_batch=1) == sorted((r.event_id, 1) for r in first)


def test_a_batch_is_bounded_and_takes_a_transaction_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(flushing, "MOST_EVENTS", 25)
    for _ in range(7):
        inbox.store(clicks(10))
    assert flush() == 70
    assert list(Batch.objects.order_by("number").values_list("n_events", flat=True)) == [30, 30, 10]


def test_decisions_come_out_of_their_packs_beside_other_events() -> None:
    events, several, one = clicks(3), decisions(40), decisions(1)
    inbox.store(events)
    inbox.store_packs([several, one])
    assert flush() == 44
    assert flush() == 0
    assert [event_id for event_id, _ in lake()] == sorted([*(r.event_id for r in events), *ids(several), *ids(one)])


def test_of_decisions_which_are_longer_a_batch_takes_fewer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(flushing, "MOST_EVENTS", 25)
    monkeypatch.setattr(flushing, "DECISION", 10)
    for _ in range(3):
        inbox.store_packs([decisions(2)])
    assert flush() == 6
    assert list(Batch.objects.order_by("number").values_list("n_events", flat=True)) == [4, 2]


def test_a_pack_that_the_lake_has_is_known_again_after_a_restore() -> None:
    inbox.store_packs([decisions(5)])
    flush()
    Batch.objects.all().delete()
    inbox.store_packs([decisions(2)])
    inbox.store(clicks(1))
    assert mend() == Mended(waiting=3, known=5)
    assert flush() == 3
    assert len(lake()) == 8


def test_what_an_unfinished_transaction_may_still_bring_is_waited_for() -> None:
    with inbox.connected() as slow, slow.transaction():
        slow.execute("SELECT pg_current_xact_id()")  # an older transaction that has not shown its rows yet
        inbox.store(clicks(3))
        assert flush() == 0
        slow.execute(
            "INSERT INTO events_inbox (event_id, day, payload) SELECT gen_random_uuid(), day, payload FROM events_inbox"
        )
    # The copied payloads keep their event ids: six rows come, and none was passed over.
    assert flush() == 6


def test_only_one_flushes_and_the_other_is_told() -> None:
    inbox.store(clicks(1))
    with inbox.connected() as other:
        other.execute("SELECT pg_advisory_lock(%s)", [locks.lock_key("flush")])
        with pytest.raises(locks.Busy):
            flush()
        tasks.flush()  # a worker lets it be
        other.execute("SELECT pg_advisory_unlock(%s)", [locks.lock_key("flush")])
    assert flush() == 1


def test_late_events_lie_in_their_own_day_and_are_found_there() -> None:
    late = (NOW - timedelta(days=20)).isoformat()
    inbox.store(clicks(2) + clicks(3, at=late))
    flush()
    with engine.events(Window(NOW - timedelta(days=20), NOW - timedelta(days=19))) as events:
        assert events.count().to_pyarrow().as_py() == 3
    assert len(lake()) == 5


def test_compaction_changes_the_files_and_not_the_events() -> None:
    for _ in range(6):
        inbox.store(clicks(random.Random(1).randrange(1, 5)))
        flush()
    before, lake_before = lake(), table.opened()
    compact()
    lake_after = table.opened()
    assert lake_before
    assert lake_after
    assert len(lake_after.file_uris()) < len(lake_before.file_uris())
    assert lake() == before
    inbox.store(clicks(1))
    flush()
    assert len(lake()) == len(before) + 1


def test_compaction_keeps_the_number_of_the_last_batch() -> None:
    """It is what a second try of a batch is judged by."""
    for _ in range(3):
        inbox.store(clicks(2))
        flush()
    compact()
    assert table.latest_batch() == 3
    batch = Batch.objects.get(number=3)
    table.append(batch.number, flushing.read(batch))
    assert len(lake()) == 6


def test_a_restored_database_whose_transactions_went_back_says_so() -> None:
    Batch.objects.create(number=1, from_xact=0, to_xact=2**62, committed_at=NOW)
    with pytest.raises(WentBack, match="Restoring"):
        flush()


def test_a_lake_that_is_gone_is_noticed_before_anything_is_carried() -> None:
    inbox.store(clicks(2))
    flush()
    shutil.rmtree(settings.VAR_DIR / "lake")
    inbox.store(clicks(3))
    with pytest.raises(WentBack, match="the lake has batch 0, the ledger 1"):
        flush()
    mend()
    assert flush() == 3


def test_a_database_older_than_the_lake_is_noticed_before_an_event_is_taken_for_an_old_one() -> None:
    inbox.store(clicks(2))
    flush()
    Batch.objects.all().delete()
    later = clicks(3)
    inbox.store(later)
    with pytest.raises(WentBack, match="the lake has batch 1, the ledger 0"):
        flush()
    mend()
    flush()
    assert {r.event_id for r in later} <= {event_id for event_id, _ in lake()}
    assert len(lake()) == 5


def test_other_columns_are_refused() -> None:
    with pytest.raises(ValueError, match="columns"):
        table.append(1, pa.table({"event_id": ["x"]}))
