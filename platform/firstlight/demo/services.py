"""The processes that Firstlight consists of, as one machine runs them."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from django.conf import settings

from firstlight.demo import processes
from firstlight.demo.processes import Child, Program

# Of granian. Why these: docs/operations.md, “Under stress”.
BOUNDS = (
    *("--blocking-threads", "48"),  # its own 512 fight for the interpreter: 400 connections got a 20th of the answers
    *("--backpressure", "900", "--backlog", "2048"),  # connections of a process, in a usual limit of 1,024 files
    *("--http1-header-read-timeout", "15000"),  # milliseconds for a head that trickles in
    *("--respawn-failed-workers", "--workers-kill-timeout", "30"),
    *("--respawn-interval", "20"),  # seconds that a new process has to begin before the one it replaces is told to end
)


def serving(host: str, port: int) -> tuple[str, ...]:
    """How granian is asked to serve WSGI with two processes; the application comes after it."""
    address = ("--host", host, "--port", str(port))
    return ("granian", "--interface", "wsgi", *address, "--workers", "2", *BOUNDS)


def streaming(host: str, port: int) -> tuple[str, ...]:
    """The same for streams, which one process holds for all."""
    bounds = ("--respawn-failed-workers", "--workers-kill-timeout", "2")  # streams do not end by themselves
    return ("granian", "--interface", "asgi", "--host", host, "--port", str(port), *bounds)


def programs(host: str, port: int) -> list[Program]:
    """The same commands as in docker-compose.yml."""
    python = (sys.executable, "-m")
    serve = serving(host, port)
    celery = ("celery", "-A", "firstlight.celery")
    return [
        Program("web", (*python, *serve, "firstlight.wsgi:application")),
        Program("streams", (*python, *streaming(host, port + 1), "firstlight.streams.asgi:application")),
        Program("worker", (*python, *celery, "worker", "--concurrency", "2", "--loglevel", "INFO")),
        Program("beat", (*python, *celery, "beat", "--loglevel", "INFO", "--pidfile=")),
    ]


@contextmanager
def running(host: str, port: int) -> Iterator[list[Child]]:
    root = Path(settings.ROOT)
    streams = settings.STREAMS_URL or f"http://{host}:{port + 1}"
    cores = os.environ.get("WEB_CORES", "all")  # the machine is taken to be ours
    environment = {"PYTHONPATH": f"{root / 'platform'}:{root}", "STREAMS_URL": streams, "WEB_CORES": cores}
    with processes.running(
        programs(host, port), environment=environment, logs=Path(settings.VAR_DIR) / "log"
    ) as children:
        yield children
