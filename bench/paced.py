"""A load generator that keeps to a rate: what is due is sent when a connection is free, and waits for one otherwise.

`python -m bench.paced HOST PORT CONNECTIONS SECONDS RATE` reads requests as `bench.load` does, in a process of its own
for the same reason, and writes what it measured of each minute. A latency counts from the moment at which the request
was due, so that a server which stops for a second is not spared the requests that nobody could send meanwhile.
"""

import base64
import json
import select
import socket
import subprocess
import sys
import time
from dataclasses import asdict
from itertools import cycle

from bench.load import Measured, is_whole, measured

MINUTE = 60.0


def started(
    host: str, port: int, requests: list[bytes], *, connections: int, seconds: float, rate: float
) -> "subprocess.Popen[bytes]":
    """Under way; `minutes` waits for its end."""
    command = (sys.executable, "-m", "bench.paced", host, str(port), str(connections), str(seconds), str(rate))
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert process.stdin
    process.stdin.write(json.dumps([base64.b64encode(r).decode() for r in requests]).encode())
    process.stdin.close()
    process.stdin = None
    return process


def minutes(process: "subprocess.Popen[bytes]") -> list[Measured]:
    told, _ = process.communicate()
    if process.returncode:
        raise RuntimeError("the load ended before its time")
    return [Measured(**one) for one in json.loads(told)]


def drive(
    host: str, port: int, requests: list[bytes], connections: int, seconds: float, rate: float
) -> list[list[float]]:
    """Latencies by minute; a response that is neither 200 nor 304 ends it."""
    poll, turn = select.epoll(), cycle(requests)
    sockets = {one.fileno(): one for one in (socket.create_connection((host, port)) for _ in range(connections))}
    buffers, due_at, free = dict.fromkeys(sockets, b""), dict.fromkeys(sockets, 0.0), list(sockets)
    for fd, one in sockets.items():
        one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        poll.register(fd, select.EPOLLIN)
    found: list[list[float]] = [[] for _ in range(max(1, round(seconds / MINUTE)))]
    began, due = time.perf_counter(), 0.0
    while due < seconds or len(free) < connections:
        now = time.perf_counter() - began
        while free and due <= now and due < seconds:
            fd = free.pop()
            due_at[fd] = due
            sockets[fd].sendall(next(turn))
            due += 1 / rate
        for fd, _ in poll.poll(max(0.0, due - now) if free and due < seconds else 1.0):
            buffers[fd] += sockets[fd].recv(262_144)
            if is_whole(buffers[fd]):
                minute = min(int(due_at[fd] / MINUTE), len(found) - 1)
                found[minute].append(time.perf_counter() - began - due_at[fd])
                buffers[fd] = b""
                free.append(fd)
    return found


if __name__ == "__main__":
    host, port, connections, seconds, rate = sys.argv[1:]
    given = [base64.b64decode(r) for r in json.load(sys.stdin)]
    latencies = drive(host, int(port), given, int(connections), float(seconds), float(rate))
    length = min(MINUTE, float(seconds))
    print(json.dumps([asdict(measured(one, length)) for one in latencies]))
