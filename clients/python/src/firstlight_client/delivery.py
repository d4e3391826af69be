"""The way of events: memory -> disk -> server.

Every `PERIOD` one thread writes what is in memory to disk, however long the server takes; another one sends what is on
disk until the server has it. So a process that is killed loses what it tracked in the last moment at most, and a dead
server costs nothing until the disk's share is full. Where no folder is given, or the disk will not take more, events
wait in memory and are sent from there.
"""

import random
import threading
import time
from collections.abc import Callable, Sequence

from . import sending
from .buffer import Buffer
from .events import Rejected
from .retrying import jitter
from .sending import Halve, Later, Taken
from .spill import SEGMENT_BYTES, SEGMENT_EVENTS, Segment, Spill
from .tally import Counts, Tally
from .transport import Failure, Reply
from .trouble import Trouble, log

PERIOD = 0.2  # seconds in which an event is on disk
PATIENCE = 10.0  # seconds for one call
FIRST_PAUSE, LONGEST_PAUSE = 0.5, 30.0  # seconds between two tries
ADOPTING = 60.0  # seconds between two looks for what other processes left

Send = Callable[[bytes, float], Reply | Failure]  # a body, within seconds


class Delivery:
    def __init__(
        self,
        send: Send,
        buffer: Buffer,
        spill: Spill | None,
        tally: Tally,
    ) -> None:
        self._send, self._buffer, self._spill, self._tally = send, buffer, spill, tally
        self._start()

    def _start(self) -> None:
        self._threads: list[threading.Thread] = []
        self._starting, self._keeping = threading.Lock(), threading.Lock()
        self._woken, self._ending = threading.Event(), threading.Event()
        self._end_at: float | None = None  # of time.monotonic: all is to end by then
        self._walked = threading.Condition()
        self._begun = self._ended = 0  # walks
        self._is_clear = True  # after the last walk: nothing waited
        self._failures, self._not_before, self._look_at = 0, 0.0, 0.0
        self._disk_refuses, self._trouble = False, Trouble()
        self._held: list[bytes] = []  # being sent from memory

    @property
    def counts(self) -> Counts:
        return self._tally.counts(self.waiting)

    @property
    def waiting(self) -> int:
        with self._keeping:  # not while events are between two places
            return len(self._buffer) + len(self._held) + (self._spill.events if self._spill else 0)

    def add(self, lines: Sequence[bytes]) -> None:
        """Called by whoever tracks: neither waits nor fails."""
        self._tally.add("tracked", len(lines))
        if self._end_at is not None:
            self._tally.add("dropped", len(lines))
            return
        self._tally.add("dropped", self._buffer.add(lines))
        if not self._threads:
            self.start()

    def refuse(self, rejected: Rejected) -> None:
        """What was tracked and is no event."""
        self._tally.add("tracked", 1)
        self._tally.reject(rejected)

    def start(self) -> None:
        with self._starting:
            if self._threads or self._end_at is not None:
                return
            self._threads = [threading.Thread(target=self._run, name="firstlight-events", daemon=True)]
            if self._spill:
                self._threads.append(threading.Thread(target=self._run_keeping, name="firstlight-spill", daemon=True))
            for thread in self._threads:
                thread.start()

    def flush(self, timeout: float) -> bool:
        """Whether the server has all that was tracked before; waits for it."""
        self.start()
        with self._walked:
            wanted = self._begun + 1  # the walk under way may have passed by already
            self._woken.set()
            return self._walked.wait_for(lambda: self._ended >= wanted and self._is_clear, timeout)

    def close(self, timeout: float) -> None:
        """Send what can be sent by then, and leave the rest on disk."""
        with self._starting:
            self._end_at = time.monotonic() + timeout
        self._ending.set()
        self._woken.set()
        for thread in self._threads:
            thread.join(timeout + 1)

    def after_fork(self) -> None:
        """In a child: what waits is the parent's to send."""
        self._buffer = self._buffer.emptied()
        if self._spill:
            self._spill.forget()
        self._tally.forget()
        self._start()

    def _run(self) -> None:
        while self._end_at is None:
            self._woken.wait(PERIOD)
            self._woken.clear()
            self._walk()
        self._walk()
        self._settle()

    def _run_keeping(self) -> None:
        while not self._ending.wait(PERIOD):
            self._try_to_keep()
        self._try_to_keep()  # the sender may hang until the process is gone

    def _try_to_keep(self) -> None:
        try:
            self._keep()
        except Exception:
            self._trouble.say("events were not written", exc_info=True)

    def _walk(self) -> None:
        with self._walked:
            self._begun += 1
        try:
            self._adopt()
            self._keep()
            while self._may_send() and self._step():
                self._keep()
        except Exception:  # whatever it is, the next walk may succeed, and events wait in memory or on disk
            self._failures += 1
            self._pause(None)
            self._trouble.say("the way of events was broken", exc_info=True)
        with self._walked:
            self._ended, self._is_clear = self._begun, not self.waiting
            self._walked.notify_all()

    def _settle(self) -> None:
        self._keep()
        if left := len(self._buffer) + len(self._held):
            self._tally.add("dropped", left)
            log.error("%d events lost at the end of the process", left)
        if self._spill:
            self._spill.close()

    def _adopt(self) -> None:
        now = time.monotonic()
        if self._spill and now >= self._look_at:
            self._look_at = now + ADOPTING
            self._spill.adopt()

    def _keep(self) -> None:
        """From memory to disk, in their order."""
        with self._keeping:
            while self._spill and (lines := self._buffer.take(SEGMENT_EVENTS, SEGMENT_BYTES)):
                try:
                    self._tally.add("dropped", self._spill.write(lines))
                    self._disk_refuses = False
                except OSError as error:
                    self._disk_refuses = True
                    self._tally.add("dropped", self._buffer.give_back(lines))
                    self._trouble.say("events stay in memory: %s", error)
                    return

    def _may_send(self) -> bool:
        now = time.monotonic()
        return now >= self._not_before and (self._end_at is None or now < self._end_at)

    def _step(self) -> bool:
        """Send the oldest; whether the next one may follow at once."""
        if self._spill and (segment := self._spill.oldest()):
            return self._step_of(segment, self._spill)
        if self._spill and not self._disk_refuses:
            return False
        with self._keeping:
            self._held = self._buffer.take(SEGMENT_EVENTS, SEGMENT_BYTES)
        left = self._sent(self._held)
        with self._keeping:
            sent, self._held = bool(self._held) and not left, []
            self._tally.add("dropped", self._buffer.give_back(left))
        return sent

    def _step_of(self, segment: Segment, spill: Spill) -> bool:
        try:
            lines = segment.lines()
        except OSError as error:  # a broken disk must not hold up what comes behind
            self._tally.add("dropped", segment.events)
            self._trouble.say("%s cannot be read: %s", segment.path, error)
            spill.remove(segment)
            return True
        left = self._sent(lines)
        if not left:
            spill.remove(segment)
        return not left

    def _sent(self, lines: Sequence[bytes]) -> Sequence[bytes]:
        """What is to be sent again."""
        if not lines:
            return []
        reply = self._send(sending.body(lines), self._patience())
        match sending.outcome(reply, lines):
            case Taken(accepted, duplicates, rejected):
                self._failures = 0
                self._tally.add("accepted", accepted)
                self._tally.add("duplicates", duplicates)
                for one in rejected:
                    self._tally.reject(one)
                return []
            case Halve(reason) if len(lines) == 1:
                self._tally.reject(sending.never(lines[0], reason))
                return []
            case Halve():
                half = len(lines) // 2
                return [*self._sent(lines[:half]), *self._sent(lines[half:])]
            case Later(reason, after):
                self._failures += 1
                self._pause(after)
                self._trouble.say("%d events wait: %s", self.waiting, reason)
        return lines

    def _patience(self) -> float:
        return PATIENCE if self._end_at is None else max(0.1, min(PATIENCE, self._end_at - time.monotonic()))

    def _pause(self, after: float | None) -> None:
        pause = jitter(self._failures - 1, FIRST_PAUSE, LONGEST_PAUSE)
        # All who were told the same number do not come back at the same moment.
        waits = pause if after is None else after * random.uniform(1.0, 1.1)
        self._not_before = time.monotonic() + waits
