"""The processes that Firstlight consists of, as one machine runs them."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from django.conf import settings

from firstlight.demo import processes
from firstlight.demo.processes import Child, Program


def programs(host: str, port: int) -> list[Program]:
    """The same commands as in docker-compose.yml."""
    python = (sys.executable, "-m")
    serve = ("granian", "--interface", "wsgi", "--host", host, "--port", str(port), "--workers", "2")
    celery = ("celery", "-A", "firstlight.celery")
    return [
        Program("web", (*python, *serve, "firstlight.wsgi:application")),
        Program("worker", (*python, *celery, "worker", "--concurrency", "2", "--loglevel", "INFO")),
        Program("beat", (*python, *celery, "beat", "--loglevel", "INFO", "--pidfile=")),
    ]


@contextmanager
def running(host: str, port: int) -> Iterator[list[Child]]:
    root = Path(settings.ROOT)
    environment = {"PYTHONPATH": f"{root / 'platform'}:{root}"}
    with processes.running(
        programs(host, port), environment=environment, logs=Path(settings.VAR_DIR) / "log"
    ) as children:
        yield children
