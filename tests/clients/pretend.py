"""A server of the tests' own over real sockets, which does what it is told: be slow, stop halfway, be away."""

import contextlib
import gzip
import json
import socket
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass(frozen=True)
class Heard:
    method: str
    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def events(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.body.splitlines()]


@dataclass(frozen=True)
class Say:
    status: int = 200
    body: Any = b""
    headers: dict[str, str] = field(default_factory=dict)
    after: float = 0.0  # seconds before the first byte
    drip: float = 0.0  # seconds between single bytes
    part: float = 1.0  # of the body that is sent before the connection breaks

    @property
    def raw(self) -> bytes:
        return self.body if isinstance(self.body, bytes) else json.dumps(self.body).encode()


def answer(asked: Heard, **members: Any) -> Say:
    said = {"trace_id": asked.json["trace_id"], "snapshot": 7, "expires_in": 10, "scenario": asked.json["scenario"]}
    arm = {"experiment": "ranker-din", "variant": "din", "phase": 1, "in_holdout": False}
    return Say(body={**said, "experiments": [arm], "parameters": {"ranker": "din"}, "discovery": [], **members})


class Shop:
    """What `say` makes of a request is what is sent."""

    def __init__(self) -> None:
        self.heard: list[Heard] = []
        self.stored: dict[str, dict[str, Any]] = {}  # events by id, as the server deduplicates them
        self.received = 0  # events, those that came twice included
        self.say: Callable[[Heard], Say] = self.well
        self.port = 0
        self._server: ThreadingHTTPServer | None = None
        self.open()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def paths(self, path: str) -> list[Heard]:
        return [one for one in self.heard if one.path == path]

    def well(self, asked: Heard) -> Say:
        if asked.path == "/api/v1/allocations":
            return answer(asked)
        if asked.path == "/api/v1/allocations/batch":
            each = [Heard("POST", "", {}, json.dumps(one).encode()) for one in asked.json["requests"]]
            return Say(body={"results": [answer(one).body for one in each]})
        if asked.path == "/api/v1/events":
            return self.take(asked)
        return Say(404, {"title": "Not Found"})

    def take(self, asked: Heard, rejects: Callable[[dict[str, Any]], bool] = lambda event: False) -> Say:
        """As the inbox does: each id once, a bad event by its index."""
        rejected = [{"index": i, "pointer": "/type", "detail": "bad"} for i, e in enumerate(asked.events) if rejects(e)]
        new = {event["event_id"]: event for event in asked.events if not rejects(event)}
        accepted = len(new.keys() - self.stored.keys())
        self.received += len(new)
        self.stored.update(new)
        return Say(body={"accepted": accepted, "duplicates": len(new) - accepted, "rejected": rejected})

    def open(self) -> None:
        """At the same port as before."""
        shop = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def _answer(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                if self.headers.get("Content-Encoding") == "gzip":
                    body = gzip.decompress(body)
                headers = {name.lower(): value for name, value in self.headers.items()}
                heard = Heard(self.command, self.path, headers, body)
                shop.heard.append(heard)
                self._send(shop.say(heard))

            do_GET = do_POST = _answer  # noqa: N815

            def _send(self, say: Say) -> None:
                time.sleep(say.after)
                self.send_response(say.status)
                for name, value in {"Content-Type": "application/json", **say.headers}.items():
                    self.send_header(name, value)
                raw = b"" if say.status == 304 else say.raw
                self.send_header("Content-Length", str(len(raw)))
                self.end_headers()
                if say.drip:
                    for i in range(len(raw)):
                        self.wfile.write(raw[i : i + 1])
                        time.sleep(say.drip)
                elif say.part < 1:
                    self.wfile.write(raw[: int(len(raw) * say.part)])
                    self.wfile.flush()
                    self.connection.shutdown(socket.SHUT_RDWR)
                    self.close_connection = True
                else:
                    self.wfile.write(raw)

            def send_response(self, code: int, message: str | None = None) -> None:
                self.send_response_only(code, message)
                self.send_header("Date", self.date_time_string(time.time() + shop.ahead))

            def log_message(self, format: str, *args: Any) -> None:
                pass

            def handle(self) -> None:
                shop.connections.add(self.connection)
                try:
                    super().handle()
                except OSError:
                    pass  # the client left
                finally:
                    shop.connections.discard(self.connection)

        self.connections: set[socket.socket] = set()
        ThreadingHTTPServer.allow_reuse_address = True
        self._server = ThreadingHTTPServer(("127.0.0.1", self.port), Handler)
        self._server.daemon_threads = True
        self.port = self._server.server_address[1]
        threading.Thread(target=self._server.serve_forever, args=[0.01], daemon=True).start()

    ahead = 0.0  # seconds of its clock before ours

    def close(self) -> None:
        """As a killed server: nobody listens, and open connections break."""
        if self._server:
            self._server.shutdown()
            self._server.server_close()
            for one in list(self.connections):
                with contextlib.suppress(OSError):
                    one.shutdown(socket.SHUT_RDWR)
            self._server = None


def within(seconds: float, holds: Callable[[], bool]) -> bool:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if holds():
            return True
        time.sleep(0.01)
    return holds()
