"""Where versions arrive in a web process: one connection that is told of new ones, and reads them."""

import select
import socket
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple

import psycopg
from django.conf import settings

from firstlight.snapshots import lists, signing

CHANNEL = "firstlight_snapshots"  # of NOTIFY; told the number of every new version


class Arrived(NamedTuple):
    """The row of a version."""

    number: int
    at: datetime
    lists: Mapping[str, Sequence[str]]  # {section: [digest]}
    returns_to: int | None
    signature: str

    def check(self) -> None:
        """Raises `Damaged` for what nobody of ours has signed."""
        if not signing.is_signed(self.signature, self.number, self.at, self.lists, self.returns_to):
            raise lists.Damaged(f"snapshot {self.number} is not signed with our key")


class Source:
    """The database as one thread sees it; reconnects by itself."""

    def __init__(self) -> None:
        self._connection: psycopg.Connection[Any] | None = None
        self._told = False  # of something newer than the last answer
        self._ear, self._mouth = socket.socketpair()

    def newest(self, but: int, at_most: int) -> list[Arrived]:
        """The newest versions first; none when the newest is `but`.

        “Another”, not “a later” one: after a restored backup the newest has a lower number.
        """
        self._told = False
        rows = self._connected().execute(
            "SELECT number, created_at, lists, returns_to, signature FROM snapshots_version"
            " WHERE (SELECT max(number) FROM snapshots_version) <> %s ORDER BY number DESC LIMIT %s",
            [but, at_most],
        )
        return [Arrived(*row) for row in rows]

    def payloads(self, digests: Collection[str]) -> dict[str, bytes]:
        """Of those that are there."""
        if not digests:
            return {}
        found = self._connected().execute(
            "SELECT digest, payload FROM snapshots_part WHERE digest = ANY(%s)", [sorted(digests)], binary=True
        )
        return dict(found.fetchall())

    def wait(self, seconds: float) -> None:
        """Until a version is announced, somebody wakes us, the connection breaks, or so long."""
        if self._told:  # while the last answer was read: the announcement has been taken off the wire with it
            return
        try:
            files: list[Any] = [self._ear, *([self._connection] if self._connection else [])]
            heard, _, _ = select.select(files, [], [], seconds)
        except (psycopg.Error, OSError, ValueError):  # another thread closed it meanwhile: the next look opens one
            return
        if self._ear in heard:
            self._ear.recv(64)

    def wake(self) -> None:
        self._mouth.send(b"!")

    def disconnect(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def close(self) -> None:
        self.disconnect()
        self._ear.close()
        self._mouth.close()

    def _connected(self) -> psycopg.Connection[Any]:
        if self._connection is None:
            self._connection = psycopg.connect(**address(), autocommit=True)
            self._connection.add_notify_handler(self._tell)
            self._connection.execute(f"LISTEN {CHANNEL}")
        return self._connection

    def _tell(self, _: psycopg.Notify) -> None:
        self._told = True


def address() -> dict[str, Any]:
    """Django's database in libpq's words, with limits that notice a dead server or network within seconds."""
    database = settings.DATABASES["default"]
    named = {"dbname": "NAME", "user": "USER", "password": "PASSWORD", "host": "HOST", "port": "PORT"}
    given = {libpq: database[django] for libpq, django in named.items() if database.get(django)}
    limits = {"tcp_user_timeout": 3000, "keepalives_idle": 3, "keepalives_interval": 1, "keepalives_count": 2}
    return {**limits, **database.get("OPTIONS", {}), **given, "connect_timeout": 2, "application_name": "snapshots"}
