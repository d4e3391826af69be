"""Events in memory that no file has yet: so many and so many bytes, the oldest give way."""

import threading
from collections import deque
from collections.abc import Iterable, Sequence

MOST_EVENTS = 50_000
MOST_BYTES = 32 * 2**20


class Buffer:
    def __init__(self, most_events: int = MOST_EVENTS, most_bytes: int = MOST_BYTES) -> None:
        self._most_events, self._most_bytes = most_events, most_bytes
        self._lock = threading.Lock()
        self._lines: deque[bytes] = deque()
        self._bytes = 0

    def __len__(self) -> int:
        return len(self._lines)

    def emptied(self) -> "Buffer":
        """Another one with the same bounds."""
        return Buffer(self._most_events, self._most_bytes)

    def add(self, lines: Sequence[bytes]) -> int:
        """How many gave way."""
        with self._lock:
            self._lines.extend(lines)
            self._bytes += sum(map(len, lines))
            return self._shorten()

    def take(self, most_events: int, most_bytes: int) -> list[bytes]:
        """The oldest, at least one where there is any."""
        taken: list[bytes] = []
        size = 0
        with self._lock:
            while self._lines and len(taken) < most_events and (not taken or size + len(self._lines[0]) <= most_bytes):
                taken.append(self._lines.popleft())
                size += len(taken[-1])
            self._bytes -= size
        return taken

    def give_back(self, lines: Iterable[bytes]) -> int:
        """What was taken and is still to be sent; how many gave way."""
        with self._lock:
            for line in reversed(list(lines)):
                self._lines.appendleft(line)
                self._bytes += len(line)
            return self._shorten()

    def _shorten(self) -> int:
        gone = 0
        while len(self._lines) > self._most_events or (self._bytes > self._most_bytes and len(self._lines) > 1):
            self._bytes -= len(self._lines.popleft())
            gone += 1
        return gone
