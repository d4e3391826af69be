"""What a benchmark runs against: an empty platform of its own."""

import socket
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import httpx
from django.conf import settings
from django.core.management import call_command
from django.db import connections

from firstlight.demo import processes, services
from firstlight.postgres import embedded

ROOT = Path(settings.ROOT)


@contextmanager
def database() -> Iterator[None]:
    """A migrated database in this process's VAR_DIR, durable as in production, gone afterwards."""
    here = embedded.cluster(settings.VAR_DIR)
    try:
        with embedded.running(settings.VAR_DIR):
            call_command("migrate", verbosity=0)
            yield
            connections.close_all()  # another database may follow
    finally:
        embedded.remove(here)


@contextmanager
def web(
    application: str = "firstlight.wsgi:application", *, ready: str = "/healthz", **environment: str
) -> Iterator[str]:
    """A WSGI application as `make up` serves it (granian, 2 workers); gives its address."""
    with closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    program = processes.Program("web", (sys.executable, "-m", *services.serving("127.0.0.1", port), application))
    known = {"PYTHONPATH": f"{ROOT / 'platform'}:{ROOT}", "WEB_CORES": "all", **environment}
    with processes.running([program], environment=known, logs=Path(settings.VAR_DIR) / "log") as children:
        address = f"http://127.0.0.1:{port}"
        _wait(address + ready, children)
        yield address


def _wait(url: str, children: list[processes.Child]) -> None:
    """Until it answered 30 times in a row, each on a new connection: then every worker has."""
    deadline, answers = time.monotonic() + 60, 0
    while answers < 30:
        processes.check(children)
        if time.monotonic() > deadline:
            raise TimeoutError(f"{url} did not answer within a minute")
        answers = answers + 1 if _answers(url) else 0
        time.sleep(0 if answers else 0.1)


def _answers(url: str) -> bool:
    try:
        return httpx.get(url).status_code < 500
    except httpx.TransportError:
        return False


def line(name: str, figure: str, reference: str, ratio: float) -> None:
    print(f"{name:<10} {figure}   reference: {reference}   ratio {ratio:.2f}", flush=True)
