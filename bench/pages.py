"""The result page of 10 metrics, 3 arms and 50 segments from its stored look, beside the 300 ms it may take."""

import statistics
import time
from datetime import timedelta

from django.conf import settings
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from bench import stack
from experiments.models import Arm, Experiment, Look
from firstlight.accounts.models import User
from tests.experiments import looks

TIMES, MOST = 30, 300.0  # ms


def run() -> None:
    settings.ALLOWED_HOSTS = ["testserver"]
    with stack.database():
        experiment, other, client = _seeded("pages"), _seeded("other"), _reader()
        address = reverse("admin:experiments_experiment_results", args=[experiment.pk])
        cold, _, _ = (_taken(client, address)[0] for _ in range(3))
        first, _ = _taken(client, reverse("admin:experiments_experiment_results", args=[other.pk]))
        stack.line(
            "another",
            f"{first:.0f} ms, seen for the first time ({cold:.0f} as the first page of a process)",
            f"at most {MOST:.0f} ms",
            MOST / first,
        )
        for name, times in (("results", TIMES), ("report", 3), ("pdf", 3)):
            _measure(client, name, reverse(f"admin:experiments_experiment_{name}", args=[experiment.pk]), times)


def _measure(client: Client, name: str, address: str, times: int) -> None:
    first, size = _taken(client, address)
    taken = sorted(_taken(client, address)[0] for _ in range(times))
    with CaptureQueriesContext(connection) as seen:
        client.get(address)
    middle, slow = statistics.median(taken), taken[int(0.95 * (times - 1))]
    told = f"{middle:.0f} ms (p95 {slow:.0f}, first {first:.0f}), {len(seen)} queries, {size / 1e6:.2f} MB"
    stack.line(name, told, f"at most {MOST:.0f} ms" if name == "results" else "made on demand", MOST / middle)


def _taken(client: Client, address: str) -> tuple[float, int]:
    """(ms, bytes)."""
    started = time.perf_counter()
    answer = client.get(address)
    taken = (time.perf_counter() - started) * 1e3
    assert answer.status_code == 200, answer.status_code
    return taken, len(answer.content)


def _seeded(key: str) -> Experiment:
    """With names of arms of its own."""
    started = timezone.now() - timedelta(days=14)
    made = Experiment.objects.create(key=key, name=key, status="running", started_at=started, planned_days=28)
    for position, (key, name) in enumerate(looks.ARMS):
        weight = "0.3334" if position == 0 else "0.3333"
        Arm.objects.create(experiment=made, position=position, key=key, name=name, weight=weight)
    found = looks.results()
    found["arms"] = [{**arm, "name": f"{arm['name']} of {key}"} for arm in found["arms"]]
    about = {"verdict": found["verdict"]["kind"], "sentence": found["verdict"]["sentence"], "results": found}
    for number in range(1, 51):
        Look.objects.create(experiment=made, number=number, until=timezone.now(), batch=number, **about)
    return made


def _reader() -> Client:
    client = Client()
    client.force_login(User.objects.create_user("reader", is_staff=True, is_superuser=True))
    return client
