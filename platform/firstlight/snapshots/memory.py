"""What a web process holds: the newest version that is whole, swapped in one step, kept when the database is away.

A thread is told by the database of every new version and asks twice a second all the same, on a connection of its own,
so that serving depends on no pool of Django's and no request ever waits for a database. What is not signed, or not what
its digests say, is refused.
"""

import os
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import structlog

from firstlight.snapshots import arrivals, lists
from firstlight.snapshots.lists import Damaged
from firstlight.snapshots.sections import sections

POLL = 0.5  # seconds between two looks where no notice comes; a change must be seen everywhere within 2
SPARE = 5  # versions that a process which has none yet tries, newest first
SILENCE = 60.0  # seconds between two log lines about the same trouble

log = structlog.get_logger(__name__)

Parts = Mapping[str, Mapping[str, str]]  # {section: {name: digest}}


class NoSnapshot(Exception):
    """This process has not seen a version yet."""


@dataclass(frozen=True, slots=True)
class Held:
    """One version, ready for use."""

    number: int
    published_at: datetime
    parts: Parts
    loaded: Mapping[tuple[str, str], Any] = field(repr=False)  # {(section, digest): part}
    states: Mapping[str, Any] = field(repr=False)  # {section: what its `decide` reads}
    returns_to: int | None = None  # number of the earlier version whose state this is, by a person's decision

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
    before: Held | None,
    number: int,
    published_at: datetime,
    parts: Parts,
    payloads: Mapping[str, bytes],
    *,
    returns_to: int | None = None,
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
            loaded[key] = known[key] if key in known else section.load(lists.proven(digest, payloads.get(digest)))
        unchanged = before is not None and before.parts.get(section.name) == names
        states[section.name] = (
            before.states[section.name]
            if before and unchanged and section.name in before.states
            else section.gather({name: loaded[section.name, digest] for name, digest in names.items()})
        )
    return Held(number, published_at, parts, loaded, states, returns_to)


def _missing(before: Held | None, parts: Parts) -> list[str]:
    """Digests of the parts that are not in memory yet, of the sections that this process knows."""
    known = before.loaded if before else {}
    named = ((section.name, parts.get(section.name, {})) for section in sections())
    return sorted({digest for name, of in named for digest in of.values() if (name, digest) not in known})


class _Watch:
    """The state of one process, and the thread that renews it."""

    def __init__(self) -> None:
        self.held: Held | None = None
        self.checked_at = float("-inf")  # of time.monotonic
        self._source = arrivals.Source()
        self._lists: dict[str, lists.Names] = {}  # of what is held
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
        self._source.wake()
        if self._thread is not None:
            self._thread.join()
        self._source.close()

    def look(self) -> None:
        """Take over the newest version if it is another one than is held."""
        with self._looking:
            try:
                self._renew()
            except Exception:
                self._source.disconnect()
                raise
            self.checked_at = time.monotonic()

    def _renew(self) -> None:
        """One that is damaged is refused; a process that has none yet takes the newest that is not."""
        faults: list[Damaged] = []
        for arrived in self._source.newest(self.held.number if self.held else 0, 1 if self.held else SPARE):
            try:
                self._take(arrived)
                break
            except Damaged as error:
                faults.append(error)
        if faults:
            raise faults[0]

    def _take(self, arrived: arrivals.Arrived) -> None:
        arrived.check()
        wanted = {digest for of in arrived.lists.values() for digest in of}
        unread = wanted - self._lists.keys()
        read = lists.read(unread, self._source.payloads(unread))
        known = {digest: self._lists.get(digest) or read[digest] for digest in wanted}
        parts = lists.gathered(arrived.lists, known)
        payloads = self._source.payloads(_missing(self.held, parts))
        self.held = renewed(self.held, arrived.number, arrived.at, parts, payloads, returns_to=arrived.returns_to)
        self._lists = known

    def try_to_look(self) -> None:
        try:
            self.look()
        except Exception as error:  # whatever it is, the last good version stays and the next look may succeed
            self._say(error)

    def _run(self, stopped: threading.Event) -> None:
        self._source.wait(POLL)
        while not stopped.is_set():
            self.try_to_look()
            self._source.wait(POLL)

    def _say(self, error: Exception) -> None:
        if time.monotonic() - self._said_at > SILENCE:
            self._said_at = time.monotonic()
            held = self.held.number if self.held else None
            log.error("snapshot not renewed", reason=f"{type(error).__name__}: {error}".strip(), serving=held)


_watch = _Watch()


def _after_fork() -> None:
    """A child inherits what is held, but neither the thread nor the right to talk on its parent's connection."""
    global _watch
    parent, _watch = _watch, _Watch()
    _watch.held = parent.held
    if parent._thread is not None:
        _watch.start()


os.register_at_fork(after_in_child=_after_fork)
