"""After a restore every event that was accepted is in the lake once, whatever the ledger remembers."""

import uuid
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import pytest
from django.conf import LazySettings
from django.core.management import call_command
from django.db import connection

from firstlight.events import inbox, restoring
from firstlight.events.flush import WentBack, flush
from firstlight.events.parse import InboxRow
from firstlight.lake import table
from firstlight.lake.models import Batch

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def lake(settings: LazySettings, tmp_path: Path) -> Iterator[None]:
    settings.LAKE_URL = (tmp_path / "lake").as_uri()
    inbox.close()
    execute("TRUNCATE events_inbox")
    yield
    execute("TRUNCATE events_inbox")
    inbox.close()


def execute(statement: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(statement)


def send(n: int) -> set[str]:
    ids = [str(uuid.uuid4()) for _ in range(n)]
    at = int(datetime.now(UTC).timestamp() * 1e6)
    inbox.store([InboxRow(i, msgspec.json.encode({"event_id": i, "type": "visit", "at": at})) for i in ids])
    return set(ids)


def in_lake() -> list[str]:
    lake = table.opened()
    return lake.to_pyarrow_table(columns=["event_id"])["event_id"].to_pylist() if lake else []


def forget_batches_after(number: int) -> None:
    """The ledger as it was when the backup was taken."""
    Batch.objects.filter(number__gt=number).delete()


def assert_each_once(sent: set[str]) -> None:
    assert sorted(in_lake()) == sorted(sent)


def test_a_backup_older_than_the_lake_brings_nothing_twice_and_loses_nothing() -> None:
    sent = send(3)
    flush()
    for _ in range(2):  # two, or a mend that forgets the lake's numbers would pass
        sent |= send(2)
        flush()
    sent |= send(5)
    forget_batches_after(1)
    assert restoring.mend() == restoring.Mended(waiting=5, known=7)
    flush()
    assert_each_once(sent)
    sent |= send(2)
    flush()
    assert_each_once(sent)


def test_without_mending_such_a_backup_carries_nothing() -> None:
    """The lake would take the new batch for the old one of its number, and the events would be lost."""
    send(3)
    flush()
    forget_batches_after(0)
    send(2)
    with pytest.raises(WentBack):
        flush()
    assert len(in_lake()) == 3


def test_a_dump_in_a_new_server_whose_transactions_start_low_goes_on() -> None:
    sent = send(3)
    flush()
    sent |= send(2)
    ahead = 10**12
    execute(f"UPDATE lake_batch SET from_xact = from_xact + {ahead}, to_xact = to_xact + {ahead}")
    execute(f"UPDATE events_inbox SET xact = (xact::text::bigint + {ahead})::text::xid8")
    with pytest.raises(WentBack):
        flush()
    assert restoring.mend() == restoring.Mended(waiting=2, known=3)
    flush()
    assert_each_once(sent)


def test_a_batch_that_was_on_its_way_is_carried_once() -> None:
    sent = send(3)
    flush()
    Batch.objects.update(committed_at=None)  # killed between the lake and the mark
    sent |= send(1)
    restoring.mend()
    flush()
    assert_each_once(sent)


def test_what_looks_kept_of_batches_that_may_be_others_now_is_forgotten(settings: LazySettings, tmp_path: Path) -> None:
    settings.READINGS_DIR = tmp_path / "readings"
    (settings.READINGS_DIR / "7").mkdir(parents=True)
    call_command("mend_ledger")
    assert not settings.READINGS_DIR.exists()


def test_mending_twice_or_for_nothing_does_no_harm(capsys: pytest.CaptureFixture[str]) -> None:
    restoring.mend()
    sent = send(3)
    restoring.mend()
    call_command("mend_ledger")
    assert "3 events wait for the lake, which has the other 0" in capsys.readouterr().out
    flush()
    restoring.mend()
    flush()
    assert_each_once(sent)


def test_events_are_still_known_when_they_are_sent_again() -> None:
    at = int(datetime.now(UTC).timestamp() * 1e6)
    event_id = str(uuid.uuid4())
    row = InboxRow(event_id, msgspec.json.encode({"event_id": event_id, "type": "visit", "at": at}))
    inbox.store([row])
    flush()
    restoring.mend()
    assert inbox.store([row]).duplicates == 1
