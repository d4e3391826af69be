"""Stored once, whoever sends it again, whenever and however often at a time."""

import json
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime, timedelta
from typing import Any

import psycopg
import pytest
from django.conf import settings
from django.utils import timezone

from firstlight.events import inbox, tasks
from firstlight.events.inbox import Stored
from firstlight.events.parse import InboxRow
from firstlight.lake.models import Batch

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)


@pytest.fixture(autouse=True)
def empty(transactional_db: None) -> Iterator[None]:
    inbox.close()
    with inbox.connected() as connection:
        for day in inbox.days(connection):
            inbox.drop_day(connection, day, carried_below=2**62)
    yield
    inbox.close()


def rows(n: int) -> list[InboxRow]:
    return [InboxRow(str(uuid.uuid4()), json.dumps({"text": f'a\t"\\{i}\n'}).encode()) for i in range(n)]


def kept() -> list[tuple[str, str, date]]:
    with inbox.connected() as connection:
        found: list[Any] = connection.execute("SELECT event_id::text, payload, day FROM events_inbox").fetchall()
    return found


def test_what_is_stored_reads_back_to_the_letter() -> None:
    sent = rows(20)
    assert inbox.store(sent, at=NOON) == Stored(20, 0)
    assert sorted(kept()) == sorted((row.event_id, row.payload.decode(), NOON.date()) for row in sent)


def test_duplicates_in_one_call_and_in_the_next_are_counted_and_dropped() -> None:
    sent = rows(5)
    assert inbox.store(sent + sent[:2], at=NOON) == Stored(5, 2)
    assert inbox.store(sent + rows(1), at=NOON) == Stored(1, 5)
    assert len(kept()) == 6


@pytest.mark.parametrize("hours", [13, 36, 72])
def test_sending_again_is_harmless_for_72_hours_also_over_midnight(hours: int) -> None:
    sent = rows(3)
    inbox.store(sent, at=NOON)
    assert inbox.store(sent, at=NOON + timedelta(hours=hours)) == Stored(0, 3)


def test_many_senders_of_the_same_events_store_them_once() -> None:
    sent = rows(300)
    with ThreadPoolExecutor(8) as pool:
        stored = list(pool.map(lambda _: inbox.store(sent, at=NOON), range(16)))
    assert sum(s.accepted for s in stored) == len(kept()) == 300


def test_two_senders_on_the_two_sides_of_midnight_store_an_event_once() -> None:
    before = datetime(2026, 11, 23, 23, 59, 59, 999_000, tzinfo=UTC)
    sides = [before, before + timedelta(milliseconds=2)]
    with inbox.connected() as connection:
        for side in sides:
            inbox.make_day(connection, side.date())
    for _ in range(20):
        sent = rows(50)
        with ThreadPoolExecutor(2) as pool:
            stored = list(pool.map(lambda at, sent=sent: inbox.store(sent, at=at), sides))
        assert sum(s.accepted for s in stored) == 50


def test_a_day_is_made_when_nobody_made_it_also_by_many_at_once() -> None:
    with ThreadPoolExecutor(8) as pool:
        stored = list(pool.map(lambda _: inbox.store(rows(3), at=NOON), range(8)))
    assert sum(s.accepted for s in stored) == 24
    with inbox.connected() as connection:
        assert inbox.days(connection) == [NOON.date()]


def test_a_day_is_made_while_somebody_reads_the_inbox_for_long() -> None:
    """A backup, say: it would hold up the new day, and the new day every sender."""
    with inbox.connected() as reader, reader.transaction(), inbox.connected() as other:
        reader.execute("SELECT count(*) FROM events_inbox")
        other.execute("SET lock_timeout = '2s'")
        inbox.make_day(other, NOON.date())
        other.execute("RESET lock_timeout")
    assert inbox.store(rows(1), at=NOON) == Stored(1, 0)


def test_an_old_day_that_is_read_waits_and_holds_up_nobody() -> None:
    inbox.store(rows(1), at=NOON)
    with inbox.connected() as reader, inbox.connected() as other:
        with reader.transaction():
            reader.execute("SELECT count(*) FROM events_inbox")
            assert not inbox.drop_day(other, NOON.date(), carried_below=2**62)
            assert inbox.store(rows(1), at=NOON) == Stored(1, 0)
        assert inbox.drop_day(other, NOON.date(), carried_below=2**62)


def test_old_days_go_while_events_come_in() -> None:
    """Sender and keeper take their locks in one order, or one of them would be ended as deadlocked."""
    first = NOON.date()
    with ThreadPoolExecutor(4) as pool, inbox.connected() as keeper:
        for step in range(25):
            old = first - timedelta(days=step + 1)
            inbox.make_day(keeper, old)
            sending = [pool.submit(inbox.store, rows(40), at=NOON) for _ in range(4)]
            assert inbox.drop_day(keeper, old, carried_below=2**62)
            assert [s.result() for s in sending] == [Stored(40, 0)] * 4


def test_the_day_of_receipt_is_by_the_databases_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    """Hosts whose clocks differ must agree on where midnight is."""

    class Wrong(datetime):
        @classmethod
        def now(cls, tz: Any = None) -> Any:
            return datetime(2031, 1, 1, tzinfo=tz)

    monkeypatch.setattr(inbox, "datetime", Wrong)
    inbox.store(rows(1))
    with inbox.connected() as connection:
        (today,) = connection.execute("SELECT (now() AT TIME ZONE 'UTC')::date").fetchall()
    assert [day for _, _, day in kept()] == [today[0]]


def test_a_call_that_stalls_is_ended_before_the_next_day_can_begin() -> None:
    with inbox.connected() as connection:
        with pytest.raises(psycopg.OperationalError), connection.transaction():
            inbox._clock(connection)
            limits = connection.execute(
                "SELECT current_setting('statement_timeout'), current_setting('idle_in_transaction_session_timeout')"
            ).fetchone()
            assert limits == ("20s", "20s")
            connection.execute("SET LOCAL statement_timeout = '50ms'")
            connection.execute("SELECT pg_sleep(5)")
        (after,) = connection.execute("SELECT current_setting('statement_timeout')").fetchall()
        assert after == ("0",), "a flush reads as long as it needs"
    steps = 9  # from the clock: lock, table, copy, insert and the pauses before, between and after
    assert steps * inbox.STEP < inbox.MIDNIGHT


def test_old_days_go_when_they_are_carried_and_not_before() -> None:
    today = datetime.now(UTC)
    old = today - timedelta(days=settings.INBOX_KEEP_DAYS)
    inbox.store(rows(2), at=old)
    inbox.store(rows(3), at=today)

    tasks.keep_inbox()
    assert len(kept()) == 5, "nothing is in the lake yet"

    with inbox.connected() as connection:
        newest = connection.execute("SELECT max(xact)::text::bigint FROM events_inbox").fetchone()
    assert newest
    Batch.objects.create(number=1, from_xact=0, to_xact=newest[0] + 1, committed_at=timezone.now())
    tasks.keep_inbox()
    assert {day for _, _, day in kept()} == {today.date()}
    with inbox.connected() as connection:
        ahead = [today.date() + timedelta(days=d) for d in range(tasks.DAYS_AHEAD + 1)]
        assert inbox.days(connection) == ahead


def test_a_lost_connection_is_replaced() -> None:
    inbox.store(rows(1), at=NOON)
    with inbox.connected() as connection, psycopg.connect(connection.info.dsn, autocommit=True) as other:
        other.execute("SELECT pg_terminate_backend(%s)", [connection.info.backend_pid])
    assert inbox.store(rows(1), at=NOON) == Stored(1, 0)


def test_nothing_to_store_asks_no_database() -> None:
    assert inbox.store([]) == Stored(0, 0)


def test_delivered_messages_of_celerys_transport_go_after_a_day() -> None:
    with inbox.connected() as connection:
        connection.execute("CREATE TABLE IF NOT EXISTS kombu_message (id int, visible bool, timestamp timestamp)")
        try:
            tasks.forget_messages()
            connection.execute(
                """
                INSERT INTO kombu_message (id, visible, timestamp) VALUES
                (1, false, now() - interval '25 hours'), (2, false, now()), (3, true, now() - interval '25 hours')
                """
            )
            tasks.forget_messages()
            assert connection.execute("SELECT id FROM kombu_message ORDER BY id").fetchall() == [(2,), (3,)]
        finally:
            connection.execute("DROP TABLE kombu_message")
    tasks.forget_messages()  # with another broker there is no such table
