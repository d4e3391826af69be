"""From moments to the JSON of a look: its form, and its figures against the raw data."""

import json
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import numpy as np
import pytest
from scipy import stats

from experiments.reading import Given, Plan, PlannedArm, PlannedMetric, read
from firstlight.kernel.moments import Moments
from firstlight.kernel.windows import Window
from firstlight.metrics.read import Cells

START = datetime(2026, 11, 1, tzinfo=UTC)
END = START + timedelta(days=7)
LATER = END + timedelta(days=1)
COLUMNS = {"rate": ("value", "denominator")}
CLICKED = PlannedMetric("clicked", "Clicked", "primary", "proportion", "increase", "user", 0.02)
VALUE = PlannedMetric("value", "Value", "secondary", "mean", "increase", "platform", 0.02)
RATE = PlannedMetric("rate", "Click rate", "secondary", "ratio", "increase", "user", 0.02)
SLOW = PlannedMetric("slow", "Slow answers", "guardrail", "mean", "decrease", "user", 0.05)
ARMS = (PlannedArm("control", "Control", 0.5), PlannedArm("new", "New", 0.5))
PLAN = Plan(
    ARMS, (CLICKED, VALUE, RATE, SLOW), 0.95, START, 7, "user_id", Window(START, END), analysis="fixed", cuped=False
)

Raw = dict[str, dict[tuple[str, date], np.ndarray[Any, Any]]]


@pytest.fixture(scope="module")
def raw() -> Raw:
    rng = np.random.default_rng(11)
    found: Raw = {metric.key: {} for metric in PLAN.metrics}
    for lift, arm in enumerate(ARMS):
        for day in range(7):
            at, views = (arm.key, date(2026, 11, 1 + day)), rng.poisson(5, 1_000) + 1
            clicks = rng.binomial(views, 0.10 + 0.02 * lift)
            found["clicked"][at] = (clicks > 0).astype(float)
            found["value"][at] = rng.gamma(1.5, 20, 1_000)
            found["rate"][at] = np.column_stack([clicks, views])
            found["slow"][at] = rng.gamma(5, 10, 1_000)
    return found


def look(
    raw: Raw, plan: Plan = PLAN, units: tuple[int, int] = (7_000, 7_000), mixed: int = 3, at: datetime = LATER
) -> dict[str, Any]:
    by_day = {metric: {at: Moments.of(values) for at, values in days.items()} for metric, days in raw.items()}
    cells = {key: Cells(COLUMNS.get(key, ("value",)), days) for key, days in by_day.items()}
    found = read(plan, Given(dict(zip(("control", "new"), units, strict=True)), mixed, cells), at=at)
    return json.loads(json.dumps(found, allow_nan=False))  # type: ignore[no-any-return]


def test_it_has_the_fields_that_page_and_api_read(raw: Raw) -> None:
    found = look(raw)
    setting = {"version", "unit", "control", "arms", "window", "confidence", "analysis", "plan", "mixed_units"}
    parts = {
        "segments",
        "heterogeneity",
        "scenarios",
        "spill_over",
        "growth",
        "objectives",
        "ages",
        "trends",
        "interactions",
    }
    assert set(found) == setting | parts | {"health", "metrics", "daily", "sequence", "verdict"}
    assert found["window"] == {"start": "2026-11-01T00:00:00+00:00", "end": "2026-11-08T00:00:00+00:00"}
    assert found["arms"][1] == {"key": "new", "name": "New", "weight": 0.5, "units": 7_000}
    checks = [check["check"] for check in found["health"]]
    assert checks[:3] == ["sample_ratio", "sample_ratio_watched", "sample_ratio_segments"]
    assert checks[3:5] == ["several_arms", "exposures"]
    assert checks[5:] == ["pre_exposure", "covariates", "money", "immature", "low_power", "outliers", "overlap"]
    assert found["verdict"]["kind"] in {"ship", "keep running", "end", "abort", "cannot tell"}
    (estimate,) = found["metrics"][3]["estimates"]
    assert set(estimate["guardrail"]) == {"state", "p", "sentence"}


def test_the_figures_are_those_of_the_raw_data(raw: Raw) -> None:
    metrics = {metric["metric"]: metric for metric in look(raw)["metrics"]}
    whole = {
        m: {arm.key: np.concatenate([v for (a, _), v in days.items() if a == arm.key]) for arm in ARMS}
        for m, days in raw.items()
    }
    for key in ("clicked", "value"):
        c, t = whole[key]["control"], whole[key]["new"]
        expected = stats.ttest_ind(t, c, equal_var=False)
        (estimate,) = metrics[key]["estimates"]
        assert estimate["p"] == pytest.approx(expected.pvalue, rel=1e-8)
        assert estimate["difference"]["low"] == pytest.approx(expected.confidence_interval().low, rel=1e-8)
        assert estimate["lift"]["value"] == pytest.approx(t.mean() / c.mean() - 1)
        assert metrics[key]["arms"][1]["standard_error"] == pytest.approx(stats.sem(t))
        assert metrics[key]["arms"][0]["denominator"] is None
    clicks, views = whole["rate"]["new"].sum(axis=0)
    arm = metrics["rate"]["arms"][1]
    assert (arm["numerator"], arm["denominator"], arm["mean"]) == pytest.approx((clicks, views, clicks / views))
    assert [metrics[key]["estimates"][0]["method"] for key in ("clicked", "value", "rate")] == [
        "welch",
        "welch",
        "delta",
    ]


def test_the_last_day_of_the_goal_is_its_estimate_and_days_only_add(raw: Raw) -> None:
    found = look(raw)
    daily = found["daily"]
    assert {day["metric"] for day in daily} == {"clicked"}
    assert [day["units"] for day in daily] == [1_000 * n for n in range(1, 8)]
    estimate = found["metrics"][0]["estimates"][0]
    assert daily[-1]["day"] == "2026-11-07"
    assert daily[-1]["lift"]["low"] == pytest.approx(estimate["lift"]["low"])
    assert daily[-1]["difference"]["value"] == pytest.approx(estimate["difference"]["value"])


def test_a_clear_gain_ships_and_a_skewed_split_of_it_does_not(raw: Raw) -> None:
    plan = replace(PLAN, metrics=(CLICKED, VALUE, RATE))
    assert look(raw, plan)["verdict"]["kind"] == "ship"
    skewed = look(raw, plan, units=(7_000, 6_000))
    assert not skewed["health"][0]["passed"]
    assert skewed["verdict"]["kind"] == "abort"
    assert look(raw, plan, at=START + timedelta(days=3))["verdict"]["kind"] == "keep running"


def test_less_is_better_turns_the_verdict_and_no_figure(raw: Raw) -> None:
    more = look(raw, replace(PLAN, metrics=(CLICKED,)))
    less = look(raw, replace(PLAN, metrics=(replace(CLICKED, direction="decrease"),)))
    assert (more["verdict"]["kind"], less["verdict"]["kind"]) == ("ship", "abort")
    (up,), (down,) = more["metrics"][0]["estimates"], less["metrics"][0]["estimates"]
    chances = [one.pop("bayes")["chance_to_win"] for one in (up, down)]  # to win is what is wanted
    assert sum(chances) == pytest.approx(1)
    assert sum(one["others"].pop("counts")["chance_to_win"] for one in (up, down)) == pytest.approx(1)
    assert up == down


def test_several_goals_are_corrected_for_their_number(raw: Raw) -> None:
    goals = (CLICKED, replace(VALUE, role="primary"), replace(RATE, role="primary"))
    found = look(raw, replace(PLAN, metrics=goals))["metrics"]
    ps = [metric["estimates"][0]["p"] for metric in found]
    adjusted = [metric["estimates"][0]["p_adjusted"] for metric in found]
    assert adjusted[ps.index(min(ps))] == pytest.approx(3 * min(ps))
    assert all(a >= p for a, p in zip(adjusted, ps, strict=True))


def test_one_goal_is_not_corrected_whatever_else_is_shown(raw: Raw) -> None:
    estimates = [metric["estimates"][0] for metric in look(raw)["metrics"]]
    assert estimates[0]["p_adjusted"] == estimates[0]["p"]
    assert [estimate["p_adjusted"] for estimate in estimates[1:]] == [None, None, None]


def test_a_stopped_one_has_run_only_until_it_was_stopped(raw: Raw) -> None:
    stopped = replace(PLAN, metrics=(CLICKED,), stopped_at=START + timedelta(days=5))
    assert "stopped after 5 of 7 planned days" in look(raw, stopped)["verdict"]["sentence"]


def test_before_any_unit_came_every_number_is_withheld() -> None:
    found = look({}, units=(0, 0), mixed=0)
    assert found["verdict"]["kind"] == "cannot tell"
    for metric in found["metrics"]:
        assert all(arm["mean"] is None and arm["standard_error"] is None for arm in metric["arms"])
        (estimate,) = metric["estimates"]
        assert estimate["lift"] == {"withheld": "fewer than two units in an arm"}
        assert (estimate["p"], estimate["log10_p"]) == (None, None)
    assert found["daily"] == []


def test_an_arm_nobody_met_yet_does_not_break_the_days(raw: Raw) -> None:
    alone = {metric: {at: v for at, v in days.items() if at[0] == "control"} for metric, days in raw.items()}
    found = look(alone, units=(7_000, 0))
    assert "withheld" in found["daily"][-1]["lift"]
    assert found["metrics"][0]["arms"][1]["units"] == 0
