"""How many requests per second a key may ask, of all web processes of a server together, without a lock between them.

Each process counts what it admitted in a file of its own, a counter per key, and reads those of its siblings: its own
bucket is emptied by what the others admitted as well. So the limit holds however connections are spread over processes,
up to what two of them admit in the same microsecond. Servers do not see each other: each admits its share, `SERVERS`.
"""

import mmap
import os
import threading
import time
from math import ceil
from pathlib import Path

from django.conf import settings

from firstlight.accounts.keys import HeldKey
from firstlight.serving import siblings

KEYS = 2**16  # counters of a file; keys whose numbers are so far apart share one
SIZE = KEYS * 8  # bytes
LOOK = 1.0  # seconds between two looks for siblings that came or went


class Counters:
    """What this process admitted, and its siblings, by number of the key."""

    def __init__(self, folder: Path | None) -> None:
        self._folder = folder
        self._others: dict[str, memoryview] = {}
        self._looked_at = float("-inf")
        self.own = _made(folder / f"admitted-{os.getpid()}") if folder else memoryview(bytearray(SIZE)).cast("Q")

    def others(self, key: int, at: float) -> int:
        if at - self._looked_at > LOOK:
            self._looked_at, self._others = at, self._found()
        return sum(counters[key % KEYS] for counters in self._others.values())

    def _found(self) -> dict[str, memoryview]:
        if self._folder is None:
            return {}
        pids = {int(path.name.rpartition("-")[2]) for path in self._folder.glob("admitted-*")} - {os.getpid()}
        alive = {f"admitted-{pid}" for pid in pids if siblings.is_alive(pid)}
        return {name: self._others.get(name) or _opened(self._folder / name) for name in alive}


class Bucket:
    """The tokens of one key as one process sees them. Times are seconds of a monotonic clock."""

    __slots__ = ("_at", "_seen", "tokens")

    def __init__(self, tokens: float, at: float, seen: int) -> None:
        self.tokens, self._at, self._seen = tokens, at, seen

    def wait(self, rate: float, burst: float, at: float, seen: int) -> float:
        """Seconds until one more is admitted; 0 takes a token. `seen`: admitted by siblings, ever.

        A sibling that ended takes its count along, so what is seen may fall: that gives nothing back.
        """
        spent = max(0, seen - self._seen)
        self.tokens = min(burst, self.tokens + (at - self._at) * rate) - spent
        self._at, self._seen = at, seen
        if self.tokens < 1:
            return (1 - self.tokens) / rate
        self.tokens -= 1
        return 0.0


class Rates:
    """Of one process."""

    def __init__(self, counters: Counters, servers: int = 1) -> None:
        self._counters, self._servers = counters, servers
        self._buckets: dict[int, Bucket] = {}
        self._taking = threading.Lock()  # of the threads of this process; only requests of limited keys take it

    def wait(self, key: HeldKey, at: float) -> int:
        """Whole seconds to wait, for Retry-After; 0: admitted."""
        assert key.rate
        rate = key.rate / self._servers
        burst = max(1.0, (key.burst or key.rate) / self._servers)
        with self._taking:
            seen = self._counters.others(key.number, at)
            bucket = self._buckets.get(key.number) or self._buckets.setdefault(key.number, Bucket(burst, at, seen))
            if seconds := bucket.wait(rate, burst, at, seen):
                return ceil(seconds)
            self._counters.own[key.number % KEYS] += 1
            return 0


_rates: Rates | None = None
_opening = threading.Lock()


def wait(key: HeldKey) -> int:
    """As `Rates.wait`, now, in this process."""
    return (_rates or opened()).wait(key, time.monotonic())


def opened() -> Rates:
    """The one of this process."""
    global _rates  # noqa: PLW0603 - one per process
    with _opening:
        if _rates is None:
            folder = os.environ.get(siblings.VARIABLE)
            _rates = Rates(Counters(Path(folder) if folder else None), settings.SERVERS)
        return _rates


def _made(path: Path) -> memoryview:
    """Zero at first; a file of holes, so that what is never counted costs no disk.

    It gets its name when it has its size: to read past the end of a mapped file kills a process.
    """
    hidden = path.with_name(f".{path.name}")
    with hidden.open("w+b") as file:
        file.truncate(SIZE)
        counters = mmap.mmap(file.fileno(), SIZE, access=mmap.ACCESS_WRITE)
    hidden.replace(path)
    return memoryview(counters).cast("Q")


def _opened(path: Path) -> memoryview:
    with path.open("rb") as file:
        return memoryview(mmap.mmap(file.fileno(), SIZE, access=mmap.ACCESS_READ)).cast("Q")


def forget() -> None:
    global _rates, _opening
    _rates, _opening = None, threading.Lock()


os.register_at_fork(after_in_child=forget)
