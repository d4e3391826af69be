"""A snapshot of 10,000 live experiments: compile, load, memory, one change, and when every web process shows it.

No reference: the bounds are those that the platform promises (docs/operations.md). Load and memory are of a process of
its own, as a web process has them at its start.
"""

import json
import subprocess
import sys
import time
from decimal import Decimal
from typing import Any

import httpx
from django.db import connection
from django.utils import timezone

from bench import stack
from bench.evaluate import TARGETING
from experiments.models import Arm, Experiment, Status
from firstlight.accounts import keys
from firstlight.catalog.models import Scenario
from firstlight.snapshots import publication
from firstlight.snapshots.models import Part, Version

EXPERIMENTS, SCENARIOS, CHANGES = 10_000, 20, 5
ALONE = """
import django, gc, json, resource, time
gc.disable()  # as firstlight/wsgi.py
django.setup()
from firstlight.snapshots import memory, sections
sections.sections()
before = int(open("/proc/self/statm").read().split()[1])
wall, cpu = time.perf_counter(), time.process_time()
memory.refresh()
wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
after = int(open("/proc/self/statm").read().split()[1])
print(json.dumps([wall, cpu, (after - before) * resource.getpagesize() / 2**20]))
"""


def run() -> None:
    with stack.database():
        secret = prepare()
        Version.objects.all().delete()
        Part.objects.all().delete()  # the key that was made has published everything
        tell("compile and publish all", *timed(publication.publish), bound=5.0)
        tell("publish, nothing changed", *timed(publication.publish))
        wall, cpu, mebibytes = alone()
        tell("load all", wall, cpu, bound=0.5)
        print(f"           memory of what is held: {mebibytes:,.0f} MiB")
        change(1)
        n_parts, n_bytes = stored()
        tell("publish one change", *timed(publication.publish))
        grown = stored()
        print(f"           it stored {grown[0] - n_parts} rows, {(grown[1] - n_bytes) / 1024:,.0f} KiB")
        with stack.web(ready="/readyz") as address:
            seen = [visible(address, secret, number) for number in range(2, 2 + CHANGES)]
    tell(f"one change in both processes, worst of {CHANGES}", max(seen), None, bound=2.0)


def prepare() -> str:
    """Experiments of two arms with targeting, spread over scenarios; a key to ask for them."""
    scenarios = Scenario.objects.bulk_create(Scenario(key=f"s-{i}", name=f"S {i}") for i in range(SCENARIOS))
    made = Experiment.objects.bulk_create(
        Experiment(
            key=f"experiment-{i}",
            name=f"Experiment {i}",
            targeting=TARGETING[i % len(TARGETING)],
            status=Status.RUNNING,
            started_at=timezone.now(),
        )
        for i in range(EXPERIMENTS)
    )
    Arm.objects.bulk_create(
        Arm(experiment=one, position=at, key=key, weight=Decimal("0.5"), parameters={f"parameter.{n}": at})
        for n, one in enumerate(made)
        for at, key in enumerate(("control", "treatment"))
    )
    through = Experiment.scenarios.through
    through.objects.bulk_create(
        through(experiment_id=one.pk, scenario_id=scenarios[n % SCENARIOS].pk) for n, one in enumerate(made)
    )
    return keys.create("bench", ["allocate"], [], "bench")[1]


def change(number: int) -> None:
    """Another parameter in both arms of the first experiment."""
    Arm.objects.filter(experiment__key="experiment-0").update(parameters={"changed": number})


def visible(address: str, secret: str, number: int) -> float:
    """Seconds from before the commit of a change until ten new connections in a row show it."""
    asked: dict[str, Any] = {
        "unit": {"user_id": "u"},
        "scenario": "s-0",
        "attributes": {"country": "IN", "platform": "android", "app_version": "5.2.0"},
    }
    began = first = time.perf_counter()
    showing = 0
    change(number)
    publication.publish()
    while showing < 10:
        answer = httpx.post(f"{address}/api/v1/allocations", json=asked, headers={"Authorization": f"Bearer {secret}"})
        showing = showing + 1 if answer.raise_for_status().json()["parameters"]["changed"] == number else 0
        first = time.perf_counter() if showing == 1 else first
    return first - began


def alone() -> list[float]:
    """[seconds, seconds of CPU, MiB more] of a process that takes over the whole snapshot."""
    done = subprocess.run([sys.executable, "-c", ALONE], stdout=subprocess.PIPE, check=True)
    return [float(figure) for figure in json.loads(done.stdout.splitlines()[-1])]


def stored() -> tuple[int, int]:
    """(parts and lists, bytes of them and of the newest version)."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*), sum(octet_length(payload)) FROM snapshots_part")
        n, size = cursor.fetchone()
    return Part.objects.count() if n is None else n, int(size) + len(json.dumps(Version.objects.all()[0].lists))


def timed(act: Any) -> tuple[float, float]:
    wall, cpu = time.perf_counter(), time.process_time()
    act()
    return time.perf_counter() - wall, time.process_time() - cpu


def tell(what: str, wall: float, cpu: float | None, *, bound: float | None = None) -> None:
    of_cpu = f" ({cpu:.2f} s of CPU)" if cpu is not None else ""
    against = f", bound {bound:g} s: {'kept' if wall <= bound else 'MISSED'}" if bound else ""
    print(f"snapshots  {what}: {wall:.2f} s{of_cpu}{against}", flush=True)
