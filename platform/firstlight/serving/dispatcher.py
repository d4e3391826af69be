"""The first door: hot paths are answered here, everything else by Django behind it."""

from collections.abc import Callable, Iterable
from http import HTTPStatus
from time import perf_counter
from typing import Any, NamedTuple

import structlog
import uuid_utils

from firstlight.serving import allocations, growthbook, ingest, limits, meters, ofrep, probes, publishing, pulse
from firstlight.serving.wire import Answer, Environ, Headers, Refusal

log = structlog.get_logger(__name__)

Application = Callable[[Environ, Callable[..., Any]], Iterable[bytes]]


class Door(NamedTuple):
    methods: tuple[str, ...]
    answer: Callable[[Environ], Answer]


POST, GET = ("POST",), ("GET", "HEAD")

DOORS = {
    "/api/v1/allocations": Door(POST, allocations.allocate),
    "/api/v1/allocations/batch": Door(POST, allocations.allocate_batch),
    "/api/v1/events": Door(POST, ingest.ingest),
    "/api/v1/rules": Door(GET, publishing.rules),
    ofrep.ALL: Door(ofrep.METHODS, ofrep.evaluate_all),
    "/healthz": Door(GET, probes.healthz),
    "/readyz": Door(GET, probes.readyz),
    "/metrics": Door(GET, probes.metrics),
    pulse.PATH: Door(GET, pulse.answer),
}
# What begins so, where no path above is meant; what such a door counts and logs is told by the prefix.
PREFIXES = {
    ofrep.ONE: Door(ofrep.METHODS, ofrep.evaluate_one),
    growthbook.PATH: Door(growthbook.METHODS, growthbook.features),
}
STATUS_LINES = {status.value: f"{status.value} {status.phrase}" for status in HTTPStatus}
SAFE: Headers = (("X-Content-Type-Options", "nosniff"),)
ALWAYS: Headers = (("Cache-Control", "no-store"), *SAFE)


class Dispatcher:
    """A WSGI application in front of another one."""

    def __init__(self, behind: Application) -> None:
        self.behind = behind

    def __call__(self, environ: Environ, start_response: Callable[..., Any]) -> Iterable[bytes]:
        path = environ["PATH_INFO"]
        door = DOORS.get(path)
        if door is None:
            path = _prefix(path)
            if not path:
                return self._by_django(environ, start_response)
            door = PREFIXES[path]
        began = perf_counter()
        status, body, content_type, headers = _answered(door, environ)
        always = SAFE if headers and headers[0][0] == "Cache-Control" else ALWAYS  # who may be kept says so first
        start_response(
            STATUS_LINES[status],
            [("Content-Type", content_type), ("Content-Length", str(len(body))), *always, *headers],
        )
        meters.answers(path, status).inc()
        meters.seconds(path).observe(perf_counter() - began)
        return [body if environ["REQUEST_METHOD"] != "HEAD" else b""]

    def _by_django(self, environ: Environ, start_response: Callable[..., Any]) -> Iterable[bytes]:
        try:
            with limits.django:
                return self.behind(environ, start_response)
        except Refusal as refusal:
            status, body, content_type, headers = refusal.answer()
            told = [("Content-Type", content_type), ("Content-Length", str(len(body))), *ALWAYS, *headers]
            start_response(STATUS_LINES[status], told)
            return [body]


def _prefix(path: str) -> str:
    """The one that the path begins with, and goes on after; "" for what is Django's."""
    return next((prefix for prefix in PREFIXES if path.startswith(prefix) and path != prefix), "")


def _answered(door: Door, environ: Environ) -> Answer:
    """Always an answer: a refusal is one, and so is a mistake of ours."""
    try:
        if environ["REQUEST_METHOD"] not in door.methods:
            raise Refusal(405, f"Use {door.methods[0]}.", headers=(("Allow", ", ".join(door.methods)),))
        return door.answer(environ)
    except Refusal as refusal:
        return refusal.answer()
    except Exception:
        trace_id = str(uuid_utils.uuid7())
        log.exception("request failed", trace_id=trace_id, path=environ["PATH_INFO"])
        return Refusal(500, f"Our mistake; it is logged under trace {trace_id}.").answer()
