"""Who met what in this hour, so that a page view tells only what an analysis does not know yet."""

import threading
from collections.abc import Hashable

from .answers import Answer, Met
from .holding import Rules
from .questions import Local

HOUR = 3600  # seconds
MOST = 100_000  # units and what they met


class Exposed:
    """Of a switchback every view is told: what counts there is who came in which part of a window."""

    def __init__(self, most: int = MOST) -> None:
        self._most = most
        self._lock = threading.Lock()
        self._hour, self._seen = 0, set[int]()

    def new(self, rules: Rules, asked: Local, answer: Answer) -> list[Met]:
        """What is to be told; nothing that was forced on a tester."""
        met = [one for one in answer.experiments if not one.forced]
        unit = tuple(sorted(asked.unit.items()))
        if self._is_first(int(asked.at.timestamp()) // HOUR, (asked.scenario, unit, *met)):
            return met
        known = rules.published.rules
        return [one for one in met if one.experiment in known and known[one.experiment].type == "switchback"]

    def _is_first(self, hour: int, what: Hashable) -> bool:
        key = hash(what)
        with self._lock:
            if hour != self._hour or len(self._seen) >= self._most:
                self._hour, self._seen = hour, set()
            if key in self._seen:
                return False
            self._seen.add(key)
            return True
