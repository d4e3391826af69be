"""For those who watch: is it alive, is it ready, what has it counted."""

import math
from functools import cache
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from typing import Any

import msgspec
from django.conf import settings

from firstlight.serving import journal, meters
from firstlight.serving.wire import Answer, Environ, Refusal
from firstlight.snapshots import memory

STALE = 3.0  # seconds without a confirmation: several looks have failed


def healthz(_: Environ) -> Answer:
    return Answer(200, b'{"status":"alive"}')


def readyz(_: Environ) -> Answer:
    """Ready from the first snapshot on; without a database it stays ready and says that it serves from memory."""
    try:
        held = memory.current()
    except memory.NoSnapshot:
        return Answer(503, _told("no snapshot yet", {"snapshot": None}), headers=(("Retry-After", "1"),))
    stale = memory.seconds_unchecked() > STALE
    told = {"snapshot": held.number, "age": round(held.age, 1), "returns_to": held.returns_to}
    return Answer(200, _told("stale" if stale else "ready", told))


def metrics(environ: Environ) -> Answer:
    # Who came through a proxy of ours is judged as well: what a client claims of itself can only take rights away.
    passed = [environ.get("REMOTE_ADDR", ""), *filter(None, environ.get("HTTP_X_FORWARDED_FOR", "").split(","))]
    if not all(_may_read(address.strip()) for address in passed):
        raise Refusal(403, "The metrics are for the networks of METRICS_NETWORKS.")
    return Answer(200, meters.exposition(), "text/plain; version=0.0.4; charset=utf-8")


def _told(status: str, snapshot: dict[str, Any]) -> bytes:
    unchecked, here = memory.seconds_unchecked(), journal.opened()
    return msgspec.json.encode(
        {
            "status": status,
            **snapshot,
            "database": "reachable" if unchecked <= STALE else "away",
            "unchecked": round(unchecked, 1) if math.isfinite(unchecked) else None,
            "decisions": {"waiting": here.waiting, "dropped": here.dropped},
        }
    )


def _may_read(address: str) -> bool:
    try:
        return any(ip_address(address) in network for network in _networks())
    except ValueError:
        return False


@cache
def _networks() -> tuple[IPv4Network | IPv6Network, ...]:
    return tuple(ip_network(text) for text in settings.METRICS_NETWORKS)
