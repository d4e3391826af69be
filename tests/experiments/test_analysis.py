"""A look is computed from the lake, stored once, and never changed."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from django.db import connection
from scipy import stats

from experiments import analysis, gathering, tasks
from experiments.models import Arm, Experiment, ExperimentMetric, Look, MetricRole, Status
from firstlight.catalog.models import Scenario
from firstlight.lake import table
from firstlight.metrics.models import Metric
from firstlight.postgres import locks
from tests.firstlight.metrics import reference

pytestmark = pytest.mark.django_db

START = datetime(2026, 11, 2, tzinfo=UTC)
DAY = timedelta(days=1)


@pytest.fixture(autouse=True)
def lake(settings: Any, tmp_path: Path) -> None:
    settings.LAKE_URL = (tmp_path / "lake").as_uri()


@pytest.fixture
def experiment() -> Experiment:
    made = Experiment.objects.create(
        key="ranker", name="Ranker", status=Status.RUNNING, started_at=START, planned_days=7
    )
    made.scenarios.add(Scenario.objects.create(key="home", name="Home"))
    for position, key in enumerate(("old", "new")):
        Arm.objects.create(experiment=made, key=key, position=position, weight=Decimal("0.5"))
    for key, role in (("orders_per_unit", MetricRole.PRIMARY), ("click_rate", MetricRole.SECONDARY)):
        ExperimentMetric.objects.create(experiment=made, metric=Metric.objects.get(key=key), role=role)
    return made


def exposure(unit: str, arm: str, after: timedelta = timedelta(0)) -> dict[str, Any]:
    told = {"experiment": "ranker", "variant": arm, "phase": 1}
    return {"type": "exposure", "user_id": unit, "at": (START + after).replace(tzinfo=None), **told}


def event(kind: str, unit: str, after: timedelta = DAY) -> dict[str, Any]:
    return {"type": kind, "user_id": unit, "at": (START + after).replace(tzinfo=None), "scenario": "home"}


def arrive(batch: int, *rows: dict[str, Any]) -> None:
    table.append(batch, reference.table([{"batch": batch, **row} for row in rows]))


def orders(look: Look) -> dict[str, Any]:
    return next(m for m in look.results["metrics"] if m["metric"] == "orders_per_unit")


def test_the_numbers_are_those_of_the_raw_data(experiment: Experiment) -> None:
    rng = np.random.default_rng(7)
    bought = {"old": rng.poisson(1.0, 300), "new": rng.poisson(1.3, 310)}
    rows = []
    for arm, counts in bought.items():
        for i, n in enumerate(counts):
            rows += [exposure(f"{arm}{i}", arm, (i % 5) * DAY), *[event("order", f"{arm}{i}", 6 * DAY)] * int(n)]
    arrive(1, *rows)
    look = analysis.look(experiment.pk, at=START + 8 * DAY)
    found = orders(look)
    for arm, counts in zip(found["arms"], bought.values(), strict=True):
        assert (arm["units"], arm["mean"]) == (len(counts), pytest.approx(counts.mean(), rel=1e-12))
        assert arm["standard_error"] == pytest.approx(stats.sem(counts), rel=1e-12)
    (estimate,) = found["estimates"]
    welch = stats.ttest_ind(bought["new"], bought["old"], equal_var=False)
    interval = welch.confidence_interval(0.95)
    assert estimate["p"] == pytest.approx(float(welch.pvalue), rel=1e-9)
    assert estimate["difference"]["low"] == pytest.approx(float(interval.low), rel=1e-9)
    assert estimate["difference"]["high"] == pytest.approx(float(interval.high), rel=1e-9)
    assert [day["units"] for day in look.results["daily"]] == [62, 124, 186, 248, 310]
    assert (look.number, look.batch, look.until) == (1, 1, START + 8 * DAY)
    assert (look.verdict, look.sentence) == (look.results["verdict"]["kind"], look.results["verdict"]["sentence"])
    assert "SELECT" in look.results["sql"]


def test_nothing_new_is_no_new_look(experiment: Experiment) -> None:
    arrive(1, exposure("a", "old"))
    first = analysis.look(experiment.pk, at=START + DAY)
    assert analysis.look(experiment.pk, at=START + 2 * DAY) == first
    assert Look.objects.count() == 1


def test_what_was_seen_stays_as_it_was_seen(experiment: Experiment) -> None:
    arrive(1, exposure("a", "old"))
    first = analysis.look(experiment.pk, at=START + DAY)
    arrive(2, exposure("b", "new"), exposure("a", "old"))
    second = analysis.look(experiment.pk, at=START + DAY)
    assert (second.number, second.batch) == (2, 2)
    assert [arm["units"] for arm in second.results["arms"]] == [1, 1]
    assert Look.objects.get(number=1).results == first.results
    assert [arm["units"] for arm in first.results["arms"]] == [1, 0]


def test_a_change_of_the_plan_is_looked_at_anew(experiment: Experiment) -> None:
    arrive(1, exposure("a", "old"))
    looks = [analysis.look(experiment.pk, at=START + DAY)]

    def again() -> Look:
        looks.append(analysis.look(experiment.pk, at=START + DAY))
        return looks[-1]

    experiment.measured.filter(role=MetricRole.PRIMARY).update(margin=Decimal("0.1"))
    again()
    Metric.objects.filter(key="click_rate").update(window_hours=5)
    again()
    ExperimentMetric.objects.create(experiment=experiment, metric=Metric.objects.get(key="conversion"))
    again()
    experiment.scenarios.add(Scenario.objects.create(key="search", name="Search"))
    again()
    experiment.status, experiment.stopped_at = Status.STOPPED, START + DAY
    experiment.save()
    assert again().number == 6
    assert [look.number for look in looks] == [1, 2, 3, 4, 5, 6]
    assert again().number == 6


def test_of_a_draft_there_is_nothing_to_see(experiment: Experiment) -> None:
    Experiment.objects.update(status=Status.DRAFT, started_at=None)
    with pytest.raises(analysis.UnableToLook, match="“ranker” has not started yet"):
        analysis.look(experiment.pk, at=START)


def test_an_empty_lake_gives_a_look_that_says_so(experiment: Experiment) -> None:
    look = analysis.look(experiment.pk, at=START + DAY)
    assert [arm["units"] for arm in look.results["arms"]] == [0, 0]
    assert "withheld" in orders(look)["estimates"][0]["difference"]
    assert look.verdict not in ("ship", "end")


def test_after_the_stop_nobody_joins_but_what_was_begun_is_finished(experiment: Experiment) -> None:
    Metric.objects.filter(key="orders_per_unit").update(window_hours=48)
    Experiment.objects.update(status=Status.STOPPED, stopped_at=START + 3 * DAY)
    arrive(
        1,
        exposure("a", "old", 2.5 * DAY),
        event("order", "a", 4 * DAY),
        event("order", "a", 4.6 * DAY),  # 50 hours after the exposure
        exposure("b", "old", 3 * DAY),
    )
    look = analysis.look(experiment.pk, at=START + 20 * DAY)
    assert look.until == START + 5 * DAY
    assert (orders(look)["arms"][0]["units"], orders(look)["arms"][0]["mean"]) == (1, 1.0)


def test_a_stopped_experiment_is_open_until_its_windows_have_closed(experiment: Experiment) -> None:
    Metric.objects.filter(key="orders_per_unit").update(window_hours=48)
    assert analysis.is_open(experiment)
    experiment.status, experiment.stopped_at = Status.STOPPED, START + 3 * DAY
    experiment.save()
    assert analysis.is_open(experiment)
    arrive(1, exposure("a", "old"))
    analysis.look(experiment.pk, at=START + 4 * DAY)
    assert analysis.is_open(experiment)
    arrive(2, exposure("b", "old"))
    analysis.look(experiment.pk, at=START + 6 * DAY)
    assert not analysis.is_open(experiment)


def test_who_was_overtaken_does_not_store_the_older_state(
    experiment: Experiment, monkeypatch: pytest.MonkeyPatch
) -> None:
    arrive(1, exposure("a", "old"))
    slow = gathering.gather

    def overtaken(*given: Any, **more: Any) -> Any:
        monkeypatch.setattr(gathering, "gather", slow)
        arrive(2, exposure("b", "new"))
        analysis.look(experiment.pk, at=START + DAY)
        return slow(*given, **more)

    monkeypatch.setattr(gathering, "gather", overtaken)
    assert analysis.look(experiment.pk, at=START + DAY).batch == 2
    assert Look.objects.count() == 1


def test_a_look_counts_no_event_of_later_batches(experiment: Experiment, monkeypatch: pytest.MonkeyPatch) -> None:
    arrive(1, exposure("a", "old"))
    arrive(2, exposure("b", "old"))
    monkeypatch.setattr(table, "latest_batch", lambda: 1)
    assert analysis.look(experiment.pk, at=START + DAY).results["arms"][0]["units"] == 1


def test_every_experiment_that_may_show_something_new_is_asked_for(
    experiment: Experiment, monkeypatch: pytest.MonkeyPatch
) -> None:
    Experiment.objects.create(key="draft", name="Draft")
    asked: list[dict[str, Any]] = []
    monkeypatch.setattr(tasks.analyse, "delay", lambda **given: asked.append(given))
    tasks.analyse_running(unknown="argument")
    assert asked == [{"experiment_id": experiment.pk}]


def test_what_is_gone_or_never_began_is_no_failure(experiment: Experiment) -> None:
    Experiment.objects.update(status=Status.DRAFT, started_at=None)
    tasks.analyse(experiment_id=experiment.pk, unknown="argument")
    tasks.analyse(experiment_id=0)
    assert not Look.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_one_worker_looks_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    looked: list[int] = []

    def look(experiment_id: int, *, at: datetime) -> None:
        looked.append(experiment_id)

    monkeypatch.setattr(analysis, "look", look)
    busy, free = (Experiment.objects.create(key=key, name=key).pk for key in ("busy", "free"))
    with locks.alone("analyse", str(busy)):
        in_a_session_of_its_own(lambda: tasks.analyse(experiment_id=busy))
        in_a_session_of_its_own(lambda: tasks.analyse(experiment_id=free))
    assert looked == [free]
    in_a_session_of_its_own(lambda: tasks.analyse(experiment_id=busy))
    assert looked == [free, busy]


def in_a_session_of_its_own(work: Callable[[], None]) -> None:
    def run() -> None:
        try:
            work()
        finally:
            connection.close()

    with ThreadPoolExecutor(1) as pool:
        pool.submit(run).result()
