"""What became of events, counted, and told where somebody wants to know."""

import threading
from collections.abc import Callable
from typing import NamedTuple

from .events import Rejected
from .trouble import log


class Counts(NamedTuple):
    """Events since the client was made."""

    tracked: int
    accepted: int
    duplicates: int
    rejected: int
    dropped: int  # for want of room
    waiting: int


class Tally:
    def __init__(self, on_rejected: Callable[[Rejected], None], on_count: Callable[[str, int], None]) -> None:
        self._on_rejected, self._on_count = on_rejected, on_count
        self.forget()

    def forget(self) -> None:
        """In a forked child, where another thread may have held the lock."""
        self._counting = threading.Lock()
        self._numbers = dict.fromkeys(Counts._fields, 0)

    def counts(self, waiting: int) -> Counts:
        return Counts(**{**self._numbers, "waiting": waiting})

    def add(self, outcome: str, n: int) -> None:
        if n:
            with self._counting:
                self._numbers[outcome] += n
            self._on_count(outcome, n)

    def reject(self, rejected: Rejected) -> None:
        self.add("rejected", 1)
        try:
            self._on_rejected(rejected)
        except Exception:  # it is not ours, and other events wait
            log.exception("the callback for rejected events failed")
