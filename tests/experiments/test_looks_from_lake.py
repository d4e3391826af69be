"""From rows in the lake to the verdict, for every type of experiment."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy import stats

from experiments import analysis, asking, gathering, reading, tasks
from experiments.gathering import Gathered
from experiments.models import Arm, Decision, Experiment, ExperimentMetric, Look, MetricRole, Phase, Progress, Status
from firstlight.catalog.models import Scenario
from firstlight.lake import table
from firstlight.metrics.models import Metric
from firstlight.objectives import weights
from tests.firstlight.metrics import reference
from tests.firstlight.metrics.test_further import assert_same

pytestmark = pytest.mark.django_db

START = datetime(2026, 11, 2, tzinfo=UTC)
DAY = timedelta(days=1)
N = 800  # units of each arm


@pytest.fixture(autouse=True)
def lake(settings: Any, tmp_path: Path) -> None:
    settings.LAKE_URL = (tmp_path / "lake").as_uri()


def planned(key: str = "ranker", *, metrics: tuple[str, ...] = ("orders_per_unit",), **changes: Any) -> Experiment:
    values: dict[str, Any] = {"status": Status.RUNNING, "started_at": START, "planned_days": 14, **changes}
    made = Experiment.objects.create(key=key, name=key.title(), **values)
    made.scenarios.add(Scenario.objects.get_or_create(key="home", defaults={"name": "Home"})[0])
    for position, arm in enumerate(("old", "new")):
        Arm.objects.create(experiment=made, key=arm, position=position, weight=Decimal("0.5"))
    for metric in metrics:
        ExperimentMetric.objects.create(experiment=made, metric=Metric.objects.get(key=metric), role=MetricRole.PRIMARY)
    Phase.objects.create(experiment=made, number=1, weights={"old": 0.5, "new": 0.5}, started_at=START)
    return made


def exposure(unit: str, arm: str, after: timedelta, experiment: str = "ranker", **more: Any) -> dict[str, Any]:
    told = {"experiment": experiment, "variant": arm, "phase": 1, "scenario": "home"}
    return {"type": "exposure", "user_id": unit, "at": (START + after).replace(tzinfo=None), **told, **more}


def event(kind: str, unit: str, after: timedelta, **more: Any) -> dict[str, Any]:
    return {"type": kind, "user_id": unit, "at": (START + after).replace(tzinfo=None), "scenario": "home", **more}


def arrive(batch: int, rows: list[dict[str, Any]]) -> None:
    table.append(batch, reference.table([{"batch": batch, **row} for row in rows]))


def shop(lift: float = 0.25, *, seed: int = 3, **more: Any) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """Units that order after exposure much as they did before it; and (orders, orders before) of each, by arm."""
    rng, rows, known = np.random.default_rng(seed), [], {}
    for i, arm in enumerate(("old", "new")):
        taste = rng.gamma(2, 1.0, N)
        before, after = rng.poisson(taste), rng.poisson(taste * (1 + lift * i))
        known[arm] = np.column_stack([after, before]).astype(float)
        for u in range(N):
            unit, met = f"{arm}{u}", (u % 6) * DAY
            country = '{"country": "IN"}' if u % 3 else '{"country": "BR"}'
            rows.append(exposure(unit, arm, met, properties=country, merchant_id=f"m{u % 50}", **more))
            rows += [event("order", unit, met - 2 * DAY, value=10)] * int(before[u])
            rows += [event("order", unit, met + DAY / 2, value=10)] * int(after[u])
    return rows, known


def one(look: Look, metric: str = "orders_per_unit") -> dict[str, Any]:
    (found,) = (m["estimates"][0] for m in look.results["metrics"] if m["metric"] == metric)
    return found  # type: ignore[no-any-return]


def test_a_look_is_adjusted_for_the_days_before_exposure_and_ships_when_the_bound_is_crossed() -> None:
    experiment = planned(slices=["country", "visitor"])
    rows, known = shop()
    elsewhere = [event("order", f"stranger{u}", DAY, scenario="search") for u in range(500)]
    arrive(1, rows + elsewhere)
    look = analysis.look(experiment.pk, at=START + 7 * DAY)
    found = one(look)
    assert (found["in_force"], look.results["version"]) == ("adjusted.sequential", 2)
    welch = stats.ttest_ind(known["new"][:, 0], known["old"][:, 0], equal_var=False)
    assert found["readings"]["raw"]["fixed"]["p"] == pytest.approx(float(welch.pvalue), rel=1e-6)
    values, arms = np.vstack(list(known.values())), np.repeat([0.0, 1.0], N)
    never = (values[:, 1] == 0).astype(float)
    design = np.column_stack([np.ones(2 * N), arms, values[:, 1], never])
    slope = np.linalg.lstsq(design, values[:, 0], rcond=None)[0][1]
    assert found["readings"]["adjusted"]["fixed"]["difference"]["value"] == pytest.approx(slope, rel=1e-6)
    assert 0.1 < found["variance_reduction"] < 0.6
    assert look.verdict == "ship"
    assert look.results["definitions"]["orders_per_unit"]["kind"] == "mean"
    segments = {(s["slice"], s["segment"]): s["units"]["treatment"] for s in look.results["segments"]}
    assert segments["country", "BR"] == len(range(0, N, 3))
    assert segments["visitor", "new"] == int((known["new"][:, 1] == 0).sum())
    assert 0 < found["site_wide"]["value"] < found["lift"]["value"]


def by_days(rows: list[dict[str, Any]], late: timedelta) -> list[list[dict[str, Any]]]:
    """What came on each day; every seventh event so much later."""
    days: list[list[dict[str, Any]]] = [[] for _ in range(9)]
    for i, row in enumerate(rows):
        came = row["at"] + (late if i % 7 == 0 else timedelta(0))
        days[max(0, (came - START.replace(tzinfo=None)) // DAY)].append(row)
    return days


def gathered(experiment: Experiment, batch: int, at: datetime) -> Gathered:
    definitions = asking.definitions_of(experiment)
    exposures = asking.exposures_of(experiment, definitions, at=at)
    return gathering.gather(experiment, definitions, exposures, until_batch=batch)


def test_look_after_look_reads_on_and_says_what_one_look_at_everything_says(settings: Any, tmp_path: Path) -> None:
    settings.READINGS_DIR = tmp_path / "readings"
    experiment = planned(slices=["country", "visitor"], metrics=("orders_per_unit", "conversion"))
    looks = []
    for batch, rows in enumerate(by_days(shop()[0], timedelta(hours=30)), 1):
        arrive(batch, rows)
        looks.append(analysis.look(experiment.pk, at=START + batch * DAY).results["read_on_from"])
    assert looks == [None, *((START + n * DAY).isoformat() for n in range(1, 9))]
    arrive(10, [exposure("one more", "new", 9 * DAY), event("order", "old5", DAY)])
    on = gathered(experiment, 10, START + 10 * DAY)
    assert on.since == START + 9 * DAY
    settings.READINGS_DIR = tmp_path / "elsewhere"
    whole = gathered(experiment, 10, START + 10 * DAY)
    assert whole.since is None
    assert_same(on, whole)


def test_the_last_look_reads_everything_anew_and_leaves_nothing_behind(settings: Any, tmp_path: Path) -> None:
    settings.READINGS_DIR = tmp_path / "readings"
    experiment = planned()
    arrive(1, shop()[0])
    analysis.look(experiment.pk, at=START + 7 * DAY)
    Experiment.objects.update(status=Status.STOPPED, stopped_at=START + 8 * DAY)
    experiment.refresh_from_db()
    closes = asking.closes_at(experiment, asking.definitions_of(experiment))
    assert closes is not None
    assert list(settings.READINGS_DIR.iterdir())
    arrive(2, [event("order", "old5", DAY)])
    last = analysis.look(experiment.pk, at=closes)
    assert last.results["read_on_from"] is None
    assert not list(settings.READINGS_DIR.iterdir())


def test_every_look_spends_and_the_next_one_knows_it() -> None:
    experiment = planned()
    rows, _ = shop(0.0)
    arrive(1, [row for row in rows if row["at"] < (START + 3 * DAY).replace(tzinfo=None)])
    first = analysis.look(experiment.pk, at=START + 3 * DAY)
    arrive(2, [row for row in rows if row["at"] >= (START + 3 * DAY).replace(tzinfo=None)])
    second = analysis.look(experiment.pk, at=START + 7 * DAY)
    steps = second.results["sequence"]
    assert [step["number"] for step in steps] == [1, 2]
    assert [step["information"] for step in steps] == pytest.approx([3 / 14, 7 / 14])
    assert steps[0] == first.results["sequence"][0]
    assert steps[0]["z"] > steps[1]["z"] > 1.96
    Phase.objects.create(experiment=experiment, number=2, weights={"old": 0.5, "new": 0.5}, started_at=START + 7 * DAY)
    Experiment.objects.update(phase=2)
    third = analysis.look(experiment.pk, at=START + 8 * DAY)
    assert [step["number"] for step in third.results["sequence"]] == [3]  # all units are dealt anew


def test_past_the_last_look_of_its_plan_nobody_counts_any_more() -> None:
    """All that could be spent is spent: later units at the same bound would be more chances to err."""
    experiment = planned(planned_days=5)
    rows, _ = shop(0.0)
    arrive(1, rows)
    last = analysis.look(experiment.pk, at=START + 5 * DAY + timedelta(hours=1))
    late = [exposure(f"late{u}", "new", 6 * DAY) for u in range(300)]
    late += [event("order", f"late{u}", 6 * DAY + timedelta(hours=1), value=10) for u in range(300)]
    arrive(2, late)
    later = analysis.look(experiment.pk, at=START + 8 * DAY)
    assert later.number == 2
    assert one(later)["p"] == pytest.approx(one(last)["p"])
    assert [arm["units"] for arm in later.results["arms"]] == [arm["units"] for arm in last.results["arms"]]
    assert "Read as of the end of its plan" in later.results["verdict"]["reasons"][-1]
    assert not analysis.is_open(experiment)
    always = planned("always", planned_days=5, analysis="always_valid")
    arrive(3, [{**row, "experiment": "always"} for row in [*rows, *late] if row["type"] == "exposure"])
    before = analysis.look(always.pk, at=START + 6 * DAY)
    arrive(4, [event("click", "stranger", 7 * DAY)])
    after = analysis.look(always.pk, at=START + 8 * DAY)
    assert [arm["units"] for arm in before.results["arms"]] == [N, N]
    assert [arm["units"] for arm in after.results["arms"]] == [N, N + 300]


def test_the_split_is_held_against_the_weights_of_the_phase_in_force() -> None:
    experiment = planned()
    rows = [exposure(f"u{i}", "new" if i % 4 == 0 else "old", DAY) for i in range(800)]
    arrive(1, rows)
    skewed = analysis.look(experiment.pk, at=START + 2 * DAY)
    assert skewed.verdict == "abort"
    Phase.objects.update(weights={"old": 0.75, "new": 0.25})
    held = analysis.look(experiment.pk, at=START + 2 * DAY)
    assert held.results["health"][0]["passed"]
    assert [arm["weight"] for arm in held.results["arms"]] == [0.75, 0.25]


def test_what_past_experiments_found_is_the_prior_of_the_next() -> None:
    for i in range(9):
        rows, _ = shop(0.05 * (i - 4), seed=20 + i)
        rows = [{**row, "user_id": f"{i}-{row['user_id']}"} for row in rows]
        arrive(i + 1, [{**row, "experiment": f"past{i}"} if row["type"] == "exposure" else row for row in rows])
        past = planned(f"past{i}", status=Status.STOPPED, stopped_at=START + 6 * DAY)
        analysis.look(past.pk, at=START + 7 * DAY)
    rows, _ = shop()
    arrive(20, rows)
    found = one(analysis.look(planned().pk, at=START + 7 * DAY))
    assert found["bayes"]["prior"]["kind"] == "history"
    assert found["bayes"]["prior"]["past"] == 9
    assert found["bayes"]["prior"]["sd"] == pytest.approx(0.05 * np.std(range(9), ddof=1), rel=0.5)
    assert abs(found["shrunken"]["value"]) < abs(found["bayes"]["flat"]["mean"])


def test_errors_are_counted_over_clusters() -> None:
    rows, _ = shop(0.0)
    arrive(1, rows)
    alone = one(analysis.look(planned(cuped=False).pk, at=START + 7 * DAY))
    other = planned("clustered", cuped=False, cluster="merchant_id")
    arrive(2, [{**row, "experiment": "clustered"} for row in rows if row["type"] == "exposure"])
    look = analysis.look(other.pk, at=START + 7 * DAY)
    clustered = one(look)
    values = {reading["value"] for reading in (alone["difference"], clustered["difference"])}
    assert max(values) == pytest.approx(min(values))
    assert look.results["metrics"][0]["arms"][0]["units"] == 50
    assert look.results["arms"][0]["units"] == N
    assert look.results["segments"] == []


def test_a_switchback_compares_windows() -> None:
    experiment = planned(type="switchback", switch_hours=12, burn_in_minutes=60, cuped=False, analysis="fixed")
    rng, rows = np.random.default_rng(6), []
    for window in range(60):
        arm, start = ("old", "new")[int(rng.random() < 0.5)], window * DAY / 2
        for u in range(8):
            rows.append(exposure(f"u{u}", arm, start + timedelta(hours=2)))
            n = int(rng.poisson(1.0 + (arm == "new")))
            rows += [event("order", f"u{u}", start + timedelta(hours=3))] * n
    arrive(1, rows)
    look = analysis.look(experiment.pk, at=START + 31 * DAY)
    assert sum(arm["units"] for arm in look.results["arms"]) == 60  # windows
    assert one(look)["lift"]["value"] == pytest.approx(1.0, abs=0.35)
    assert look.verdict == "ship"


def test_an_interleaving_counts_whom_the_clicks_favour() -> None:
    experiment = planned(type="interleaving", analysis="fixed", planned_days=7, metrics=("click_rate",))
    rows = []
    for u in range(300):
        team = "new" if u % 5 < 3 else "old"
        rows.append({**event("click", f"u{u}", DAY), "experiment": "ranker", "variant": team, "phase": 1})
    arrive(1, rows)
    look = analysis.look(experiment.pk, at=START + 8 * DAY)
    assert one(look, "click_rate")["difference"]["value"] == pytest.approx(0.2)
    assert one(look, "click_rate")["p"] == pytest.approx(stats.binomtest(180, 300).pvalue)
    assert look.verdict == "ship"


def test_units_held_back_after_shipping_are_watched() -> None:
    decided = START + 14 * DAY
    experiment = planned(
        status=Status.DECIDED,
        stopped_at=decided,
        decision=Decision.SHIPPED,
        decided_at=decided,
        shipped_arm="new",
        holdback=Decimal("0.1"),
    )
    rng, rows = np.random.default_rng(9), []
    for u in range(2_000):
        arm = "old" if u < 200 else "new"
        rows.append(exposure(f"u{u}", arm, 15 * DAY))
        rows += [event("order", f"u{u}", 16 * DAY)] * int(rng.poisson(1 + (arm == "new")))
    rows += [exposure("u1999", "old", DAY)]  # in the test it was in the control
    arrive(1, rows)
    assert analysis.is_open(experiment)
    look = analysis.look(experiment.pk, at=START + 17 * DAY)
    assert [arm["units"] for arm in look.results["arms"]] == [200, 1_800]
    assert look.results["health"][0]["passed"]
    assert look.results["plan"]["analysis"] == "always_valid"
    assert look.sentence.startswith("It lasts:")


def test_experiments_that_ran_on_the_same_units_are_crossed() -> None:
    experiment = planned(cuped=False)
    planned("prices")
    rows, _ = shop()
    both = [
        exposure(row["user_id"], ("old", "new")[i % 2], DAY, "prices")
        for i, row in enumerate(rows)
        if row["type"] == "exposure"
    ]
    arrive(1, rows + both)
    look = analysis.look(experiment.pk, at=START + 7 * DAY)
    (found,) = look.results["interactions"]
    assert (found["experiment"], found["arm"], found["other_arm"]) == ("prices", "new", "new")
    assert 0.001 < found["p"] <= 1
    assert next(c for c in look.results["health"] if c["check"] == "overlap")["passed"]


def test_money_that_has_no_rate_is_told_and_decides_nothing() -> None:
    Metric.objects.filter(key="value_per_unit").update(currency="USD", in_scenario=False)
    experiment = planned(metrics=("orders_per_unit", "value_per_unit"))
    rows, _ = shop()
    arrive(1, [{**row, "currency": "INR"} if row["type"] == "order" else row for row in rows])
    look = analysis.look(experiment.pk, at=START + 7 * DAY)
    (money,) = (check for check in look.results["health"] if check["check"] == "money")
    assert not money["passed"] and "No exchange rate for" in money["sentence"]
    assert one(look, "value_per_unit")["difference"] == {"withheld": "money without an exchange rate"}
    assert look.verdict == "cannot tell"


def test_the_criterion_weighs_by_what_is_in_force_in_its_scenario() -> None:
    experiment = planned()
    home = Scenario.objects.get(key="home")
    weights.publish_version(home, "", {"user": "0.2", "merchant": "0.3", "platform": "0.5"}, "", "me")
    arrive(1, shop()[0])
    (found,) = analysis.look(experiment.pk, at=START + 7 * DAY).results["objectives"]
    interest = Metric.objects.get(key="orders_per_unit").objective
    assert found["criterion"]["value"] == pytest.approx(found["interests"][interest]["value"])


def test_a_definition_that_changes_later_changes_no_look() -> None:
    experiment = planned()
    arrive(1, [exposure("a", "old", DAY)])
    first = analysis.look(experiment.pk, at=START + 2 * DAY)
    Metric.objects.filter(key="orders_per_unit").update(window_hours=5)
    kept = Look.objects.get(pk=first.pk).results["definitions"]["orders_per_unit"]
    assert (kept["key"], kept["window_hours"]) == (
        "orders_per_unit",
        first.results["definitions"]["orders_per_unit"]["window_hours"],
    )
    assert kept["window_hours"] != 5


# Progress


def test_an_analysis_tells_how_far_it_is_and_that_it_is_done(monkeypatch: pytest.MonkeyPatch) -> None:
    experiment, seen = planned(), []
    slow = reading.read

    def watched(*given: Any, **more: Any) -> Any:
        seen.append(Progress.objects.get().stage)
        return slow(*given, **more)

    monkeypatch.setattr(reading, "read", watched)
    tasks.analyse(experiment_id=experiment.pk)
    assert seen == ["comparing arms"]
    done = Progress.objects.get()
    assert (done.stage, done.share, done.failure) == ("done", 1.0, "")
    assert done.finished_at is not None


def test_a_failure_is_told_in_words(monkeypatch: pytest.MonkeyPatch) -> None:
    experiment = planned()

    def broken(*_: Any, **__: Any) -> Any:
        raise RuntimeError("disk full")

    monkeypatch.setattr(reading, "read", broken)
    with pytest.raises(RuntimeError):
        tasks.analyse(experiment_id=experiment.pk)
    assert "RuntimeError: disk full" in Progress.objects.get().failure
    Experiment.objects.update(status=Status.DRAFT, started_at=None)
    tasks.analyse(experiment_id=experiment.pk)
    assert "has not started yet" in Progress.objects.get().failure
