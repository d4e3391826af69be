"""The last good answers, by question: so many, and none for longer than so long."""

import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from typing import NamedTuple

MOST = 10_000  # answers of about 1 KB
LONGEST = 3600.0  # seconds


class Remembered(NamedTuple):
    body: bytes
    age: float  # seconds


class Memory:
    def __init__(self, most: int = MOST, longest: float = LONGEST, clock: Callable[[], float] = time.monotonic) -> None:
        self._most, self._longest, self._clock = most, longest, clock
        self._lock = threading.Lock()
        self._kept: OrderedDict[bytes, tuple[float, bytes]] = OrderedDict()  # least recently given first

    def forget(self) -> None:
        """In a forked child, where another thread may have held the lock."""
        self._lock, self._kept = threading.Lock(), OrderedDict()

    def __len__(self) -> int:
        return len(self._kept)

    def keep(self, key: bytes, body: bytes) -> None:
        with self._lock:
            self._kept[key] = self._clock(), body
            self._kept.move_to_end(key)
            while len(self._kept) > self._most:
                self._kept.popitem(last=False)

    def recall(self, key: bytes) -> Remembered | None:
        with self._lock:
            found = self._kept.get(key)
        if found is None:
            return None
        age = self._clock() - found[0]
        return Remembered(found[1], age) if age <= self._longest else None
