"""Whether to ask at all: after some failures in a row nobody asks for a while, then one asks for all.

closed -> (failures in a row) -> open -> (pause) -> one trial -> closed, or open for longer
"""

import threading
import time
from collections.abc import Callable

from .retrying import jitter

FAILURES = 5  # in a row
PAUSE, LONGEST = 1.0, 30.0  # seconds


class Breaker:
    """Every `admits()` that is true is followed by one of `succeeded`, `failed` and `abandoned`."""

    def __init__(
        self,
        failures: int = FAILURES,
        pause: float = PAUSE,
        longest: float = LONGEST,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._most, self._pause, self._longest = failures, pause, longest
        self._clock = clock
        self._failures = 0  # in a row
        self._until = float("-inf")  # of the clock: open
        self._trial_since: float | None = None
        self.forget()

    @property
    def left(self) -> float:
        """Seconds for which nobody asks."""
        return max(0.0, self._until - self._clock())

    @property
    def is_open(self) -> bool:
        return self._failures >= self._most

    def forget(self) -> None:
        """In a forked child, where another thread may have held the lock."""
        self._lock = threading.Lock()
        self._failures, self._until, self._trial_since = 0, float("-inf"), None

    def admits(self) -> bool:
        with self._lock:
            if not self.is_open:
                return True
            now = self._clock()
            if now < self._until:
                return False
            # A trial that never came back (its thread is gone) must not close the door for ever.
            if self._trial_since is not None and now - self._trial_since < self._longest:
                return False
            self._trial_since = now
            return True

    def succeeded(self) -> None:
        with self._lock:
            self._failures, self._until, self._trial_since = 0, float("-inf"), None

    def failed(self, at_least: float = 0.0) -> None:
        """`at_least`: seconds that the server asked for."""
        with self._lock:
            self._failures += 1
            self._trial_since = None
            if self.is_open:
                longest = self._longest - self._pause
                waits = self._pause + jitter(self._failures - self._most, self._pause, longest)
                self._until = self._clock() + max(waits, at_least)

    def abandoned(self) -> None:
        """The caller gave up before there was an outcome."""
        with self._lock:
            self._trial_since = None
