"""Events on disk: append-only files of one process, sent oldest first and removed once the server has them.

The files of a process lie in `root/<name>/`; it holds the lock on `root/<name>.lock`, made before the folder. The
kernel lets go of the lock when the process ends, however it ends; then another process adopts its files.

What `write` wrote is in the kernel's hands when it returns, so it survives a kill -9 of the process; with `fsync` also
a power cut. A line that either cut short is no line: it is left out when the file is read.
"""

import fcntl
import os
import secrets
import threading
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO

SEGMENT_BYTES = 2**20  # from which on a file is not written to any more
SEGMENT_EVENTS = 2_500
MOST_BYTES = 256 * 2**20
PRIVATE = 0o700


@dataclass
class Segment:
    path: Path
    size: int = 0  # bytes
    events: int = 0

    def lines(self) -> list[bytes]:
        """Raises OSError."""
        return [line for line in self.path.read_bytes().splitlines(keepends=True) if line.endswith(b"\n")]


class Spill:
    """Of one process; many may share the root."""

    def __init__(self, root: Path, most_bytes: int = MOST_BYTES, *, fsync: bool = True) -> None:
        self._root, self._most_bytes, self._fsync = root, most_bytes, fsync
        self._home = root / f"{os.getpid()}-{secrets.token_hex(4)}"
        self._locks: dict[Path, IO[bytes]] = {}  # held, by home
        self._sealed: list[Segment] = []  # oldest first
        self._open: tuple[Segment, IO[bytes]] | None = None
        self._number = 0
        self._lock = threading.RLock()

    @property
    def events(self) -> int:
        return sum(one.events for one in self._all())

    @property
    def size(self) -> int:
        return sum(one.size for one in self._all())

    def write(self, lines: Sequence[bytes]) -> int:
        """Append; how many older events gave way for want of room. Raises OSError, and then nothing is written."""
        with self._lock:
            content = b"".join(lines)
            gone = self._make_room(len(content))
            self._append(content, len(lines))
            return gone

    def _append(self, content: bytes, events: int) -> None:
        segment, file = self._opened()
        try:
            _write_all(file, content)
            if self._fsync:
                os.fsync(file.fileno())
        except OSError:
            self._cut(segment)
            raise
        segment.size += len(content)
        segment.events += events
        if segment.size >= SEGMENT_BYTES or segment.events >= SEGMENT_EVENTS:
            self._seal()

    def oldest(self) -> Segment | None:
        """To be sent next; nothing more is written to it."""
        with self._lock:
            if not self._sealed:
                self._seal()
            return self._sealed[0] if self._sealed else None

    def remove(self, segment: Segment) -> None:
        """The server has it, or nobody ever will. Harmless for one that gave way meanwhile."""
        with self._lock:
            self._sealed = [one for one in self._sealed if one is not segment]
            with suppress(OSError):  # sent it is, and known by its ids
                segment.path.unlink(missing_ok=True)
            home = segment.path.parent
            if home in self._locks and home != self._home and all(one.path.parent != home for one in self._sealed):
                self._leave(home)

    def adopt(self) -> int:
        """Take over what ended processes left; how many events. Raises OSError."""
        with self._lock:
            return sum(one.events for one in self._adopted())

    def _adopted(self) -> list[Segment]:
        found: list[Segment] = []
        for home in [path for path in self._root.glob("*-*") if path.is_dir() and path not in self._locks]:
            if lock := _locked(home):
                self._locks[home] = lock
                left = [_counted(path) for path in home.glob("*.ndjson")]
                found += left
                if not left:
                    self._leave(home)
        if found:
            self._sealed = sorted([*self._sealed, *found], key=lambda one: one.path.stat().st_mtime_ns)
        return found

    def close(self) -> None:
        """What is left is for whoever comes next."""
        with self._lock:
            self._seal()
            for home in list(self._locks):
                self._leave(home)
            self._sealed = []

    def forget(self) -> None:
        """In a forked child: all of it is the parent's, whose locks stay in force when their copies are closed."""
        for file in [*self._locks.values(), *([self._open[1]] if self._open else [])]:
            file.close()
        self._locks, self._sealed, self._open = {}, [], None
        self._home = self._root / f"{os.getpid()}-{secrets.token_hex(4)}"
        self._lock = threading.RLock()

    def _all(self) -> Iterator[Segment]:
        writing = self._open
        yield from list(self._sealed)
        if writing:
            yield writing[0]

    def _opened(self) -> tuple[Segment, IO[bytes]]:
        if self._open is None:
            self._settle()
            self._number += 1
            path = self._home / f"{self._number:08}.ndjson"
            self._open = Segment(path), _made(path)
        return self._open

    def _settle(self) -> None:
        if self._home not in self._locks:
            self._root.mkdir(parents=True, exist_ok=True, mode=PRIVATE)
            lock = _locked(self._home)
            if lock is None:
                raise BlockingIOError(f"{self._home} is somebody else's")
            self._locks[self._home] = lock
            self._home.mkdir(mode=PRIVATE)

    def _leave(self, home: Path) -> None:
        """Remove what is empty and let go of the lock, in this order: nobody adopts a home that is being removed."""
        try:
            home.rmdir()
            _lock_of(home).unlink(missing_ok=True)
        except OSError:
            pass  # files are left in it
        self._locks.pop(home).close()

    def _cut(self, segment: Segment) -> None:
        """A full disk took a part of a write: off with it, and write to this file no more."""
        try:
            os.truncate(segment.path, segment.size)
        finally:
            self._seal()

    def _seal(self) -> None:
        if self._open is None:
            return
        (segment, file), self._open = self._open, None
        file.close()
        if segment.events:
            self._sealed.append(segment)
        else:
            segment.path.unlink(missing_ok=True)

    def _make_room(self, needed: int) -> int:
        gone, size = 0, self.size
        while size + needed > self._most_bytes and (oldest := self.oldest()):
            gone, size = gone + oldest.events, size - oldest.size
            self.remove(oldest)
        return gone


def _made(path: Path) -> IO[bytes]:
    """Read by nobody else: events name people."""
    return os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600), "ab", buffering=0)


def _locked(home: Path) -> IO[bytes] | None:
    """The lock on a home, unless another process has it."""
    file = _lock_of(home).open("ab")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        file.close()
        return None
    return file


def _lock_of(home: Path) -> Path:
    return home.parent / f"{home.name}.lock"


def _counted(path: Path) -> Segment:
    content = path.read_bytes()
    return Segment(path, len(content), content.count(b"\n"))


def _write_all(file: IO[bytes], content: bytes) -> None:
    """A full disk may take a part and say so only at the next try."""
    view = memoryview(content)
    while view:
        view = view[file.write(view) :]
