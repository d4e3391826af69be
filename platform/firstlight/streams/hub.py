"""Who waits for changes, and the number of them that there may be. Of one event loop."""

import asyncio
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager

MOST, MOST_EACH = 5_000, 500  # streams in all, and of one key


class Full(Exception):
    """No stream more, of this key or in all."""


class Stream:
    """The newest change that its client has not heard of. One that is slow skips some, and nobody waits for it."""

    def __init__(self, who: str) -> None:
        self.who = who
        self._newest: int | None = 0
        self._changed = asyncio.Event()

    def tell(self, number: int | None) -> None:
        self._newest = number
        self._changed.set()

    async def next(self) -> int | None:
        """Number of the snapshot that brought the change; None: the stream is over."""
        await self._changed.wait()
        self._changed.clear()
        return self._newest


class Hub:
    def __init__(self, most: int = MOST, most_each: int = MOST_EACH) -> None:
        self.newest = 0  # number of the snapshot with the last change; 0: not known yet
        self._most, self._most_each = most, most_each
        self._streams: set[Stream] = set()
        self._of: Counter[str] = Counter()

    def __len__(self) -> int:
        return len(self._streams)

    def tell(self, number: int) -> None:
        self.newest = number
        for stream in self._streams:
            stream.tell(number)

    def end(self, is_over: Callable[[str], bool]) -> None:
        """The streams of these keys."""
        for stream in self._streams:
            if is_over(stream.who):
                stream.tell(None)

    @contextmanager
    def joined(self, who: str, seen: int | None = None) -> Iterator[Stream]:
        """A stream of this key, which had seen the changes up to `seen`. Raises `Full`."""
        if len(self._streams) >= self._most or self._of[who] >= self._most_each:
            raise Full
        stream = Stream(who)
        self._streams.add(stream)
        self._of[who] += 1
        if seen is not None and self.newest != seen:
            stream.tell(self.newest)
        try:
            yield stream
        finally:
            self._streams.discard(stream)
            self._of[who] -= 1
            if not self._of[who]:
                del self._of[who]
