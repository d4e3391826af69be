"""One at a time: advisory locks named by words."""

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager

from django.db import connection


class Busy(Exception):
    """Somebody else holds this lock: the work is being done."""


@contextmanager
def alone(*name: str) -> Iterator[None]:
    """Hold the advisory lock of this name for the block, or raise `Busy` at once.

    The lock belongs to the database session, so a killed worker lets go of it by itself. Transaction poolers
    (PgBouncer in transaction mode) would break that: give workers a session. Take it outside of transactions: in one
    that has failed the database refuses even the unlocking.
    """
    key = lock_key(*name)
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_lock(%s)", [key])
        if not cursor.fetchone()[0]:
            raise Busy(" ".join(name))
        try:
            yield
        finally:
            cursor.execute("SELECT pg_advisory_unlock(%s)", [key])


def wait_in_transaction(*name: str) -> None:
    """Take turns: wait for the lock of this name and hold it to the end of the transaction."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [lock_key(*name)])


def lock_key(*name: str) -> int:
    """A signed 64-bit key; parts are kept apart, so ("a", "bc") and ("ab", "c") differ."""
    digest = hashlib.sha256("\0".join(name).encode()).digest()
    return int.from_bytes(digest[:8], "big", signed=True)
