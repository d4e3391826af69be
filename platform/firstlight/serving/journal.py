"""The decision log: decisions wait in memory for a moment and are written in batches into the inbox of all events.

A request only appends to a queue. A thread completes what came, packs it, and stores the packs. While the database is
away they wait for it, up to a bound; what is past the bound is counted, told in the log, in /readyz and in /metrics,
never lost in silence.
"""

import os
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from multiprocessing.util import Finalize
from typing import Any

import structlog

from firstlight.events import inbox, packs
from firstlight.events.packs import Decided, Pack
from firstlight.serving import decisions, meters
from firstlight.serving.decisions import Decision

PERIOD = 0.5  # seconds between two writes
PACK = 1_000  # decisions in a row of the inbox
BATCH = 20  # packs
MOST_QUEUED = 20_000  # decisions not packed yet, about 7 KB each
MOST_WAITING = 1_000_000  # decisions in packs, about 0.3 KB each
MOST_BYTES = 256 * 2**20  # of packs
PATIENCE = 5  # tries with a batch that the database is there for but will not take
LAST_WORDS = 10.0  # seconds for the flush at the end of the process
SILENCE = 60.0  # seconds between two log lines about the same trouble

log = structlog.get_logger(__name__)

Store = Callable[[Sequence[Pack]], Any]


class Journal:
    """The queue, the packs that wait, and the thread between them and the inbox."""

    def __init__(self, store: Store, *, most_queued: int = MOST_QUEUED, most_waiting: int = MOST_WAITING) -> None:
        self._store = store
        self._most_queued, self._most_waiting = most_queued, most_waiting
        self._queue: deque[Decision] = deque()
        self._packs: deque[Pack] = deque()
        self._packed = 0  # decisions in self._packs
        self._bytes = 0  # of self._packs
        self._failures = 0  # in a row, of the batch in front
        self._said_at = float("-inf")
        self._said_dropped = 0
        self._counting = threading.Lock()
        self._writing = threading.Lock()
        self._stopped = threading.Event()
        self._thread: threading.Thread | None = None
        self.dropped = 0

    def add(self, decision: Decision) -> None:
        """Called by requests: must neither wait nor fail."""
        if len(self._queue) < self._most_queued:
            self._queue.append(decision)
        else:
            self._drop(1)

    @property
    def waiting(self) -> int:
        return len(self._queue) + self._packed

    def start(self) -> None:
        self._thread = threading.Thread(target=self._run, name="journal", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Write what waits, as far as the database lets us."""
        self._stopped.set()
        if self._thread is not None:
            self._thread.join(LAST_WORDS)
        if self.waiting:
            log.error("decisions lost at the end of the process", decisions=self.waiting)

    def write(self) -> None:
        """Store all that came so far; what cannot be stored now waits."""
        with self._writing:
            self._pack()
            while self._packs and self._store_batch():
                self._pack()
        self._report()

    def _run(self) -> None:
        while not self._stopped.wait(PERIOD):
            self.write()
        self.write()

    def _pack(self) -> None:
        """Pack queued decisions while there is room."""
        while self._queue and self._packed < self._most_waiting and self._bytes < MOST_BYTES:
            if finished := [*self._finished(min(PACK, len(self._queue)))]:
                pack = packs.pack(finished)
                self._packs.append(pack)
                self._packed += pack.n_events
                self._bytes += len(pack.packed)

    def _finished(self, n: int) -> Iterator[Decided]:
        """The next of the queue, but for those that fail."""
        for _ in range(n):
            decision = self._queue.popleft()
            try:
                yield decisions.kept(self._completed(decision))
            except Exception:
                log.exception("decision not logged", answer=decision.answer[:60])
                self._drop(1)

    def _completed(self, decision: Decision) -> Decision:
        """As it is when we fall behind: what is left open can be counted from its snapshot, a lost row cannot."""
        if decision.left and len(self._queue) > self._most_queued // 2:
            meters.incomplete.inc()
            return decision
        return decisions.completed(decision)

    def _store_batch(self) -> bool:
        """Whether the packs in front made way."""
        batch = list(islice(self._packs, BATCH))
        try:
            self._store(batch)
        except inbox.Unavailable as error:
            self._say("decisions wait for the database", reason=str(error))
            return False
        except Exception as error:
            return self._give_up_in_time(batch, error)
        self._leave(batch)
        return True

    def _give_up_in_time(self, batch: Sequence[Pack], error: Exception) -> bool:
        """A batch that the database refuses again and again must not hold up all that come after it."""
        self._failures += 1
        self._say("decisions not taken", reason=f"{type(error).__name__}: {error}", tries=self._failures)
        if self._failures < PATIENCE:
            return False
        self._drop(sum(pack.n_events for pack in batch))
        self._leave(batch)
        return True

    def _leave(self, batch: Sequence[Pack]) -> None:
        for pack in batch:
            self._packs.popleft()
            self._packed -= pack.n_events
            self._bytes -= len(pack.packed)
        self._failures = 0

    def _drop(self, n: int) -> None:
        with self._counting:
            self.dropped += n
        meters.dropped.inc(n)

    def _report(self) -> None:
        meters.observe(self.waiting)
        if self.dropped > self._said_dropped and self._say("decisions dropped", dropped=self.dropped):
            self._said_dropped = self.dropped

    def _say(self, event: str, **facts: Any) -> bool:
        if time.monotonic() - self._said_at < SILENCE:
            return False
        self._said_at = time.monotonic()
        log.error(event, waiting=self.waiting, **facts)
        return True


_journal: Journal | None = None
_opening = threading.Lock()


def add(decision: Decision) -> None:
    (_journal or opened()).add(decision)


def opened() -> Journal:
    """The journal of this process, whose thread starts with the first decision."""
    global _journal  # noqa: PLW0603 - one per process
    with _opening:
        if _journal is None:
            _journal = Journal(inbox.store_packs)
            _journal.start()
            # Not atexit: granian forks its web processes by multiprocessing, whose children end without it.
            Finalize(None, _journal.stop, exitpriority=0)
        return _journal


def _after_fork() -> None:
    """What waits is the parent's to write."""
    global _journal, _opening
    _journal, _opening = None, threading.Lock()


os.register_at_fork(after_in_child=_after_fork)
