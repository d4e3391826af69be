"""A platform of a test's own: an embedded PostgreSQL that may be killed, and granian with two web processes."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from firstlight.demo import services
from firstlight.postgres import embedded

ROOT = Path(__file__).resolve().parents[2]


@dataclass
class Server:
    var_dir: Path
    port: int = 0
    process: subprocess.Popen[bytes] | None = field(default=None, repr=False)

    @property
    def cluster(self) -> embedded.Cluster:
        return embedded.cluster(self.var_dir)

    @property
    def environment(self) -> dict[str, str]:
        own = {"VAR_DIR": str(self.var_dir), "PYTHONPATH": f"{ROOT / 'platform'}:{ROOT}", "WEB_CORES": "all"}
        return {**os.environ, **own, "DJANGO_SETTINGS_MODULE": "firstlight.settings", "LOG_LEVEL": "WARNING"}

    def django(self, code: str) -> Any:
        """Run `code` in a process of its own; what it assigns to `result` comes back."""
        whole = f"import django, json; django.setup()\n{code}\nprint(json.dumps(result))"
        done = subprocess.run(
            [sys.executable, "-c", whole], env=self.environment, cwd=ROOT, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout.splitlines()[-1])

    def serve(self, port: int = 0) -> None:
        """At a free port, or again at the one it had."""
        with closing(socket.socket()) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(("127.0.0.1", port))
            self.port = probe.getsockname()[1]
        command = [sys.executable, "-m", *services.serving("127.0.0.1", self.port)]
        with (self.var_dir / "web.log").open("ab") as log:
            self.process = subprocess.Popen(
                [*command, "firstlight.wsgi:application"], env=self.environment, cwd=ROOT, stdout=log, stderr=log
            )
        assert within(30, lambda: self.asks("GET", "/readyz", 12) == {200}), (self.var_dir / "web.log").read_text()

    def ask(self, method: str, path: str, key: str = "", **options: Any) -> httpx.Response:
        """On a connection of its own, so that every web process gets its share."""
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        url = f"http://127.0.0.1:{self.port}{path}"
        return httpx.request(method, url, headers=headers, timeout=20, **options)

    def asks(self, method: str, path: str, n: int, key: str = "", **options: Any) -> set[int]:
        """The statuses of n answers; none when nobody listens."""
        try:
            return {self.ask(method, path, key, **options).status_code for _ in range(n)}
        except httpx.TransportError:
            return set()

    def end(self) -> None:
        """As an operator does."""
        if self.process is not None:
            self.process.send_signal(signal.SIGTERM)
            self.process.wait(30)
            self.process = None


@contextmanager
def with_database(var_dir: Path) -> Iterator[Server]:
    """Its database runs, nothing is served yet; nothing is left of either."""
    server = Server(var_dir)
    embedded.start(server.cluster)
    try:
        yield server
    finally:
        server.end()
        embedded.remove(server.cluster)


def within(seconds: float, holds: Callable[[], bool]) -> bool:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if holds():
            return True
        time.sleep(0.05)
    return holds()
