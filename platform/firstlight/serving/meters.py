"""What is counted for Prometheus, added up over the web processes of one server."""

import contextlib
import os
from functools import cache

from prometheus_client import REGISTRY, CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector

from firstlight.serving import siblings
from firstlight.snapshots import memory

BUCKETS = (0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0)  # seconds

_seconds = Histogram("firstlight_request_seconds", "Time in our code, on the hot paths.", ["path"], buckets=BUCKETS)
_answers = Counter("firstlight_requests_total", "Answers of the hot paths.", ["path", "status"])
dropped = Counter("firstlight_decisions_dropped_total", "Decisions that were answered and could not be logged.")
incomplete = Counter(
    "firstlight_decisions_incomplete_total", "Decisions logged before their propensities were counted."
)
shed = Counter("firstlight_requests_shed_total", "Answered 503 because requests waited too long.")
_limited = Counter("firstlight_requests_limited_total", "Answered 429 because the key asked too often.", ["key"])
_queued = Gauge(
    "firstlight_request_wait_seconds",
    "How long a request waits to be begun, of the process that is furthest behind.",
    multiprocess_mode="livemax",
)
_age = Gauge(
    "firstlight_snapshot_age_seconds",
    "Since the snapshot held was published, of the process furthest behind.",
    multiprocess_mode="livemax",
)
_held = Gauge(
    "firstlight_snapshot_held",
    "1 while a person holds serving at an earlier state.",
    multiprocess_mode="livemax",
)
_waiting = Gauge("firstlight_decisions_waiting", "Decisions not stored yet.", multiprocess_mode="livesum")
_snapshot = Gauge("firstlight_snapshot", "Number held, of the process furthest behind.", multiprocess_mode="livemin")
_unchecked = Gauge(
    "firstlight_snapshot_unchecked_seconds",
    "Since the database last confirmed the snapshot, of the process furthest behind.",
    multiprocess_mode="livemax",
)

seconds = cache(_seconds.labels)  # looking a child up anew costs more than counting with it
answers = cache(_answers.labels)
limited = cache(_limited.labels)
queued = _queued.set


def observe(waiting: int) -> None:
    """How this process stands, told now and then; a gauge that asked by itself cannot be shared."""
    _waiting.set(waiting)
    _unchecked.set(memory.seconds_unchecked())
    with contextlib.suppress(memory.NoSnapshot):
        held = memory.current()
        _snapshot.set(held.number)
        _age.set(held.age)
        _held.set(held.returns_to is not None)


def exposition() -> bytes:
    """All of them in Prometheus' text format."""
    if siblings.VARIABLE not in os.environ:
        return generate_latest(REGISTRY)
    siblings.forget_gauges_of_the_dead()
    registry = CollectorRegistry()
    MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
    return generate_latest(registry)
