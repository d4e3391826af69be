"""From the lake to moments, beside the best DuckDB SQL we could write by hand for the same; and a whole look.

Three arms, ten metrics, windows of seven days, and what the units did in the fourteen days before exposure (CUPED).
Both begin with nothing but the files, each in a process of its own, by turns: an engine, the memory that a worker gives
it. Ours compiles its query as well. Both found the same moments to 1e-9, or the bench ends. A look also reads
scenarios, ages and growth, and goes on to statistics, health, verdict and the stored row. A day later only that day is
read, and the past of who joined on it.

`ANALYSE_EVENTS=20000000` for another number than five million. Ratio: seconds over seconds, at most 1.2.
"""

import os
import resource
import shutil
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from datetime import date, datetime, timedelta
from decimal import Decimal
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import django
import ibis
import numpy as np

from bench import crowd, handwritten, stack
from bench.crowd import ARMS, DAYS, SCENARIOS, START
from experiments import analysis
from experiments.models import Arm, Experiment, ExperimentMetric, MetricRole, Status
from firstlight.catalog.models import Scenario
from firstlight.kernel.moments import Moments
from firstlight.kernel.windows import Window
from firstlight.lake import engine, table
from firstlight.lake.schema import EVENTS
from firstlight.metrics import read
from firstlight.metrics.definitions import Definition, Filter, Source
from firstlight.metrics.models import Metric
from firstlight.metrics.read import Exposures, Keeping, folded
from firstlight.metrics.read.folded import Quantity

SIZE = int(os.environ.get("ANALYSE_EVENTS", "5000000"))
TRIES = 5 if SIZE <= 20_000_000 else 2  # by turns, best of each: the machine may have other work
END = START + timedelta(days=DAYS)
CLICK, IMPRESSION, CART, VISIT = (Source(event, "count") for event in ("click", "impression", "cart", "visit"))
ORDER, PAID, BACK = Source("order", "count"), Source("order", "value"), Source("refund", "value")
TOP = Source("click", "count", (Filter("position", "le", 3),))
KINDS: dict[str, tuple[Any, ...]] = {
    "click_rate": ("ratio", CLICK, IMPRESSION),
    "click_through": ("proportion", CLICK),
    "top_clicks": ("mean", TOP),
    "carts": ("mean", CART),
    "orders": ("mean", ORDER),
    "conversion": ("proportion", ORDER),
    "value": ("mean", PAID),
    "order_value": ("ratio", PAID, ORDER),
    "visits": ("mean", VISIT),
    "refund_rate": ("ratio", BACK, PAID),
}
DEFINITIONS = [replace(Definition(key, *told), window_hours=168) for key, told in KINDS.items()]
EXPOSURES = Exposures("ranker", 1, "user_id", ARMS, SCENARIOS[:2], Window(START, END), pre_days=14)
Found = Mapping[str, Mapping[tuple[Any, date], Moments]]
Timed = tuple[float, Any, float]  # seconds, what came of it, peak memory of the process in MiB


def run() -> None:
    crowd.fill(SIZE, np.random.default_rng(1))
    whole = _beside_the_hand()
    _a_day_on(whole)
    _looks()
    _fold()


def _beside_the_hand() -> float:
    with _worker() as ours, _worker() as theirs:
        times = [(_in(ours, _measured), _in(theirs, handwritten.moments)) for _ in range(TRIES)]
    for (_, mine, _), (_, reference, _) in times:
        _check(mine, reference)
    (seconds, memory), (by_hand, of_hand) = (_best(side) for side in zip(*times, strict=True))
    figure = f"{seconds:.2f} s, {memory:,.0f} MiB for {SIZE:,} events"
    stack.line("analyse", figure, f"hand-written SQL {by_hand:.2f} s, {of_hand:,.0f} MiB", seconds / by_hand)
    return seconds


def _a_day_on(whole: float) -> None:
    """The last day, from what a reading of the days before it kept; beside reading everything, a line above."""
    with _worker() as worker, TemporaryDirectory() as folder:
        kept, used = Path(folder) / "kept", Path(folder) / "used"
        _in(worker, _read_on, kept, END - timedelta(days=1))
        times = []
        for _ in range(TRIES):
            shutil.copytree(kept, used)
            times.append(_in(worker, _read_on, used, END))
            shutil.rmtree(used)
    _check_alike(times[0][1], _measured())
    seconds, memory = _best(times)
    stack.line("a day on", f"{seconds:.2f} s, {memory:,.0f} MiB", f"the whole of it {whole:.2f} s", seconds / whole)


def _looks() -> None:
    """Without a reference: nothing else does all of it."""
    with stack.database(), _worker() as worker:
        key = _plan().pk
        whole, _, memory = _in(worker, _look, key, END - timedelta(days=1))
        on, _, _ = _in(worker, _look, key, END)
    print(
        f"{'':<10} a whole look {whole:.2f} s, {memory:,.0f} MiB; a day on {on:.2f} s, {on / whole:.2f} of it",
        flush=True,
    )


def _worker() -> ProcessPoolExecutor:
    """One process that imported everything before, as a worker has; its peak is that of nobody else."""
    pool = ProcessPoolExecutor(1, mp_context=get_context("spawn"), initializer=django.setup)
    pool.submit(_peak).result()
    return pool


def _in(worker: ProcessPoolExecutor, work: Callable[..., Any], *given: Any) -> Timed:
    return worker.submit(_timed, work, *given).result()


def _timed(work: Callable[..., Any], *given: Any) -> Timed:
    started = time.perf_counter()
    found = work(*given)
    return time.perf_counter() - started, found, _peak()


def _peak() -> float:
    """Of this process, in MiB. On Linux `ru_maxrss` begins with the peak of whoever started it."""
    if sys.platform == "linux":
        lines = Path("/proc/self/status").read_text().splitlines()
        return int(next(line for line in lines if line.startswith("VmHWM")).split()[1]) / 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024**2


def _best(times: Sequence[Timed]) -> tuple[float, float]:
    return min(seconds for seconds, _, _ in times), max(memory for _, _, memory in times)


def _measured() -> Found:
    with engine.events(Window(START - timedelta(days=DAYS), END)) as events:
        return read.measure(events, DEFINITIONS, EXPOSURES, parts=False).by_day


def _read_on(folder: Path, until: datetime) -> Found:
    window, batch = Window(START - timedelta(days=DAYS), until), table.latest_batch()
    exposures = replace(EXPOSURES, window=Window(START, until))
    with engine.events(window) as events:
        keeping = Keeping(folder, table.identity(), batch, partial(engine.beyond, events, window))
        found = read.measure(events, DEFINITIONS, exposures, parts=False, keeping=keeping)
    return found.by_day


def _look(experiment: int, at: datetime) -> None:
    """A new one: the lake went on by a batch of nothing."""
    table.append(table.latest_batch() + 1, EVENTS.empty_table())
    analysis.look(experiment, at=at)


def _check_alike(found: Found, wanted: Found) -> None:
    for key, groups in wanted.items():
        assert found[key].keys() == groups.keys()
        for group, m in groups.items():
            assert found[key][group].n == m.n
            np.testing.assert_allclose(found[key][group].mean, m.mean, rtol=1e-9)
            np.testing.assert_allclose(found[key][group].products, m.products, rtol=1e-7, atol=1e-6)


def _check(ours: Found, theirs: Mapping[str, Mapping[tuple[int, date], Moments]]) -> None:
    assert len(ours) == 10
    for key, groups in theirs.items():
        assert len(ours[key]) == len(groups) == len(ARMS) * DAYS
        for (arm, day), wanted in groups.items():
            found = ours[key][ARMS[arm], day]
            assert found.n == wanted.n
            np.testing.assert_allclose(found.mean, wanted.mean, rtol=1e-9)
            spread = np.sqrt(np.outer(np.diag(wanted.products), np.diag(wanted.products)))
            assert (np.abs(found.products - wanted.products) <= 1e-9 * spread).all()


def _plan() -> Experiment:
    """The same ten metrics, in the database."""
    experiment = Experiment.objects.create(key="ranker", name="Ranker", status=Status.RUNNING, started_at=START)
    experiment.scenarios.set(Scenario.objects.create(key=key, name=key) for key in SCENARIOS[:2])
    for position, key in enumerate(ARMS):
        weight = Decimal("0.3334") if position == 0 else Decimal("0.3333")
        Arm.objects.create(experiment=experiment, position=position, key=key, weight=weight)
    for one in DEFINITIONS:
        role = MetricRole.PRIMARY if one.key == "click_rate" else MetricRole.SECONDARY
        ExperimentMetric.objects.create(experiment=experiment, metric=_metric(one), role=role)
    return experiment


def _metric(one: Definition) -> Metric:
    below = (
        {"denominator_event": one.denominator.event, "denominator_value": one.denominator.adds}
        if one.denominator
        else {}
    )
    filters = [{"field": f.field, "op": f.op, "value": f.value} for f in one.numerator.filters]
    return Metric.objects.create(
        key=f"bench_{one.key}",
        name=one.key,
        kind=one.kind,
        numerator_event=one.numerator.event,
        numerator_value=one.numerator.adds,
        numerator_filter=filters,
        window_hours=one.window_hours,
        **below,
    )


def _fold() -> None:
    """Moments of a million units, of a table that the engine holds, beside NumPy on arrays."""
    names = [f"q{i}" for i in range(10)]
    connection = ibis.duckdb.connect()
    connection.raw_sql("SET enable_progress_bar = false")
    columns = ", ".join(f"random() AS {name}" for name in names)
    connection.raw_sql(
        f"CREATE TABLE units AS SELECT floor(random() * 3)::TINYINT AS arm, {columns} FROM range(1000000)"
    )
    held = connection.table("units")
    arms, values = held.arm.to_pyarrow().to_numpy(), {name: held[name].to_pyarrow().to_numpy() for name in names}
    times = [(_timed(_folded, held, names), _timed(_by_numpy, arms, values)) for _ in range(8)]
    (seconds, _), (reference, _) = (_best(side) for side in zip(*times, strict=True))
    connection.disconnect()
    for name in names:
        np.testing.assert_allclose(times[0][0][1][name][0,].products, times[0][1][1][name][0][1], rtol=1e-9)
    figure = f"{seconds * 1e3:.0f} ms for 1,000,000 units x {len(names)} metrics"
    stack.line("fold", figure, f"NumPy {reference * 1e3:.0f} ms", seconds / reference)


def _folded(units: ibis.Table, names: Sequence[str]) -> Any:
    return folded.fold(units, ["arm"], {name: [Quantity(name)] for name in names})


def _by_numpy(arms: Any, values: Mapping[str, Any]) -> dict[str, list[tuple[float, float]]]:
    """Mean and centred square sum of each arm, one pass over each column."""
    n = np.bincount(arms)
    found = {}
    for name, column in values.items():
        mean = np.bincount(arms, column) / n
        found[name] = list(zip(mean, np.bincount(arms, (column - mean[arms]) ** 2), strict=True))
    return found
