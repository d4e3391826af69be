"""A crowd of clients that do as they are told: one that gets 503 asks again after Retry-After, on its connection.

Plain epoll as in `bench.load`, which takes any answer but 200 for a failure.
"""

import heapq
import select
import socket
import time
from dataclasses import dataclass, field
from itertools import cycle

RETRY = b"\r\nretry-after:"


@dataclass
class Crowd:
    answered: list[float] = field(default_factory=list)  # seconds of each 200
    refused: int = 0  # 503
    failed: int = 0  # anything else
    seconds: float = 0.0

    @property
    def rate(self) -> float:
        """Answers with 200 per second."""
        return len(self.answered) / self.seconds

    @property
    def p99(self) -> float:
        ranked = sorted(self.answered)
        return ranked[len(ranked) * 99 // 100]


def crowd(host: str, port: int, requests: list[bytes], *, clients: int, seconds: float) -> Crowd:
    found, poll, turn = Crowd(), select.epoll(), cycle(requests)
    sockets = {one.fileno(): one for one in (socket.create_connection((host, port)) for _ in range(clients))}
    buffers, sent_at, resting = dict.fromkeys(sockets, b""), {}, [(0.0, fd) for fd in sockets]
    for fd in sockets:
        poll.register(fd, select.EPOLLIN)
    began = now = time.perf_counter()
    while now - began < seconds:
        while resting and resting[0][0] <= now:
            _, fd = heapq.heappop(resting)
            sent_at[fd] = time.perf_counter()
            sockets[fd].sendall(next(turn))
        for fd, _ in poll.poll(0.01):
            buffers[fd] += sockets[fd].recv(262_144)
            if _is_whole(buffers[fd]):
                pause = _counted(found, buffers[fd], time.perf_counter() - sent_at[fd])
                buffers[fd] = b""
                heapq.heappush(resting, (time.perf_counter() + pause, fd))
        now = time.perf_counter()
    found.seconds = now - began
    for one in sockets.values():
        one.close()
    return found


def _counted(found: Crowd, response: bytes, took: float) -> float:
    """Seconds that this client now rests."""
    status = response[9:12]
    if status == b"200":
        found.answered.append(took)
        return 0.0
    if status != b"503":
        found.failed += 1
        return 0.0
    found.refused += 1
    head = response.lower()
    at = head.index(RETRY) + len(RETRY)
    return float(head[at : at + 6].split(b"\r\n")[0])


def _is_whole(response: bytes) -> bool:
    end = response.find(b"\r\n\r\n")
    if not response:
        raise ConnectionError("the server closed the connection")
    if end < 0:
        return False
    head = response[:end].lower()
    at = head.index(b"content-length:") + 15
    return len(response) >= end + 4 + int(head[at : at + 12].split(b"\r\n")[0])
