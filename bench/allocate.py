"""Allocations per second: 50 live experiments with targeting, a campaign of 1,000 items in 5 slots, keys, decision log.

16 keep-alive connections from a load generator on the same machine. Two references run beside it on the same server and
are loaded in turns, so that whatever else the machine does meets all three: a constant body of the same size,
which is what server and load generator cost by themselves, and a DRF view that does the same work (bench/reference.py).

Then the same with a thousand live experiments of which twenty are for such requests.
"""

import json
import os
import time
from collections.abc import Sequence
from contextlib import ExitStack
from decimal import Decimal
from typing import Any
from urllib.parse import urlsplit

import httpx
from django.db import connection, transaction
from django.utils import timezone

import bandits.lifecycle
from bandits.models import Campaign
from bench import stack
from bench.evaluate import ATTRIBUTES, TARGETING
from bench.load import Measured, load
from experiments.models import Arm, Experiment, Status
from firstlight.accounts import keys
from firstlight.catalog.models import Item, Merchant, Scenario

EXPERIMENTS, ITEMS, SLOTS, UNITS = 50, 1_000, 5, 5_000
LIVE, MATCHING = 1_000, 20
EVERYBODY = [TARGETING[number % len(TARGETING)] for number in range(EXPERIMENTS)]
WARM, SECONDS, ROUNDS = 2.0, 4.0, 3


def run() -> None:
    compare("allocate", EVERYBODY)
    compare("of 1,000", EVERYBODY[:MATCHING] + [{"country": f"C{number % 49}"} for number in range(LIVE - MATCHING)])


def compare(name: str, targeting: Sequence[dict[str, Any]]) -> None:
    with stack.database():
        secret = prepare(targeting)
        side_by_side(name, [request(unit, secret) for unit in range(UNITS)])


def side_by_side(name: str, requests: list[bytes]) -> None:
    """Ours beside the references; the middle one of the rounds of each."""
    with ExitStack() as running:
        ours = running.enter_context(stack.web(ready="/readyz"))
        size = len(answer(ours, requests[0]))
        constant = running.enter_context(stack.web("bench.constant_wsgi:application", CONSTANT_BODY=str(size)))
        drf = running.enter_context(stack.web("bench.reference_wsgi:application"))
        for address in (ours, constant, drf):
            measure(address, requests, WARM)
        logged_before = logged()
        rounds = [[measure(address, requests, SECONDS) for address in (ours, constant, drf)] for _ in range(ROUNDS)]
        check_logged(logged_before, rounds)
    mine, bare, theirs = (middle(one) for one in zip(*rounds, strict=True))
    stack.line(name, told(mine), f"a constant body of {size:,} bytes {told(bare)}", mine.rate / bare.rate)
    stack.line(name, told(mine), f"DRF view {told(theirs)}", mine.rate / theirs.rate)
    print(f"{'':<10} load of the machine {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores", flush=True)


def middle(measured: Sequence[Measured]) -> Measured:
    return sorted(measured, key=lambda one: one.rate)[len(measured) // 2]


def prepare(targeting: Sequence[dict[str, Any]] = EVERYBODY) -> str:
    """A shop with everything live; the key to it."""
    scenario = Scenario.objects.create(key="home_feed", name="Home feed")
    merchants = Merchant.objects.bulk_create(Merchant(key=f"m-{i}") for i in range(50))
    Item.objects.bulk_create(Item(key=f"sku-{i}", merchant=merchants[i % 50]) for i in range(ITEMS))
    with transaction.atomic():  # one publication for all
        start_experiments(targeting, scenario)
        campaign = Campaign.objects.create(
            key="new-arrivals", name="New arrivals", scenario=scenario, positions=list(range(1, SLOTS + 1))
        )
        bandits.lifecycle.start(campaign.pk, actor="bench", at=timezone.now())
        return keys.create("bench", ["allocate"], [], "bench")[1]


def start_experiments(targeting: Sequence[dict[str, Any]], scenario: Scenario) -> None:
    """As rows that run: a thousand commands one after the other would take minutes."""
    made = Experiment.objects.bulk_create(
        Experiment(
            key=f"experiment-{number}",
            name=f"Experiment {number}",
            targeting=condition,
            status=Status.RUNNING,
            started_at=timezone.now(),
        )
        for number, condition in enumerate(targeting)
    )
    Arm.objects.bulk_create(
        Arm(experiment=one, position=at, key=key, weight=Decimal("0.5"), parameters={f"parameter.{number}": at})
        for number, one in enumerate(made)
        for at, key in enumerate(("control", "treatment"))
    )
    through = Experiment.scenarios.through
    through.objects.bulk_create(through(experiment_id=one.pk, scenario_id=scenario.pk) for one in made)


def request(unit: int, secret: str) -> bytes:
    body = json.dumps(
        {
            "unit": {"user_id": f"u-{unit}", "device_id": f"d-{unit}"},
            "scenario": "home_feed",
            "attributes": ATTRIBUTES,
            "recent": [{"event": "view", "item_id": "sku-1", "at": "2026-11-23T10:00:00Z"}],
            "slots": SLOTS,
        }
    ).encode()
    head = (
        "POST /api/v1/allocations HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
        f"Authorization: Bearer {secret}\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


def measure(address: str, requests: list[bytes], seconds: float) -> Measured:
    netloc = urlsplit(address)
    return load(netloc.hostname or "", netloc.port or 0, requests, seconds=seconds)


def answer(address: str, whole: bytes) -> bytes:
    """The body that this request is answered with."""
    head, _, body = whole.partition(b"\r\n\r\n")
    headers = dict(line.split(": ", 1) for line in head.decode().split("\r\n")[1:])
    return httpx.post(f"{address}/api/v1/allocations", content=body, headers=headers).raise_for_status().content


def logged() -> int:
    with connection.cursor() as cursor:
        cursor.execute("SELECT coalesce(sum(n_events), 0) FROM events_inbox")
        return int(cursor.fetchone()[0])


def check_logged(before: int, rounds: list[list[Measured]]) -> None:
    """A figure counts only if its decisions are in the inbox, in full."""
    wanted = before + sum(ours.requests + drf.requests for ours, _, drf in rounds)
    for _ in range(100):
        if logged() >= wanted:
            return
        time.sleep(0.1)
    raise RuntimeError(f"{wanted} decisions given, {logged()} in the inbox")


def told(measured: Measured) -> str:
    return f"{measured.rate:,.0f} requests/s (p50 {measured.p50 * 1e3:.2f} ms, p99 {measured.p99 * 1e3:.1f} ms)"
