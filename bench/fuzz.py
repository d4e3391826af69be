"""A hundred thousand hostile requests over sockets to the processes that `make up` serves with (`bench.hostile`).

Every one gets an answer that a client can read, or its connection closed where HTTP itself was broken; none a mistake
of ours (500), none later than `PATIENCE`; and neither process grows after the first fifth. The reference is the rate of
right requests over the same connections.
"""

import http.client
import json
import socket
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from itertools import islice, repeat
from typing import NamedTuple
from urllib.parse import quote, urlsplit

from bench import allocate, hostile, memory, stack
from bench.hostile import Sent
from firstlight.accounts import keys
from firstlight.serving import dispatcher

N, CONNECTIONS, SEED = 100_000, 8, 5
PATIENCE = 10.0  # seconds for an answer, while 7 others are asked on two cores
GROWTH = 32 * 2**20  # bytes a process may grow by after the first fifth: what 100,000 decisions and caches leave
NAMES = {"CONTENT_TYPE": "Content-Type"}


class Told(NamedTuple):
    statuses: Counter[int]  # 0: closed without an answer
    slowest: float  # seconds
    seconds: float


def run() -> None:
    with stack.database():
        allocate.prepare()
        key = keys.create("fuzz", ["allocate", "ingest"], [], "bench")[1]
        with stack.web(ready="/readyz") as address:
            drive(address, key, SEED, N // 5)
            before = memory.of_web(address)
            told = drive(address, key, SEED + 1, N - N // 5)
            check(told, before, memory.of_web(address))
            calm = drive(address, key, SEED, N // 5, right=True)
    rate, reference = (one.statuses.total() / one.seconds for one in (told, calm))
    stack.line("fuzz", f"{summary(told)}, {rate:,.0f} requests/s", f"right ones {reference:,.0f}/s", rate / reference)


def drive(address: str, key: str, seed: int, n: int, *, right: bool = False) -> Told:
    began = time.perf_counter()
    with ThreadPoolExecutor(CONNECTIONS) as threads:
        jobs = [threads.submit(ask, address, requests(key, seed * 100 + i, right), n // CONNECTIONS) for i in range(8)]
    found = [job.result() for job in jobs]
    statuses: Counter[int] = sum((one.statuses for one in found), Counter())
    return Told(statuses, max(one.slowest for one in found), time.perf_counter() - began)


def requests(key: str, seed: int, right: bool) -> Iterator[Sent]:
    if not right:
        doors = {path: door.methods[0] for path, door in {**dispatcher.DOORS, **dispatcher.PREFIXES}.items()}
        return hostile.requests(seed, doors, key)
    headers = {"CONTENT_TYPE": "application/json", "HTTP_AUTHORIZATION": f"Bearer {key}"}
    body = json.dumps({"unit": {"user_id": "u"}, "scenario": "home_feed"}).encode()
    return repeat(Sent("POST", "/api/v1/allocations", headers, body, "length"))


def ask(address: str, sending: Iterator[Sent], n: int) -> Told:
    """One connection, kept while HTTP allows it."""
    statuses, slowest, began = Counter[int](), 0.0, time.perf_counter()
    connection: socket.socket | None = None
    for sent in islice(sending, n):
        asked, kept = time.perf_counter(), connection
        connection = kept or connected(address)
        try:
            status, is_open = exchange(connection, sent)
        except (http.client.RemoteDisconnected, ConnectionError):
            if kept is None:
                raise
            # A kept connection may be closed at any time, after a refusal that left a body unread above all: RFC 9112,
            # 9.3.1 has the client ask again on a new one.
            connection.close()
            connection = connected(address)
            status, is_open = exchange(connection, sent)
        slowest = max(slowest, time.perf_counter() - asked)
        statuses[status] += 1
        if not is_open:
            connection.close()
            connection = None
    return Told(statuses, slowest, time.perf_counter() - began)


def connected(address: str) -> socket.socket:
    place = urlsplit(address)
    connection = socket.create_connection((place.hostname or "", place.port or 0), timeout=PATIENCE)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return connection


def exchange(connection: socket.socket, sent: Sent) -> tuple[int, bool]:
    """(status, whether the connection can be used again). Raises `TimeoutError`, or what does not fit the contract."""
    with suppress(BrokenPipeError, ConnectionResetError):  # refused before all was sent: the answer is there
        connection.sendall(written(sent))
    if is_broken(sent):
        with suppress(OSError):
            connection.shutdown(socket.SHUT_WR)
    response = http.client.HTTPResponse(connection, method=sent.method)
    try:
        response.begin()
        body = response.read()
    except (http.client.HTTPException, ConnectionError):
        if not is_broken(sent) and len(sent.body) <= hostile.LONGEST and is_plain(sent):
            raise
        return 0, False
    check_answer(sent, response, body)
    return response.status, not (response.will_close or is_broken(sent))


def is_broken(sent: Sent) -> bool:
    """Whether the server cannot know where it ends, so that it may close the connection."""
    return sent.framing in ("short", "none") or (sent.framing == "chunked" and is_endless(sent))


def is_endless(sent: Sent) -> bool:
    """One of three chunked bodies lacks its end."""
    return len(sent.body) % 3 == 0


def is_plain(sent: Sent) -> bool:
    """Whether HTTP allows its head: no header with bytes past ASCII, no path of thousands of characters."""
    return all(value.isascii() for value in sent.headers.values()) and len(sent.path) < 1_000


def written(sent: Sent) -> bytes:
    headers = [f"{_name(name)}: {value}" for name, value in sent.headers.items()]
    match sent.framing:
        case "length":
            body, framed = sent.body, f"Content-Length: {len(sent.body)}"
        case "short":
            body, framed = sent.body, f"Content-Length: {len(sent.body) + 7}"
        case "chunked":
            ends = b"" if is_endless(sent) else b"0\r\n\r\n"
            chunk = b"%x\r\n%b\r\n" % (len(sent.body), sent.body) if sent.body else b""
            body, framed = chunk + ends, "Transfer-Encoding: chunked"
        case _:
            body, framed = sent.body, "X-None: 1"
    head = "\r\n".join([f"{sent.method} {quote(sent.path, safe='/%')} HTTP/1.1", "Host: localhost", *headers, framed])
    return head.encode("latin-1", "replace") + b"\r\n\r\n" + body


def _name(wsgi: str) -> str:
    return wsgi.removeprefix("HTTP_").replace("_", "-").title()


def check_answer(sent: Sent, response: http.client.HTTPResponse, body: bytes) -> None:
    kind = response.getheader("Content-Type", "")
    if response.status >= 500:
        raise RuntimeError(f"{response.status} {body[:300]!r} to {sent.method} {sent.path} {sent.body[:300]!r}")
    if body and "json" in kind and not response.getheader("Content-Encoding"):
        json.loads(body)


def check(told: Told, before: dict[int, int], after: dict[int, int]) -> None:
    grown = {pid: after[pid] - held for pid, held in before.items()}  # a process that died raises
    if max(grown.values()) > GROWTH:
        raise RuntimeError(f"grown by {[f'{one / memory.MIB:.1f} MiB' for one in grown.values()]}")
    print(f"           memory after a fifth {_mib(before)} MiB, at the end {_mib(after)} MiB")
    if told.statuses[200] < told.statuses.total() / 10:
        raise RuntimeError(f"refused at the door: {told.statuses}")


def _mib(held: dict[int, int]) -> str:
    return " and ".join(f"{one / memory.MIB:.0f}" for one in held.values())


def summary(told: Told) -> str:
    found = ", ".join(f"{n:,} × {status or 'closed'}" for status, n in sorted(told.statuses.items()))
    return f"{told.statuses.total():,} answers ({found}), slowest {told.slowest * 1e3:,.0f} ms"
