"""How long a request waits here, felt as a client feels it: this process asks itself, ten times a second.

No figure from within tells: requests wait in granian's queue, before Python sees them, while the threads that Python
does see are no more than granian was given. So a connection of our own goes through the same queue. The port is shared
with the sibling processes, so connections are opened until one is answered by this process; it is then kept.
"""

import contextlib
import http.client
import os
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar

from firstlight.serving import limits, meters
from firstlight.serving.wire import Answer, Environ

PATH = "/pulse"
EVERY = 0.1  # seconds between two looks
PATIENCE = 5.0  # seconds; whoever waits longer has waited so long
TRIES = 64  # connections until one meets this process; of eight processes all miss once in 5,000 times
T = TypeVar("T")
LISTENS = "0A"  # in /proc/net/tcp


def answer(_: Environ) -> Answer:
    """Which process this is."""
    return Answer(200, str(os.getpid()).encode(), "text/plain; charset=utf-8")


def start() -> None:
    threading.Thread(target=_run, name="pulse", daemon=True).start()


def _run() -> None:
    connection: http.client.HTTPConnection | None = None
    while True:
        time.sleep(EVERY)
        try:
            connection = connection or _own(ports(), os.getpid())
            waited = _felt(connection) if connection else 0.0
        except TimeoutError:
            connection, waited = None, PATIENCE
        except (OSError, http.client.HTTPException):  # closed when idle, or the process ends
            connection, waited = None, 0.0
        limits.shedding.learn(waited)
        meters.queued(waited)


def _felt(connection: http.client.HTTPConnection) -> float:
    began = time.perf_counter()
    _asked(connection)
    return time.perf_counter() - began


def _own(listening: list[int], pid: int) -> http.client.HTTPConnection | None:
    """A connection that this process answers; None where there is none (another server, TLS, no TCP)."""
    for port in listening:
        for _ in range(TRIES):
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE)
            if _asked(connection) == str(pid).encode():
                return connection
            connection.close()
    return None


def _asked(connection: http.client.HTTPConnection) -> bytes:
    connection.request("GET", PATH)
    return connection.getresponse().read()


def ports() -> list[int]:
    """TCP ports that this process listens at, as Linux tells; none elsewhere."""
    own = set(_told(_sockets))
    return sorted({int(port, 16) for port, inode in _told(_listening) if inode in own})


def _told(read: Callable[[], Iterator[T]]) -> list[T]:
    try:
        return [*read()]
    except OSError:
        return []


def _sockets() -> Iterator[str]:
    """Inodes of the sockets of this process."""
    for file in Path("/proc/self/fd").iterdir():
        with contextlib.suppress(FileNotFoundError):  # closed meanwhile
            if (target := str(file.readlink())).startswith("socket:["):
                yield target[8:-1]


def _listening() -> Iterator[tuple[str, str]]:
    """(port in hex, inode) of every listening socket of this machine."""
    for file in ("/proc/net/tcp", "/proc/net/tcp6"):
        for line in Path(file).read_text(encoding="ascii").splitlines()[1:]:
            fields = line.split()
            if fields[3] == LISTENS:
                yield fields[1].rpartition(":")[2], fields[9]
