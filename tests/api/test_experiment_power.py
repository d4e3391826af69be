"""The calculator over HTTP, from looks and traffic that are there."""

from datetime import UTC, datetime, timedelta
from math import sqrt

import pytest
from scipy import stats

from experiments.models import Experiment, Look
from firstlight.metrics.models import ScenarioMeasure
from tests import shop
from tests.api.conftest import pointers
from tests.experiments import looks

POWER = "/experiments/next/power/"
GIVEN = {"baseline": {"mean": 40.0, "sd": 160.0}, "analysis": "fixed"}


@pytest.fixture
def experiment(db):
    """A draft with a goal and a guardrail, and nothing known of either."""
    return shop.experiment("next", "Next", status="draft")


def ask(client, body=None):
    answer = client.send("post", POWER, {} if body is None else body)
    assert answer.status_code == 200, answer.content
    found = answer.json()
    return found, {row["role"]: row for row in found["metrics"]}


def traffic(experiment, units=10_000, returning=4_000):
    midnight = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    none = dict.fromkeys(("impressions", "clicks", "clicked_impressions", "carts", "orders", "buyers"), 0)
    for day in range(1, 8):
        ScenarioMeasure.objects.create(
            scenario=experiment.scenarios.get(), grain="day", starts_at=midnight - timedelta(days=day),
            recall_source="", units=units, returning_units=returning, measured_at=midnight, **none,
        )  # fmt: skip


def test_without_history_and_traffic_it_says_so(client_with, experiment):
    found, rows = ask(client_with(["read"]))
    assert found["units_per_day"] == {"withheld": "no data yet"}
    assert rows["primary"]["mean"] == rows["primary"]["units"] == {"withheld": "no data yet"}


def test_units_for_an_effect_as_the_textbook_has_them(client_with, experiment):
    _, rows = ask(client_with(["read"]), {**GIVEN, "mde": 0.02})
    z = stats.norm.isf(0.025) + stats.norm.isf(0.2)
    assert rows["primary"]["units"] == pytest.approx(4 * (z * 160 / 0.8) ** 2, rel=1e-3)
    assert rows["primary"]["days"] == {"withheld": "no data yet"}
    z = stats.norm.isf(0.05) + stats.norm.isf(0.1)  # one-sided at its margin of 5 %, power .9 for one guardrail
    assert rows["guardrail"]["units"] == pytest.approx(4 * (z * 160 / 2.0) ** 2, rel=1e-3)
    assert rows["guardrail"]["detectable"] == 0.05


def test_days_come_from_the_traffic_of_the_last_week(client_with, experiment):
    traffic(experiment)
    found, rows = ask(client_with(["read"]), {**GIVEN, "mde": 0.02})
    assert found["units_per_day"] == 10_000
    units, days = rows["primary"]["units"], rows["primary"]["days"]
    assert 10_000 + 6_000 * (days - 1) >= units > 10_000 + 6_000 * (days - 2)
    _, rows = ask(client_with(["read"]), {**GIVEN, "days": 8})
    assert rows["primary"]["units"] == 52_000
    z = stats.norm.isf(0.025) + stats.norm.isf(0.2)
    assert rows["primary"]["detectable"] == pytest.approx(z * 160 * 2 / sqrt(52_000) / 40, rel=1e-3)


def test_the_spread_comes_from_the_newest_look_with_the_metric(client_with, experiment):
    results = looks.results(n_metrics=1, arms=2)
    results["metrics"][0]["metric"] = "shop-click-rate"
    before = shop.experiment("before", "Before")
    Look.objects.create(
        experiment=before, number=4, until=datetime(2026, 11, 20, tzinfo=UTC), batch=1, verdict="end",
        sentence="Over.", results=results,
    )  # fmt: skip
    level, estimate = results["metrics"][0]["arms"][0], results["metrics"][0]["estimates"][0]
    _, rows = ask(client_with(["read"]), {"units": 100_000})
    assert rows["primary"]["source"] == "look 4 of before"
    assert rows["primary"]["mean"] == level["mean"]
    assert rows["primary"]["sd"] == pytest.approx(level["standard_error"] * sqrt(level["units"]))
    assert rows["primary"]["variance_reduction"] == pytest.approx(estimate["variance_reduction"])
    _, plain = ask(client_with(["read"]), {"units": 100_000, "variance_reduction": 0})
    assert plain["primary"]["detectable"] > rows["primary"]["detectable"]


def test_the_plan_is_asked_as_it_stands(client_with, experiment):
    Experiment.objects.update(planned_units=80_000, analysis="group_sequential", planned_days=14)
    _, planned = ask(client_with(["read"]), {"baseline": GIVEN["baseline"]})
    _, same = ask(client_with(["read"]), {"baseline": GIVEN["baseline"], "units": 80_000})
    assert planned == same
    assert 1.0 < planned["primary"]["inflation"] < 1.1
    _, fixed = ask(client_with(["read"]), {**GIVEN, "units": 80_000})
    assert fixed["primary"]["detectable"] < planned["primary"]["detectable"]


@pytest.mark.parametrize(
    ("body", "places"),
    [
        ({"mde": 0.01, "days": 7}, {""}),
        ({"mde": 0}, {"/mde"}),
        ({"days": 0}, {"/days"}),
        ({"units": 1}, {"/units"}),
        ({"metrics": ["unknown"]}, {"/metrics/0"}),
        ({"weights": [0.5, 0.4]}, {"/weights"}),
        ({"weights": [1]}, {"/weights"}),
        ({"baseline": {"mean": 1}}, {"/baseline/sd"}),
        ({"baseline": {"mean": 1, "sd": 0}}, {"/baseline/sd"}),
        ({"power": 0.2}, {"/power"}),
        ({"analysis": "guess"}, {"/analysis"}),
    ],
)
def test_what_is_wrong_is_refused_at_its_place(client_with, experiment, body, places):
    assert pointers(client_with(["read"]).send("post", POWER, body)) == places


def test_three_arms_can_be_tried_out_on_other_metrics(client_with, experiment):
    asked = {**GIVEN, "mde": 0.02, "weights": [0.4, 0.3, 0.3], "metrics": ["shop-refunds"]}
    found, rows = ask(client_with(["read"]), asked)
    assert [row["metric"] for row in found["metrics"]] == ["shop-refunds"]
    assert rows["primary"]["alpha"] == pytest.approx(0.025)
