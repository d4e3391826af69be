"""The inbox: events, durable and deduplicated, until they are carried to the lake.

The table is partitioned by the day of receipt (UTC). An event is a duplicate when its id stands in the partition of
today, which the primary key decides, or in one of the days around it, which the insert looks up.
"""

import os
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from typing import Any, NamedTuple
from uuid import UUID

import psycopg
from django.conf import settings
from django.db import connections
from psycopg import sql
from psycopg_pool import ConnectionPool, PoolTimeout

from firstlight.events.packs import Pack
from firstlight.events.parse import InboxRow
from firstlight.postgres.locks import lock_key

PATIENCE = 3.0  # seconds to wait for a connection before the caller is told to come again
# A call reads the server's clock and then goes a dozen steps at most, each ended by the server after STEP: none that
# began before MIDNIGHT's turn-taking is still under way when the next day begins.
STEP, MIDNIGHT = timedelta(seconds=20), timedelta(minutes=5)

CLOCK = """
    SELECT clock_timestamp(), set_config('statement_timeout', %(step)s, true),
        set_config('idle_in_transaction_session_timeout', %(step)s, true)
"""

ARRIVED = """
    CREATE TEMP TABLE IF NOT EXISTS arrived (event_id uuid, payload text) ON COMMIT DELETE ROWS
"""

NEW = """
    WHERE NOT EXISTS (
        SELECT FROM events_inbox kept
        WHERE kept.event_id = arrived.event_id
        AND (kept.day >= %(oldest)s AND kept.day < %(today)s OR kept.day = %(tomorrow)s)
    )
    ON CONFLICT DO NOTHING
"""

COPY = "COPY arrived (event_id, payload) FROM STDIN"
STORE = f"""
    INSERT INTO events_inbox (event_id, day, payload)
    SELECT event_id, %(today)s, payload FROM arrived {NEW}
"""  # noqa: S608 - our own words
# A few long rows: as parameters in binary they cost half of what they would by way of a table.
STORE_PACKS = f"""
    INSERT INTO events_inbox (event_id, day, packed, n_events)
    SELECT event_id, %(today)s, packed, n_events
    FROM unnest(%(ids)b::uuid[], %(packed)b::bytea[], %(counts)b::integer[]) AS arrived (event_id, packed, n_events)
    {NEW}
"""  # noqa: S608 - our own words

Days = dict[str, date]
Insert = Callable[[psycopg.Cursor[Any], Days], Any]


class Stored(NamedTuple):
    accepted: int
    duplicates: int


class Unavailable(Exception):
    """The database is away; nothing was stored."""


def store(rows: Sequence[InboxRow], *, at: datetime | None = None) -> Stored:
    """Store what is not there yet; durable when it returns. Raises `Unavailable`.

    `at` is the time of receipt: by the clock of the database, which all hosts share, unless it is given.
    """
    lines = b"".join(map(_copy_line, rows))

    def insert(cursor: psycopg.Cursor[Any], days: Days) -> None:
        cursor.execute(ARRIVED)
        with cursor.copy(COPY) as arriving:
            arriving.write(lines)
        cursor.execute(STORE, days)

    return _stored(insert, len(rows), at)


def store_packs(packs: Sequence[Pack], *, at: datetime | None = None) -> Stored:
    """The same for decisions; packs are counted, not what is in them."""
    ids, counts, packed = zip(*packs, strict=True) if packs else ((), (), ())
    given = {"ids": [*map(UUID, ids)], "counts": [*counts], "packed": [*packed]}
    return _stored(lambda cursor, days: cursor.execute(STORE_PACKS, {**given, **days}), len(packs), at)


def _stored(insert: Insert, n: int, at: datetime | None) -> Stored:
    if not n:
        return Stored(0, 0)
    try:
        with connected() as connection:
            accepted = _store(connection, insert, at)
    except (PoolTimeout, psycopg.OperationalError, psycopg.InterfaceError) as error:
        raise Unavailable(str(error)) from error
    return Stored(accepted, n - accepted)


def _store(connection: psycopg.Connection[Any], insert: Insert, at: datetime | None) -> int:
    try:
        return _inserted(connection, insert, at)
    except psycopg.errors.CheckViolation:  # no partition for this day: the hourly task has not run for days
        make_day(connection, (at or _clock(connection)).date())
        return _inserted(connection, insert, at)


def _inserted(connection: psycopg.Connection[Any], insert: Insert, at: datetime | None) -> int:
    with connection.transaction(), connection.cursor() as cursor:
        now = at or _clock(connection)
        today = now.date()
        if _is_near_midnight(now):
            # Two calls on the two sides of midnight would not see each other's rows: here they take turns.
            cursor.execute("SELECT pg_advisory_xact_lock(%s)", [lock_key("inbox midnight")])
        # Tomorrow too: at midnight another call may be there already.
        oldest, tomorrow = today - timedelta(days=settings.INBOX_KEEP_DAYS - 1), today + timedelta(days=1)
        insert(cursor, {"today": today, "oldest": oldest, "tomorrow": tomorrow})
        return cursor.rowcount


def _clock(connection: psycopg.Connection[Any]) -> datetime:
    """The server's time, UTC; within a transaction, from here on each step has its time limit."""
    (found,) = connection.execute(CLOCK, {"step": f"{STEP.seconds}s"}).fetchall()
    now: datetime = found[0]
    return now.astimezone(UTC)


def _copy_line(row: InboxRow) -> bytes:
    # Of what COPY's text format escapes, one line of JSON can hold the backslash alone.
    return b"%b\t%b\n" % (row.event_id.encode(), row.payload.replace(b"\\", b"\\\\"))


def _is_near_midnight(now: datetime) -> bool:
    return (now + MIDNIGHT).date() != (now - MIDNIGHT).date()


# --- days -----------------------------------------------------------------------------------------------------------
def make_day(connection: psycopg.Connection[Any], day: date) -> None:
    """The partition of a day, if it is not there; safe when several do it at once."""
    name = f"events_inbox_{day:%Y%m%d}"
    with connection.transaction():
        connection.execute("SELECT pg_advisory_xact_lock(%s)", [lock_key("inbox days")])
        if connection.execute("SELECT to_regclass(%s)", [name]).fetchone() == (None,):
            # Made apart and attached: made in place it would wait for every reader (a backup reads for an hour), and
            # every sender would wait behind it.
            connection.execute(sql.SQL("CREATE TABLE {} (LIKE events_inbox INCLUDING ALL)").format(_partition(day)))
            attach = sql.SQL("ALTER TABLE events_inbox ATTACH PARTITION {} FOR VALUES FROM ({}) TO ({})")
            connection.execute(attach.format(_partition(day), str(day), str(day + timedelta(days=1))))


def days(connection: psycopg.Connection[Any]) -> list[date]:
    """The days that have a partition, in order."""
    found = connection.execute(
        "SELECT relid::text FROM pg_partition_tree('events_inbox') WHERE isleaf AND relid::text ~ '_[0-9]{8}$'"
    )
    return sorted(datetime.strptime(name[-8:], "%Y%m%d").date() for (name,) in found)  # noqa: DTZ007 - a name


def drop_day(connection: psycopg.Connection[Any], day: date, *, carried_below: int) -> bool:
    """Forget a day if all of it is in the lake (its transactions lie below `carried_below`); whether it went.

    A day that somebody reads for long stays until it is asked for again.
    """
    try:
        with connection.transaction():
            connection.execute("SET LOCAL lock_timeout = '1s'")  # senders wait behind this one
            # The whole first, as senders do; the other way round the two could wait for each other.
            connection.execute("LOCK TABLE ONLY events_inbox IN ACCESS EXCLUSIVE MODE")
            left = connection.execute(
                sql.SQL("SELECT 1 FROM {} WHERE xact >= %s::text::xid8 LIMIT 1").format(_partition(day)),
                [carried_below],
            ).fetchone()
            if left is None:
                connection.execute(sql.SQL("DROP TABLE {}").format(_partition(day)))
    except psycopg.errors.LockNotAvailable:
        return False
    return left is None


def _partition(day: date) -> sql.Identifier:
    return sql.Identifier(f"events_inbox_{day:%Y%m%d}")


# --- connections ----------------------------------------------------------------------------------------------------
_opening = threading.Lock()
_pool: ConnectionPool[Any] | None = None


@contextmanager
def connected() -> Iterator[psycopg.Connection[Any]]:
    """A connection of this process's own pool: the hot path does not pass through Django's."""
    with _opened().connection(PATIENCE) as connection:
        yield connection


def _opened() -> ConnectionPool[Any]:
    global _pool  # noqa: PLW0603 - one pool a process
    with _opening:
        if _pool is None:
            database = connections["default"].get_connection_params()
            wanted = {k: v for k, v in database.items() if k not in {"context", "cursor_factory"}}
            _pool = ConnectionPool(
                configure=_configure,
                kwargs={**wanted, "autocommit": True, "application_name": "inbox"},
                min_size=0,
                max_size=8,
                max_idle=60,
                check=ConnectionPool.check_connection,
                reconnect_timeout=10,
                open=True,
            )
        return _pool


def _configure(connection: psycopg.Connection[Any]) -> None:
    """Look ids up, always: a day starts without statistics, and a plan that reads it whole is 20 times slower."""
    for plan in ("hashjoin", "mergejoin", "seqscan"):
        connection.execute(sql.SQL("SET {} TO off").format(sql.Identifier(f"enable_{plan}")))


def close() -> None:
    """Let go of the connections; the next call opens new ones."""
    global _pool  # noqa: PLW0603
    with _opening:
        if _pool is not None:
            _pool.close()
        _pool = None


def _forget_after_fork() -> None:
    """A child must not talk on its parent's connections."""
    global _pool, _opening
    _pool, _opening = None, threading.Lock()


os.register_at_fork(after_in_child=_forget_after_fork)
