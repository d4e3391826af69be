"""A flush that is killed, wherever it stands, leaves every accepted event in the lake once."""

import json
import random
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID

import pytest
from django.conf import settings
from django.db import connection

from firstlight.events import inbox, packs
from firstlight.events.flush import flush
from firstlight.events.packs import Decided, Pack
from firstlight.events.parse import InboxRow, parse
from firstlight.kernel.windows import Window
from firstlight.lake import engine, table
from firstlight.lake.models import Batch

FLUSHER = Path(__file__).with_name("flusher.py")
KILLS = 30


@pytest.fixture
def lake(transactional_db: None) -> Iterator[None]:
    shutil.rmtree(settings.VAR_DIR / "lake", ignore_errors=True)
    inbox.close()
    with inbox.connected() as own:
        own.execute("TRUNCATE events_inbox")
        own.execute("TRUNCATE lake_batch")
    yield
    inbox.close()


def rows(chance: random.Random, n: int) -> list[InboxRow]:
    now = datetime.now(UTC)
    events = [
        {
            "event_id": str(UUID(int=chance.getrandbits(128))),
            "type": "click",
            "at": (now - timedelta(hours=chance.randrange(72))).isoformat(),
            "unit": {"user_id": f"u-{chance.randrange(100)}"},
            "scenario": "home_feed",
            "item_id": "sku-1",
        }
        for _ in range(n)
    ]
    parsed = parse(json.dumps(events).encode(), "application/json", at=now, may_backfill=False)
    assert not parsed.rejected
    return parsed.rows


def decisions(n: int) -> tuple[Pack, list[str]]:
    """A pack, and the ids of its decisions."""
    answer = {"trace_id": "t", "snapshot": 1, "scenario": "s", "journey_stage": None, "objectives": None}
    told = json.dumps(answer | {"experiments": [], "parameters": {}, "discovery": []}).encode()
    pack = packs.pack([Decided(int(datetime.now(UTC).timestamp() * 1e6), b'{"unit": {}}', told)] * n)
    return pack, [event_id for event_id, _ in packs.unpacked(pack.event_id, pack.packed)]


def in_lake() -> Counter[str]:
    """How often each event stands in the lake."""
    now = datetime.now(UTC)
    with engine.events(Window(now - timedelta(days=5), now + timedelta(days=1))) as events:
        return Counter(events.event_id.to_pyarrow().to_pylist())


def flusher(*arguments: str) -> "subprocess.Popen[str]":
    database = str(connection.settings_dict["NAME"])
    command = [sys.executable, str(FLUSHER), database, *arguments]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout
    assert process.stdout.readline() == "ready\n"
    return process


@pytest.mark.parametrize("place", ["after drawing", "before append", "after append"])
def test_killed_between_two_steps_it_goes_on_where_it_stood(lake: None, place: str) -> None:
    sent = rows(random.Random(1), 50)
    pack, ids = decisions(30)
    inbox.store(sent)
    inbox.store_packs([pack])
    assert flusher(place).wait(60) == -signal.SIGKILL
    assert Batch.objects.filter(committed_at=None).count() == 1

    later = rows(random.Random(2), 20)
    inbox.store(later)
    flush()
    assert in_lake() == Counter([*(row.event_id for row in sent + later), *ids])
    assert [batch.n_events for batch in Batch.objects.order_by("number")] == [80, 20]


@pytest.mark.slow
def test_killed_at_random_many_times_every_accepted_event_is_in_the_lake_once(lake: None) -> None:
    chance = random.Random(7)
    accepted: set[str] = set()
    stopped = threading.Event()

    def send() -> None:
        sender = random.Random(8)
        before: list[InboxRow] = []
        while not stopped.is_set():
            fresh = rows(sender, 40)
            again = sender.sample(before, min(len(before), 10))
            stored = inbox.store(fresh + again)
            assert stored == (40, len(again))
            pack, ids = decisions(sender.randrange(1, 30))
            assert [inbox.store_packs([pack]).accepted for _ in range(2)] == [1, 0]
            accepted.update([*ids, *(row.event_id for row in fresh)])
            before = (before + fresh)[-500:]
            time.sleep(0.01)

    sending = threading.Thread(target=send)
    sending.start()
    unmarked = unwritten = 0
    try:
        for _ in range(KILLS):
            process = flusher()
            time.sleep(chance.uniform(0.0, 0.25))
            process.send_signal(signal.SIGKILL)
            process.wait()
            on_its_way = Batch.objects.filter(committed_at=None).first()
            unmarked += on_its_way is not None and table.latest_batch() >= on_its_way.number
            unwritten += on_its_way is not None and table.latest_batch() < on_its_way.number
    finally:
        stopped.set()
        sending.join()
    assert unmarked + unwritten > 0, "no kill fell into a batch: the test proves nothing"
    _wait_until_the_dead_hold_no_lock()
    flush()
    assert in_lake() == Counter(accepted)


def _wait_until_the_dead_hold_no_lock() -> None:
    """The server notices a killed client when it next writes to it."""
    deadline = time.monotonic() + 30
    with connection.cursor() as cursor:
        while time.monotonic() < deadline:
            cursor.execute("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'")
            if cursor.fetchone() == (0,):
                return
            time.sleep(0.05)
