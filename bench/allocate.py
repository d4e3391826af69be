"""Allocations per second: 50 live experiments with targeting, a campaign of 1,000 items in 5 slots, keys, decision log.

16 keep-alive connections from a load generator on the same machine. The reference is a DRF view that does the same work
(bench/reference.py), on the same server, loaded the same way.
"""

import json
import time
from decimal import Decimal
from typing import Any
from urllib.parse import urlsplit

from django.db import connection, transaction
from django.utils import timezone

import bandits.lifecycle
import experiments.lifecycle
from bandits.models import Campaign
from bench import stack
from bench.load import Measured, load
from experiments.models import Arm, Experiment, ExperimentMetric
from firstlight.accounts import keys
from firstlight.catalog.models import Item, Merchant, Scenario
from firstlight.metrics.models import Metric

EXPERIMENTS, ITEMS, SLOTS, UNITS = 50, 1_000, 5, 5_000
# What the experiments ask of a request, in turn; every request of the bench meets all of it.
TARGETING: tuple[dict[str, Any], ...] = (
    {"country": "IN"},
    {"country": {"$in": ["BR", "IN", "US"]}, "platform": "android"},
    {"app_version": {"$vgte": "5.0.0"}},
    {"$or": [{"platform": "ios"}, {"platform": "android", "app_version": {"$vgte": "4.9"}}]},
    {"platform": {"$ne": "web"}, "country": {"$nin": ["US"]}},
)
WARM, SECONDS = 2.0, 10.0


def run() -> None:
    with stack.database():
        requests = [request(unit, secret) for secret in [prepare()] for unit in range(UNITS)]
        with stack.web(ready="/readyz") as address:
            ours = measure(address, requests)
        check_logged(ours)
        with stack.web("bench.reference_wsgi:application") as address:
            theirs = measure(address, requests)
    stack.line("allocate", told(ours), f"DRF view {told(theirs)}", ours.rate / theirs.rate)


def prepare() -> str:
    """A shop with everything live; the key to it."""
    scenario = Scenario.objects.create(key="home_feed", name="Home feed")
    merchants = Merchant.objects.bulk_create(Merchant(key=f"m-{i}") for i in range(50))
    Item.objects.bulk_create(Item(key=f"sku-{i}", merchant=merchants[i % 50]) for i in range(ITEMS))
    with transaction.atomic():  # one publication for all
        for number in range(EXPERIMENTS):
            start_experiment(number, scenario)
        campaign = Campaign.objects.create(
            key="new-arrivals", name="New arrivals", scenario=scenario, positions=list(range(1, SLOTS + 1))
        )
        bandits.lifecycle.start(campaign.pk, actor="bench", at=timezone.now())
        return keys.create("bench", ["allocate"], [], "bench")[1]


def start_experiment(number: int, scenario: Scenario) -> None:
    experiment = Experiment.objects.create(
        key=f"experiment-{number}", name=f"Experiment {number}", targeting=TARGETING[number % len(TARGETING)]
    )
    experiment.scenarios.add(scenario)
    for position, key in enumerate(("control", "treatment")):
        Arm.objects.create(
            experiment=experiment,
            position=position,
            key=key,
            weight=Decimal("0.5"),
            parameters={f"parameter.{number}": position},
        )
    ExperimentMetric.objects.create(experiment=experiment, metric=Metric.objects.order_by("pk")[0])
    experiments.lifecycle.start(experiment.pk, actor="bench", at=timezone.now())


def request(unit: int, secret: str) -> bytes:
    body = json.dumps(
        {
            "unit": {"user_id": f"u-{unit}", "device_id": f"d-{unit}"},
            "scenario": "home_feed",
            "attributes": {"country": "IN", "platform": "android", "app_version": "5.2.0"},
            "recent": [{"event": "view", "item_id": "sku-1", "at": "2026-11-23T10:00:00Z"}],
            "slots": SLOTS,
        }
    ).encode()
    head = (
        "POST /api/v1/allocations HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
        f"Authorization: Bearer {secret}\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


def measure(address: str, requests: list[bytes]) -> Measured:
    netloc = urlsplit(address)
    host, port = netloc.hostname or "", netloc.port or 0
    load(host, port, requests, seconds=WARM)
    return load(host, port, requests, seconds=SECONDS)


def check_logged(measured: Measured) -> None:
    """A figure counts only if its decisions are in the inbox, in full."""
    for _ in range(100):
        with connection.cursor() as cursor:
            cursor.execute("SELECT coalesce(sum(n_events), 0) FROM events_inbox")
            (logged,) = cursor.fetchone()
        if logged >= measured.requests:
            return
        time.sleep(0.1)
    raise RuntimeError(f"{measured.requests} answers, {logged} decisions in the inbox")


def told(measured: Measured) -> str:
    return f"{measured.rate:,.0f} requests/s (p50 {measured.p50 * 1e3:.2f} ms, p99 {measured.p99 * 1e3:.1f} ms)"
