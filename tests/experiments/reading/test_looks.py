"""A look as one of many, adjusted for the past: what is in force, what stands beside, and what is made of it."""

import json
from collections.abc import Mapping
from dataclasses import replace
from datetime import date, datetime, timedelta
from math import sqrt
from typing import Any

import numpy as np
import pytest
from scipy import stats

from experiments.reading import Given, Plan, read
from experiments.reading.prior import Past
from firstlight.kernel.moments import Moments
from firstlight.metrics.read import Cells
from firstlight.stats import spending
from tests.experiments.reading.plans import CLICKED, PLAN, START, VALUE

N = 4_000  # units of each arm
Raw = dict[str, np.ndarray[Any, Any]]  # arm -> (N, columns)
WHOLE = ("value", "pre_value", "is_new")


def raw(lift: float = 0.06, *, seed: int = 4, before: float = 0.0) -> Raw:
    """Values that follow what each unit did before; one in four was never seen. `before` parts the arms in the past."""
    rng, found = np.random.default_rng(seed), {}
    for i, arm in enumerate(("control", "new")):
        new = rng.random(N) < 0.25
        past = np.where(new, 0.0, rng.gamma(2, 10, N) + i * before)
        value = 10 + 0.8 * past + 12 * new + rng.normal(0, 8, N)
        found[arm] = np.column_stack([value * (1 + lift * i), past, new])
    return found


def cells(found: Raw, columns: tuple[str, ...] = WHOLE, **more: Any) -> Cells:
    days = {}
    for arm, units in found.items():
        for i, part in enumerate(np.array_split(units, 7)):
            days[arm, date(2026, 11, 1 + i)] = Moments.of(part[:, : len(columns)])
    return Cells(columns, days, **more)


def given(found: Raw, **more: Any) -> Given:
    return Given({"control": N, "new": N}, 0, {"value": cells(found)}, **more)


def look(
    plan: Plan = PLAN, asked: Given | None = None, at: datetime = START + timedelta(days=7), **changes: Any
) -> dict[str, Any]:
    changed = replace(replace(plan, metrics=(VALUE,)) if plan is PLAN else plan, **changes)
    return json.loads(json.dumps(read(changed, asked or given(raw()), at=at), allow_nan=False))  # type: ignore[no-any-return]


def estimate(found: Mapping[str, Any]) -> dict[str, Any]:
    return found["metrics"][0]["estimates"][0]  # type: ignore[no-any-return]


def residual_variance(found: Raw) -> float:
    """Of value given the past, within arms, by least squares on raw data."""
    rows = np.vstack(list(found.values()))
    arms = np.repeat([0.0, 1.0], N)
    design = np.column_stack([np.ones(2 * N), arms, rows[:, 1:]])
    coefficients, *_ = np.linalg.lstsq(design, rows[:, 0], rcond=None)
    return float(np.var(rows[:, 0] - design @ coefficients))


def test_it_is_adjusted_and_sequential_unless_the_plan_says_otherwise() -> None:
    one = estimate(look())
    assert one["in_force"] == "adjusted.sequential"
    assert one["difference"] == one["readings"]["adjusted"]["sequential"]["difference"]
    assert (one["lift"], one["p"]) == tuple(one["readings"]["adjusted"]["sequential"][k] for k in ("lift", "p"))
    assert estimate(look(cuped=False))["in_force"] == "raw.sequential"
    assert estimate(look(analysis="fixed"))["in_force"] == "adjusted.fixed"
    assert estimate(look(analysis="fixed"))["readings"]["adjusted"]["sequential"] is None


def test_the_raw_reading_is_welchs_and_the_adjusted_one_that_of_a_regression() -> None:
    found = raw()
    one = estimate(look(asked=given(found)))
    welch = stats.ttest_ind(found["new"][:, 0], found["control"][:, 0], equal_var=False)
    assert one["readings"]["raw"]["fixed"]["p"] == pytest.approx(welch.pvalue, rel=1e-8)
    rows, arms = np.vstack(list(found.values())), np.repeat([0.0, 1.0], N)
    design = np.column_stack([np.ones(2 * N), arms, rows[:, 1:] - rows[:, 1:].mean(axis=0)])
    slope = np.linalg.lstsq(design, rows[:, 0], rcond=None)[0][1]
    adjusted = one["readings"]["adjusted"]["fixed"]["difference"]
    assert adjusted["value"] == pytest.approx(slope, rel=1e-6)
    total = np.mean([np.var(units[:, 0]) for units in found.values()])
    assert one["variance_reduction"] == pytest.approx(1 - residual_variance(found) / total, abs=2e-3)


def test_the_sequential_interval_is_as_wide_as_the_bound_of_this_look() -> None:
    spent = ({"number": 1, "information": 1 / 14}, {"number": 2, "information": 3 / 14})
    one = estimate(look(asked=given(raw(), number=3, sequence=spent)))
    z = spending.bounds((1 / 14, 3 / 14, 0.5), 0.05)[-1]
    fixed, wide = (one["readings"]["adjusted"][k]["difference"] for k in ("fixed", "sequential"))
    ratio = (wide["high"] - wide["low"]) / (fixed["high"] - fixed["low"])
    assert ratio == pytest.approx(z / stats.norm.isf(0.025), rel=1e-3)


def test_arms_that_differed_before_are_not_adjusted_and_the_data_is_not_in_order() -> None:
    found = look(asked=given(raw(before=3.0)))
    one = estimate(found)
    assert one["in_force"] == "raw.sequential"
    assert one["adjusted_off"] == "the arms differed before exposure"
    assert one["readings"]["adjusted"] is not None  # still there to be seen
    checks = {check["check"]: check for check in found["health"]}
    assert not checks["pre_exposure"]["passed"]
    assert "“Value” of New in the days before exposure" in checks["pre_exposure"]["sentence"]
    assert not checks["covariates"]["passed"]
    assert found["verdict"]["kind"] == "cannot tell"


def test_without_a_past_it_says_why_nothing_is_adjusted() -> None:
    bare = Given({"control": N, "new": N}, 0, {"value": cells(raw(), ("value",))})
    one = estimate(look(asked=bare))
    assert (one["in_force"], one["readings"]["adjusted"]) == ("raw.sequential", None)
    assert one["adjusted_off"] == "what units did before exposure was not read"


def test_half_way_a_clear_gain_ships_and_the_same_gain_on_the_third_day_waits() -> None:
    assert look()["verdict"]["kind"] == "ship"
    early = look(at=START + timedelta(days=3))
    assert estimate(early)["p"] < 0.05
    assert early["verdict"]["kind"] == "keep running"
    assert "nothing ships before 7 days were seen" in early["verdict"]["sentence"]
    assert look(analysis="fixed")["verdict"]["kind"] == "keep running"


def test_what_one_look_would_find_many_looks_do_not() -> None:
    found = look(asked=given(raw(0.0223)))
    one = estimate(found)
    assert one["readings"]["adjusted"]["fixed"]["p"] < 0.05 < one["p"]
    assert found["verdict"]["kind"] == "keep running"


def test_looks_are_remembered_with_what_they_asked_for_and_found() -> None:
    first = look(at=START + timedelta(days=2))
    asked = given(raw(), number=2, sequence=tuple(first["sequence"]))
    second = look(asked=asked)["sequence"]
    assert [one["number"] for one in second] == [1, 2]
    assert second[0] == first["sequence"][0]
    assert [one["information"] for one in second] == pytest.approx([1 / 7, 1 / 2])
    one = estimate(look(asked=asked))["readings"]["adjusted"]["fixed"]
    assert second[1]["statistic"] == pytest.approx(stats.norm.isf(one["p"] / 2), rel=1e-6)
    assert (second[1]["metric"], second[1]["arm"]) == ("value", "new")


def test_always_valid_carries_the_size_that_the_first_look_took() -> None:
    found = look(analysis="always_valid")
    assert found["plan"]["planned_n"] == 2 * 2 * N
    again = look(asked=given(raw(), number=2, planned_n=50_000.0), analysis="always_valid")
    assert again["plan"]["planned_n"] == 50_000
    assert found["sequence"][0]["z"] is None


# Belief


def past(n: int, sd: float = 0.02, se: float = 0.01) -> tuple[Past, ...]:
    rng = np.random.default_rng(2)
    return tuple(Past("value", 1, float(x), se) for x in rng.normal(0.005, sqrt(sd**2 + se**2), n))


def test_the_prior_of_many_past_lifts_is_what_they_spread_beyond_chance() -> None:
    bayes = estimate(look(asked=given(raw(), past=past(400))))["bayes"]
    assert bayes["prior"]["kind"] == "history"
    assert bayes["prior"]["sd"] == pytest.approx(0.02, abs=0.004)
    assert bayes["prior"]["mean"] == pytest.approx(0.005, abs=0.005)


def test_the_posterior_is_the_precision_weighted_mean_of_lift_and_prior() -> None:
    own: dict[str, Any] = {"prior": "own", "prior_mean": 0.01, "prior_sd": 0.02}
    one = estimate(look(**own))
    flat, found = one["bayes"]["flat"], one["bayes"]
    sd = (flat["high"] - flat["low"]) / (2 * stats.norm.isf(0.025))
    precision = 1 / sd**2 + 1 / 0.02**2
    assert found["mean"] == pytest.approx((flat["mean"] / sd**2 + 0.01 / 0.02**2) / precision)
    assert found["chance_to_win"] == pytest.approx(stats.norm.cdf(found["mean"] * sqrt(precision)))
    assert one["shrunken"]["value"] == found["mean"]
    assert found["prior"] == {"kind": "own", "mean": 0.01, "sd": 0.02, "past": 0}


def test_with_few_past_lifts_the_prior_is_flat_and_nothing_is_shrunken() -> None:
    one = estimate(look(asked=given(raw(), past=past(7))))
    assert one["bayes"]["prior"]["kind"] == "flat"
    assert one["shrunken"] is None
    assert one["bayes"]["mean"] == one["bayes"]["flat"]["mean"]


def test_a_plan_too_small_for_what_is_usual_does_not_end_in_a_null() -> None:
    asked = given(raw(0.0), past=past(60, sd=0.003, se=0.001))
    found = look(asked=asked, planned_days=7)
    weak = next(check for check in found["health"] if check["check"] == "low_power")
    assert not weak["passed"]
    assert found["verdict"]["kind"] == "cannot tell"
    assert look(asked=given(raw(0.0)), planned_days=7)["verdict"]["kind"] == "end"


def test_the_detectable_lift_shrinks_with_the_root_of_what_is_still_to_come() -> None:
    one = estimate(look(analysis="fixed"))
    flat = one["readings"]["adjusted"]["fixed"]["difference"]
    se = (flat["high"] - flat["low"]) / (2 * stats.t.isf(0.025, 2 * N - 2))
    control = raw()["control"][:, 0].mean()
    expected = (stats.norm.isf(0.025) + stats.norm.isf(0.2)) * se / sqrt(2) / control
    assert one["detectable"] == pytest.approx(expected, rel=2e-3)
    assert estimate(look())["detectable"] > one["detectable"]  # a sequence costs a little


# Several goals


def two_goals(correction: str) -> list[dict[str, Any]]:
    other = replace(VALUE, key="other", name="Other")
    plan = replace(PLAN, metrics=(VALUE, other), correction=correction)
    asked = Given({"control": N, "new": N}, 0, {"value": cells(raw(0.03)), "other": cells(raw(0.032, seed=9))})
    return [metric["estimates"][0] for metric in look(plan, asked)["metrics"]]


def test_each_of_two_goals_is_corrected_and_their_intervals_hold_at_once() -> None:
    holm, bh = two_goals("holm"), two_goals("bh")
    small, large = sorted(one["p"] for one in holm)
    assert sorted(one["p_adjusted"] for one in holm) == pytest.approx([2 * small, max(2 * small, large)])
    assert max(one["p_adjusted"] for one in bh) == pytest.approx(large)
    for one in holm:
        assert one["simultaneous"]["difference"]["low"] < one["difference"]["low"]
        assert (one["simultaneous"]["difference"]["low"] > 0) == (2 * one["p"] < 0.05)


# What stands beside


def test_uncapped_and_without_the_top_stand_beside_and_an_outlier_holds_the_ship_back() -> None:
    heavy = raw(0.0)
    heavy["new"][:4, 0] += 6_000
    without = {arm: Moments.of(units[units[:, 0] < 500]) for arm, units in heavy.items()}
    one_cells = cells(heavy, top=without, uncapped={arm: Moments.of(units) for arm, units in heavy.items()})
    plan = replace(PLAN, metrics=(VALUE,), analysis="fixed", cuped=False, planned_days=7)
    found = look(plan, Given({"control": N, "new": N}, 0, {"value": one_cells}))
    one = estimate(found)
    welch = stats.ttest_ind(heavy["new"][4:, 0], heavy["control"][:, 0], equal_var=False)
    assert one["without_top"]["p"] == pytest.approx(welch.pvalue, rel=1e-6)
    assert one["uncapped"]["p"] == pytest.approx(one["readings"]["raw"]["fixed"]["p"])
    assert one["p"] < 0.05
    assert found["verdict"]["kind"] == "cannot tell"
    assert "A few units carry “Value” in New" in found["verdict"]["sentence"]


def test_a_lift_is_worth_its_share_to_the_whole_site() -> None:
    one = estimate(look(asked=given(raw(), site_shares={"value": 0.25})))
    assert one["site_wide"] == {k: pytest.approx(0.25 * v) for k, v in one["lift"].items()}
    assert estimate(look())["site_wide"] == {"withheld": "what the whole site did was not read"}


def test_unripe_units_are_told_and_many_of_them_hold_the_verdict_back() -> None:
    asked = Given({"control": N, "new": N}, 0, {"value": cells(raw(), immature={"control": 1_500, "new": 1_400})})
    found = look(asked=asked)
    assert estimate(found)["immature"] == {"control": 1_500, "new": 1_400}
    assert found["verdict"]["kind"] == "cannot tell"
    assert "2,900 units" in found["verdict"]["sentence"]


def test_money_without_a_rate_is_withheld() -> None:
    found = look(asked=Given({"control": N, "new": N}, 0, {"value": cells(raw(), unpriced=5)}))
    assert estimate(found)["lift"] == {"withheld": "money without an exchange rate"}
    assert found["verdict"]["kind"] == "cannot tell"


# Guardrails


def guarded(lift: float, margin: float, direction: str = "increase", **changes: Any) -> tuple[str, float]:
    metric = replace(VALUE, role="guardrail", margin=margin, direction=direction)
    one = estimate(look(replace(PLAN, metrics=(metric,)), given(raw(lift)), **changes))["guardrail"]
    return one["state"], one["p"]


def test_a_guardrail_is_settled_one_sided_by_the_bound_of_this_look() -> None:
    assert guarded(0.0, 0.05)[0] == "not worse"
    assert guarded(-0.2, 0.05)[0] == "worse"
    assert guarded(-0.05, 0.05)[0] == "not settled"
    sequential, fixed = guarded(-0.02, 0.05), guarded(-0.02, 0.05, analysis="fixed")
    assert fixed[1] < sequential[1]


def test_less_is_better_for_a_guardrail_that_should_fall() -> None:
    assert guarded(0.2, 0.05, "decrease")[0] == "worse"
    assert guarded(-0.2, 0.05, "decrease")[0] == "not worse"


def test_the_margin_is_judged_as_by_a_plain_test_when_there_is_one_look() -> None:
    found = raw(-0.03)
    plan: dict[str, Any] = {"cuped": False, "analysis": "fixed"}
    c, t = (found[arm][:, 0] for arm in ("control", "new"))
    expected = stats.ttest_ind(t, 0.95 * c, equal_var=False, alternative="greater").pvalue
    metric = replace(VALUE, role="guardrail", margin=0.05)
    one = estimate(look(replace(PLAN, metrics=(metric,)), given(found), **plan))["guardrail"]
    assert one["p"] == pytest.approx(expected, rel=1e-6)


# Days


def test_the_last_day_is_this_look_and_the_band_of_a_day_is_wider_than_its_interval() -> None:
    found = look()
    last = found["daily"][-1]
    assert last["sequential"]["lift"] == estimate(found)["lift"]
    for day in found["daily"]:
        assert day["sequential"]["difference"]["low"] < day["difference"]["low"]
    assert [day["units"] for day in found["daily"]][-1] == N


def test_other_methods_stand_beside_and_agree_where_they_must() -> None:
    """Of a small effect on many units all intervals of the lift are about one; a winner is worth less than it shows."""
    one = estimate(look(analysis="fixed"))
    others, lift = one["others"], one["lift"]
    for name in ("delta", "log_ratio"):
        assert others[name]["low"] == pytest.approx(lift["low"], abs=2e-3)
        assert others[name]["high"] == pytest.approx(lift["high"], abs=2e-3)
    assert 0 < others["conditional"] <= lift["value"]
    assert others["counts"] is None  # of shares alone


def test_as_good_as_the_control_is_shown_within_the_margin() -> None:
    """By SciPy's one-sided tests against the two bars, the control's own error counted."""
    found = raw(lift=0.0)
    one = estimate(look(asked=given(found), cuped=False))
    sides = [
        stats.ttest_ind(found["new"][:, 0], found["control"][:, 0] * (1 + side * VALUE.margin), equal_var=False)
        for side in (-1, 1)
    ]
    wanted = max(stats.t.sf(sides[0].statistic, sides[0].df), stats.t.cdf(sides[1].statistic, sides[1].df))
    assert one["others"]["equivalence"] == pytest.approx(wanted, rel=1e-8)
    assert one["others"]["conditional"] is None  # it is no winner


def test_of_shares_the_chance_to_win_is_that_of_two_beta_laws() -> None:
    rng = np.random.default_rng(3)
    found = {arm: (rng.random((N, 1)) < share).astype(float) for arm, share in (("control", 0.05), ("new", 0.056))}
    asked = Given({"control": N, "new": N}, 0, {"clicked": cells(found, ("value",))})
    for direction in ("increase", "decrease"):
        metric = replace(CLICKED, direction=direction)
        one = estimate(look(replace(PLAN, metrics=(metric,)), asked))["others"]["counts"]
        draws = {arm: rng.beta(1 + x.sum(), 1 + N - x.sum(), 400_000) for arm, x in found.items()}
        gap = (draws["new"] - draws["control"]) * metric.sign
        assert one["chance_to_win"] == pytest.approx((gap > 0).mean(), abs=4 * 0.5 / sqrt(400_000))
        assert one["expected_loss"] == pytest.approx(np.maximum(-gap, 0).mean(), rel=0.05)
