"""What a web process holds: the newest version that is whole, swapped in one step, kept when the database is away.

A thread asks twice a second whether there is a newer one, on a connection of its own, so that serving depends on no
pool of Django's and no request ever waits for a database.
"""

import os
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any

import psycopg
import structlog
from django.conf import settings

from firstlight.snapshots.sections import Section, sections

POLL = 0.5  # seconds between two looks; a change must be seen everywhere within 2
SILENCE = 60.0  # seconds between two log lines about the same trouble

log = structlog.get_logger(__name__)

Parts = Mapping[str, Mapping[str, str]]  # {section: {name: digest}}


class NoSnapshot(Exception):
    """This process has not seen a version yet."""


class Damaged(Exception):
    """A version that names a part which is missing or is not what its digest says."""


@dataclass(frozen=True, slots=True)
class Held:
    """One version, ready for use."""

    number: int
    published_at: datetime
    parts: Parts
    loaded: Mapping[tuple[str, str], Any] = field(repr=False)  # {(section, digest): part}
    states: Mapping[str, Any] = field(repr=False)  # {section: what its `decide` reads}

    def state(self, section: str) -> Any:
        return self.states[section]

    @property
    def age(self) -> float:
        """Seconds since it was published."""
        return (datetime.now(UTC) - self.published_at).total_seconds()


def current() -> Held:
    """The version held now; raises `NoSnapshot` before the first."""
    held = _watch.held
    if held is None:
        raise NoSnapshot
    return held


def seconds_unchecked() -> float:
    """Seconds since the database last confirmed that what is held is the newest; infinite before the first time."""
    return time.monotonic() - _watch.checked_at


def refresh() -> Held:
    """Look now, in this thread; raises what went wrong."""
    _watch.look()
    return current()


def watch() -> None:
    """Keep this process fresh from now on; called once when a web process starts, harmless when called again.

    The first look is over when this returns: a web process that joins a server under load has an answer to its first
    request. One that fails is left to the next, so a process also starts while the database is away.
    """
    _watch.try_to_look()
    _watch.start()


def forget() -> None:
    """Hold nothing and watch nothing, as at the start of a process."""
    global _watch  # noqa: PLW0603 - the one reference of the process
    _watch.stop()
    _watch = _Watch()


def renewed(
    before: Held | None, number: int, published_at: datetime, parts: Parts, payloads: Mapping[str, bytes]
) -> Held:
    """The next version; what did not change since `before` is taken over as it is. Raises `Damaged`.

    A section that the version does not know (published by an older release) gathers nothing.
    """
    known = before.loaded if before else {}
    loaded: dict[tuple[str, str], Any] = {}
    states: dict[str, Any] = {}
    for section in sections():
        names = parts.get(section.name, {})
        for digest in names.values():
            key = (section.name, digest)
            loaded[key] = known[key] if key in known else _load(section, digest, payloads)
        unchanged = before is not None and before.parts.get(section.name) == names
        states[section.name] = (
            before.states[section.name]
            if before and unchanged and section.name in before.states
            else section.gather({name: loaded[section.name, digest] for name, digest in names.items()})
        )
    return Held(number, published_at, parts, loaded, states)


def _load(section: Section, digest: str, payloads: Mapping[str, bytes]) -> Any:
    payload = payloads.get(digest)
    if payload is None:
        raise Damaged(f"part {digest} of section {section.name} is missing")
    if sha256(payload).hexdigest() != digest:
        raise Damaged(f"part {digest} of section {section.name} is not what was published")
    return section.load(payload)


def _missing(before: Held | None, parts: Parts) -> list[str]:
    """Digests of the parts that are not in memory yet."""
    known = before.loaded if before else {}
    return sorted(
        {digest for section, names in parts.items() for digest in names.values() if (section, digest) not in known}
    )


class _Watch:
    """The state of one process, and the thread that renews it."""

    def __init__(self) -> None:
        self.held: Held | None = None
        self.checked_at = float("-inf")  # of time.monotonic
        self._connection: psycopg.Connection[Any] | None = None
        self._thread: threading.Thread | None = None
        self._stopped = threading.Event()
        self._looking = threading.Lock()
        self._said_at = float("-inf")

    def start(self) -> None:
        if self._thread is None:
            self._stopped = threading.Event()
            self._thread = threading.Thread(target=self._run, args=[self._stopped], name="snapshots", daemon=True)
            self._thread.start()

    def stop(self) -> None:
        self._stopped.set()
        if self._thread is not None:
            self._thread.join()
        self._disconnect()

    def look(self) -> None:
        """Take over the newest version if it is another one than is held."""
        with self._looking:
            try:
                self._renew()
            except Exception:
                self._disconnect()
                raise
            self.checked_at = time.monotonic()

    def _renew(self) -> None:
        connection = self._connected()
        # “Another”, not “a later” one: after a restored backup the newest has a lower number.
        row = connection.execute(
            "SELECT number, created_at, parts FROM snapshots_version"
            " WHERE number = (SELECT max(number) FROM snapshots_version) AND number <> %s",
            [self.held.number if self.held else 0],
        ).fetchone()
        if row is None:
            return
        number, published_at, parts = row
        payloads = connection.execute(
            "SELECT digest, payload FROM snapshots_part WHERE digest = ANY(%s)", [_missing(self.held, parts)]
        ).fetchall()
        self.held = renewed(self.held, number, published_at, parts, dict(payloads))

    def try_to_look(self) -> None:
        try:
            self.look()
        except Exception as error:  # whatever it is, the last good version stays and the next look may succeed
            self._say(error)

    def _run(self, stopped: threading.Event) -> None:
        while not stopped.wait(POLL):
            self.try_to_look()

    def _say(self, error: Exception) -> None:
        if time.monotonic() - self._said_at > SILENCE:
            self._said_at = time.monotonic()
            held = self.held.number if self.held else None
            log.error("snapshot not renewed", reason=f"{type(error).__name__}: {error}".strip(), serving=held)

    def _connected(self) -> psycopg.Connection[Any]:
        if self._connection is None:
            self._connection = psycopg.connect(**_address(), autocommit=True)
        return self._connection

    def _disconnect(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None


def _address() -> dict[str, Any]:
    """Django's database in libpq's words, with limits that notice a dead server or network within seconds."""
    database = settings.DATABASES["default"]
    named = {"dbname": "NAME", "user": "USER", "password": "PASSWORD", "host": "HOST", "port": "PORT"}
    given = {libpq: database[django] for libpq, django in named.items() if database.get(django)}
    limits = {"tcp_user_timeout": 3000, "keepalives_idle": 3, "keepalives_interval": 1, "keepalives_count": 2}
    return {**limits, **database.get("OPTIONS", {}), **given, "connect_timeout": 2, "application_name": "snapshots"}


_watch = _Watch()


def _after_fork() -> None:
    """A child inherits what is held, but neither the thread nor the right to talk on its parent's connection."""
    global _watch
    parent, _watch = _watch, _Watch()
    _watch.held = parent.held
    if parent._thread is not None:
        _watch.start()


os.register_at_fork(after_in_child=_after_fork)
