"""The demo's talk with the API, over HTTP like anybody's."""

import time
from collections.abc import Callable, Iterable
from itertools import islice
from typing import Any

import httpx
import msgspec

from firstlight.demo.progress import Advance

BATCH = 5_000  # events a call; the API takes up to 10,000 and 4 MiB, and 5,000 of these are 2.5 MB
_encoder = msgspec.json.Encoder()


class Refused(Exception):
    """The API answered, but not with what was asked for."""


def client(address: str, key: str) -> httpx.Client:
    # trust_env off: a proxy of the environment has no business between two processes of one machine.
    headers = {"Authorization": f"Bearer {key}"}
    return httpx.Client(base_url=address, headers=headers, timeout=60, trust_env=False)


def wait_until_ready(api: httpx.Client, check: Callable[[], None], *, patience: float = 60) -> None:
    """Until /readyz says yes. `check` raises when waiting has no sense any more."""
    deadline = time.monotonic() + patience
    said = "no answer"
    while time.monotonic() < deadline:
        check()
        try:
            answer = api.get("/readyz")
        except httpx.TransportError:
            time.sleep(0.05)
            continue
        if answer.status_code == httpx.codes.OK:
            return
        said = answer.text
        time.sleep(0.1)
    raise Refused(f"The web server was not ready after {patience:.0f} s: {said}")


def send(api: httpx.Client, events: Iterable[dict[str, Any]], advance: Advance) -> int:
    """Send all events as NDJSON; how many were new. One rejected event is a fault of ours, and raised."""
    accepted = sent = 0
    left = iter(events)
    while batch := list(islice(left, BATCH)):
        body = _encoder.encode_lines(batch)
        answer = api.post("/api/v1/events", content=body, headers={"Content-Type": "application/x-ndjson"})
        told = _told(answer)
        if told["rejected"]:
            raise Refused(f"{len(told['rejected'])} events were rejected, the first because: {told['rejected'][0]}")
        accepted += told["accepted"]
        sent += len(batch)
        advance(sent)
    return accepted


def allocate(api: httpx.Client, scenario: str, unit: dict[str, str]) -> dict[str, Any]:
    """One answer. It is not logged (`log`), for a visitor of ours is no visitor of the shop."""
    return _told(api.post("/api/v1/allocations", json={"unit": unit, "scenario": scenario, "slots": 3, "log": False}))


def _told(answer: httpx.Response) -> dict[str, Any]:
    if answer.status_code != httpx.codes.OK:
        raise Refused(f"{answer.request.method} {answer.request.url.path}: {answer.status_code} {answer.text[:500]}")
    told: dict[str, Any] = answer.json()
    return told
