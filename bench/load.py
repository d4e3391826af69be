"""A load generator: keep-alive connections, one request at a time on each, in a process of its own.

`python -m bench.load HOST PORT CONNECTIONS SECONDS` reads whole HTTP requests from standard input (JSON array of
base64) and writes what it measured as JSON. Plain epoll, no client library: it shares two cores with the server, so
what it spends the server lacks. A response that is neither 200 nor 304 ends it.
"""

import base64
import json
import select
import socket
import subprocess
import sys
import time
from dataclasses import asdict, dataclass
from itertools import cycle


@dataclass(frozen=True)
class Measured:
    requests: int
    seconds: float
    p50: float  # seconds from the last byte sent to the last byte received
    p99: float

    @property
    def rate(self) -> float:
        """Requests per second."""
        return self.requests / self.seconds


def load(host: str, port: int, requests: list[bytes], *, connections: int = 16, seconds: float = 10.0) -> Measured:
    """The same in a process of its own."""
    finished = subprocess.run(
        [sys.executable, "-m", "bench.load", host, str(port), str(connections), str(seconds)],
        input=json.dumps([base64.b64encode(r).decode() for r in requests]).encode(),
        stdout=subprocess.PIPE,
        check=True,
    )
    return Measured(**json.loads(finished.stdout))


def drive(host: str, port: int, requests: list[bytes], connections: int, seconds: float) -> Measured:
    poll, sockets, sent_at, buffers = select.epoll(), {}, {}, {}
    turn = cycle(requests)
    for _ in range(connections):
        one = socket.create_connection((host, port))
        one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        sockets[one.fileno()], buffers[one.fileno()] = one, b""
        poll.register(one, select.EPOLLIN)
    latencies: list[float] = []
    started = now = time.perf_counter()
    for fd, one in sockets.items():
        one.sendall(next(turn))
        sent_at[fd] = now
    while now - started < seconds:
        for fd, _ in poll.poll(1.0):
            buffers[fd] += sockets[fd].recv(262_144)
            if not is_whole(buffers[fd]):
                continue
            now = time.perf_counter()
            latencies.append(now - sent_at[fd])
            buffers[fd] = b""
            sent_at[fd] = now
            sockets[fd].sendall(next(turn))
    return measured(latencies, now - started)


def is_whole(response: bytes) -> bool:
    """Whether head and body have come; every response has a Content-Length."""
    end = response.find(b"\r\n\r\n")
    if end < 0:
        if not response:
            raise ConnectionError("the server closed the connection")
        return False
    if response.startswith(b"HTTP/1.1 304"):  # never has a body
        return True
    if not response.startswith(b"HTTP/1.1 200"):
        raise RuntimeError(response[:1_000].decode(errors="replace"))
    head = response[:end].lower()
    at = head.index(b"content-length:") + 15
    return len(response) >= end + 4 + int(head[at : at + 12].split(b"\r\n")[0])


def measured(latencies: list[float], seconds: float) -> Measured:
    ranked = sorted(latencies)
    return Measured(len(ranked), seconds, ranked[len(ranked) // 2], ranked[len(ranked) * 99 // 100])


if __name__ == "__main__":
    host, port, connections, seconds = sys.argv[1:]
    given = [base64.b64decode(r) for r in json.load(sys.stdin)]
    print(json.dumps(asdict(drive(host, int(port), given, int(connections), float(seconds)))))
