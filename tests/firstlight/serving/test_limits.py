import os
import random
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from firstlight.serving import access, limits, pulse
from firstlight.serving.limits import LONGEST, MOST, Room, Shedding
from firstlight.serving.wire import Refusal


def test_more_and_more_are_refused_while_requests_wait_and_none_soon_after() -> None:
    shedding = Shedding()
    for waited in (0.0, LONGEST):
        shedding.learn(waited)
        assert shedding.share == 0
    shares = []
    for _ in range(10):
        shedding.learn(LONGEST * 2)
        shares.append(shedding.share)
    assert shares == sorted(shares)
    assert shares[-1] == MOST < 1, "some come through, or nothing would ever be known again"
    for _ in range(20):
        shedding.learn(0.0)
    assert shedding.share == 0


def test_as_many_are_refused_as_the_share_says(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "random", random.Random(4).random)
    monkeypatch.setattr(limits.shedding, "share", 0.3)
    refused = 0
    for _ in range(10_000):
        try:
            limits.shed()
        except Refusal as refusal:
            assert refusal.status == 503
            assert dict(refusal.headers) == {"Retry-After": "1"}
            refused += 1
    assert abs(refused - 3_000) < 4 * (10_000 * 0.3 * 0.7) ** 0.5


def test_whoever_asks_from_memory_asks_this_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits.shedding, "share", 1.0)
    with pytest.raises(Refusal, match="waiting"):
        access.snapshot()


def test_a_full_room_refuses_at_once_and_takes_the_next_when_one_leaves() -> None:
    room = Room(2)
    with room:
        with room, pytest.raises(Refusal) as refused, room:
            pass
        assert refused.value.status == 503
        assert dict(refused.value.headers) == {"Retry-After": "1"}
        with room:
            pass


def test_the_check_costs_less_than_a_microsecond() -> None:
    """Best of many turns, for others use this machine too."""

    def turn() -> float:
        began = time.thread_time()
        for _ in range(2_000):
            limits.shed()
        return (time.thread_time() - began) / 2_000

    assert min(turn() for _ in range(20)) < 1e-6


@contextmanager
def answering(pids: list[int], seconds: float = 0.0) -> Iterator[int]:
    """A server whose connections are answered by processes in turn; gives its port."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def setup(self) -> None:
            super().setup()
            self.pid = pids.pop(0)

        def do_GET(self) -> None:
            time.sleep(seconds)
            body = str(self.pid).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()
        server.server_close()


def test_it_finds_its_own_port_and_the_connection_that_it_answers_itself() -> None:
    pids = [11, 12, os.getpid()]
    with answering(pids) as port:
        assert port in pulse.ports()
        connection = pulse._own([port], os.getpid())
        assert connection is not None
        assert not pids, "the third was ours"
        connection.close()
    assert port not in pulse.ports()


def test_it_feels_how_long_a_request_waits() -> None:
    with answering([1], seconds=0.2) as port:
        connection = pulse._own([port], 1)
        assert connection is not None
        assert 0.2 <= pulse._felt(connection) < 2
        connection.close()
