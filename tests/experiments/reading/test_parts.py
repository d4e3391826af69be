"""Parts of a look: segments, scenarios, spill-over, growth, interests, ages, overlaps."""

import json
from collections.abc import Mapping
from dataclasses import replace
from datetime import date, timedelta
from typing import Any

import numpy as np
import pytest
from scipy import stats

from experiments.reading import Given, Plan, PlannedArm, read
from experiments.reading.given import Credits
from firstlight.kernel.moments import Moments
from firstlight.metrics.read import Cells, Quantile
from tests.experiments.reading.plans import CLICKED, PLAN, RATE, START, VALUE

N = 3_000
DAY = date(2026, 11, 7)
ONE = replace(PLAN, metrics=(VALUE,), cuped=False)
ARMS = ("control", "new")
RARELY = (np.arange(N) % 100 == 0).astype(float)
RARE = replace(ONE, metrics=(CLICKED,))
Numbers = np.ndarray[Any, Any]


def look(asked: Given, plan: Plan = ONE, days: float = 7) -> dict[str, Any]:
    found = read(plan, asked, at=START + timedelta(days=days))
    return json.loads(json.dumps(found, allow_nan=False))  # type: ignore[no-any-return]


def given(cells: Mapping[str, Cells], **more: Any) -> Given:
    return Given({"control": N, "new": N}, 0, cells, **more)


def drawn(lift: float, *, seed: int, n: int = N, mean: float = 20.0) -> Numbers:
    return np.random.default_rng(seed).normal(mean * (1 + lift), 10, n)


def cells(control: Numbers, new: Numbers, columns: tuple[str, ...] = ("value",), **more: Any) -> Cells:
    return Cells(columns, {("control", DAY): Moments.of(control), ("new", DAY): Moments.of(new)}, **more)


def segmented(lifts: Mapping[str, float]) -> Given:
    by_segment = {}
    for i, (segment, lift) in enumerate(lifts.items()):
        by_segment["country", segment, "control"] = Moments.of(drawn(0.0, seed=10 + i))
        by_segment["country", segment, "new"] = Moments.of(drawn(lift, seed=50 + i))
    return given({"value": cells(drawn(0, seed=1), drawn(0, seed=2), by_segment=by_segment)})


# Segments


def test_a_segment_is_compared_as_the_raw_data_and_drawn_in_towards_the_whole() -> None:
    found = look(segmented({"BR": 0.0, "IN": 0.05, "ZA": 0.02}))["segments"]
    one = next(s for s in found if s["segment"] == "IN")
    c, t = drawn(0.0, seed=11), drawn(0.05, seed=51)
    expected = stats.ttest_ind(t, c, equal_var=False).confidence_interval()
    assert one["difference"]["low"] == pytest.approx(expected.low)
    assert one["levels"] == {"control": pytest.approx(c.mean()), "treatment": pytest.approx(t.mean())}
    assert (one["slice"], one["units"]) == ("country", {"control": N, "treatment": N})
    alone = {s["segment"]: s["lift"]["value"] for s in found}
    kept = {s["segment"]: s["shrunken"]["value"] for s in found}
    assert max(kept.values()) - min(kept.values()) < max(alone.values()) - min(alone.values())


def test_segments_that_differ_are_found_and_those_that_do_not_are_drawn_into_one() -> None:
    apart = look(segmented({"BR": -0.1, "IN": 0.1, "ZA": 0.0}))["heterogeneity"][0]
    assert apart["p_adjusted"] < 0.001
    assert apart["sentence"].startswith("The lift of “Value” in New differs by country")
    alike = look(segmented({"BR": 0.02, "IN": 0.02}))["heterogeneity"][0]
    assert alike["p_adjusted"] > 0.05
    assert alike["sentence"].startswith("No sign that the lift")


def test_q_is_cochrans_over_the_logarithms_of_the_ratios() -> None:
    asked = segmented({"BR": -0.03, "IN": 0.03, "ZA": 0.0})
    found = look(asked)
    lifts, variances = [], []
    for i, lift in enumerate((-0.03, 0.03, 0.0)):
        c, t = drawn(0.0, seed=10 + i), drawn(lift, seed=50 + i)
        lifts.append(np.log(t.mean() / c.mean()))
        variances.append(t.var(ddof=1) / N / t.mean() ** 2 + c.var(ddof=1) / N / c.mean() ** 2)
    w = 1 / np.array(variances)
    q = float(w @ (np.array(lifts) - w @ np.array(lifts) / w.sum()) ** 2)
    assert found["heterogeneity"][0]["q"] == pytest.approx(q, rel=1e-6)
    assert found["heterogeneity"][0]["p"] == pytest.approx(stats.chi2.sf(q, 2), rel=1e-6)


def test_rare_successes_neither_part_the_segments_nor_draw_them_down() -> None:
    """No lift anywhere: Q is refused as often as promised, and what is drawn in is 0 on average."""
    rng, refused, kept, tries = np.random.default_rng(8), 0, [], 250
    for _ in range(tries):
        by_segment = {
            ("country", str(i), arm): shares(rng, 4_000, 0.006) for i in range(8) for arm in ("control", "new")
        }
        found = look(given({"clicked": cells(RARELY, RARELY, by_segment=by_segment)}), RARE)
        refused += found["heterogeneity"][0]["p"] < 0.05
        kept.append(np.mean([s["shrunken"]["value"] for s in found["segments"] if "value" in s["shrunken"]]))
    assert abs(refused / tries - 0.05) < 4 * np.sqrt(0.05 * 0.95 / tries)
    assert abs(np.mean(kept)) < 4 * np.std(kept) / np.sqrt(tries) + 0.005  # a ratio of counts has a bias of its own


def test_a_segment_that_hardly_any_unit_carries_takes_no_part() -> None:
    rng = np.random.default_rng(2)
    by_segment = {("country", name, arm): shares(rng, 4_000, 0.02) for name in "ab" for arm in ("control", "new")}
    by_segment |= {
        ("country", "c", "control"): shares(rng, 4_000, 0.01),
        ("country", "c", "new"): shares(rng, 4_000, 0),
    }
    found = look(given({"clicked": cells(RARELY, RARELY, by_segment=by_segment)}), RARE)
    told = {s["segment"]: s["shrunken"] for s in found["segments"]}
    assert told["c"] == {"withheld": "too few units in an arm that carry it"}
    assert told["a"]["low"] < 0 < told["a"]["high"]


def shares(rng: np.random.Generator, n: int, p: float) -> Moments:
    return Moments.of((rng.random(n) < p).astype(float))


def test_the_split_is_checked_in_segments_of_units_and_not_of_events() -> None:
    odd = {
        ("country", "IN", "control"): Moments.of(drawn(0, seed=1)),
        ("country", "IN", "new"): Moments.of(drawn(0, seed=2, n=2_000)),
    }
    asked = given({"value": cells(drawn(0, seed=1), drawn(0, seed=2), by_segment=odd)})
    checks = {c["check"]: c["passed"] for c in look(asked)["health"]}
    assert checks["sample_ratio_segments"] is None  # there is none to check
    checks = {c["check"]: c["passed"] for c in look(replace(asked, slices_of_units=frozenset({"country"})))["health"]}
    assert checks["sample_ratio_segments"] is False


# Scenarios


def test_local_and_spill_over_sum_to_the_global_lift_and_the_parts_to_the_whole() -> None:
    rng = np.random.default_rng(6)
    here = {arm: rng.gamma(2, 5 * (1 + 0.1 * i), N) for i, arm in enumerate(("control", "new"))}
    away = {arm: rng.gamma(2, 5 * (1 - 0.06 * i), N) + 0.3 * here[arm] for i, arm in enumerate(("control", "new"))}
    joint = {arm: Moments.of(np.column_stack([here[arm], here[arm] + away[arm]])) for arm in here}
    places = {("home", arm): Moments.of(values) for arm, values in here.items()}
    places |= {("search", arm): Moments.of(values) for arm, values in away.items()}
    found = look(given({"value": cells(here["control"], here["new"], joint=joint, by_scenario=places)}))
    (one,) = found["spill_over"]
    assert one["local"]["value"] + one["spill_over"]["value"] == pytest.approx(one["global"]["value"], abs=1e-15)
    whole = {arm: here[arm].mean() + away[arm].mean() for arm in here}
    assert one["global"]["value"] == pytest.approx(whole["new"] / whole["control"] - 1)
    parts = [s["difference"]["value"] for s in found["scenarios"]]
    assert sum(parts) == pytest.approx(whole["new"] - whole["control"])
    assert {s["scenario"] for s in found["scenarios"]} == {"home", "search"}


# Growth


def test_the_factors_of_growth_sum_to_the_lift_of_value_per_unit() -> None:
    rng = np.random.default_rng(7)
    grown = {}
    for i, arm in enumerate(("control", "new")):
        visits = rng.poisson(3 + 0.2 * i, N) + 1.0
        orders = rng.poisson(0.4 * visits / 3)
        gross = orders * rng.gamma(4, 10, N)
        grown[arm] = np.column_stack([visits, orders > 0, orders, gross, gross * rng.uniform(0.8, 1.0, N)])
    moments = {arm: Moments.of(values.astype(float)) for arm, values in grown.items()}
    (one,) = look(given({"value": cells(drawn(0, seed=1), drawn(0, seed=2))}, growth=moments))["growth"]
    lift = grown["new"][:, 4].mean() / grown["control"][:, 4].mean() - 1
    assert one["total"]["value"] == pytest.approx(lift)
    assert sum(factor["value"] for factor in one["factors"]) == pytest.approx(lift)
    assert [factor["factor"] for factor in one["factors"]][:2] == ["visits", "conversion"]


def test_growth_without_any_order_is_withheld() -> None:
    moments = {arm: Moments.of(np.tile([1.0, 0, 0, 0, 0], (10, 1))) for arm in ("control", "new")}
    (one,) = look(given({"value": cells(drawn(0, seed=1), drawn(0, seed=2))}, growth=moments))["growth"]
    assert "withheld" in one["total"]


# Interests


def test_the_criterion_weighs_gains_that_are_turned_the_wanted_way() -> None:
    slow = replace(VALUE, key="slow", name="Slow", role="guardrail", direction="decrease", objective="user")
    plan = replace(ONE, metrics=(VALUE, slow))
    asked = {"value": cells(drawn(0, seed=1), drawn(0.1, seed=2)), "slow": cells(drawn(0, seed=3), drawn(0.04, seed=4))}
    weights = {"user": 0.75, "merchant": 0.0, "platform": 0.25}
    (one,) = look(given(asked, weights=weights), plan)["objectives"]
    gains = {name: one["interests"][name]["value"] for name in ("user", "platform")}
    assert gains["user"] < 0 < gains["platform"]
    assert one["criterion"]["value"] == pytest.approx(0.75 * gains["user"] + 0.25 * gains["platform"])
    assert one["interests"]["merchant"] == {"withheld": "no goal measures it"}
    assert one["pareto"]


def test_an_arm_that_another_beats_in_everything_is_no_choice() -> None:
    arms = (*PLAN.arms, PlannedArm("best", "Best", 0.5))
    by_day = {
        (a, DAY): Moments.of(drawn(x, seed=i))
        for i, (a, x) in enumerate(zip(("control", "new", "best"), (0, 0.05, 0.2), strict=True))
    }
    found = look(given({"value": Cells(("value",), by_day)}, weights={"platform": 1.0}), replace(ONE, arms=arms))
    assert {one["arm"]: one["pareto"] for one in found["objectives"]} == {"new": False, "best": True}


# Ages


def aged(effect_by_day: list[float]) -> dict[str, Any]:
    by_age = {}
    for age, effect in enumerate(effect_by_day):
        by_age[age, "control"] = Moments.of(drawn(0, seed=100 + age))
        by_age[age, "new"] = Moments.of(drawn(effect, seed=200 + age))
    return look(given({"value": cells(drawn(0, seed=1), drawn(0, seed=2), by_age=by_age)}))


@pytest.mark.parametrize(
    ("effects", "kind"),
    [([0.3, 0.25, 0.2, 0.15, 0.1, 0.05], "novelty"), ([0.1, 0.2, 0.3, 0.4, 0.5, 0.6], "primacy"), ([0.1] * 6, "none")],
)
def test_an_effect_that_fades_is_novelty_and_one_that_grows_is_primacy(effects: list[float], kind: str) -> None:
    found = aged(effects)
    (line,) = found["trends"]
    assert line["kind"] == kind
    assert [one["age"] for one in found["ages"]] == list(range(6))
    assert found["ages"][2]["lift"]["value"] == pytest.approx(effects[2], abs=0.05)


def test_three_days_make_no_trend() -> None:
    assert aged([0.1, 0.2, 0.3])["trends"] == []


# Overlaps


def crossed(extra: float) -> dict[str, Any]:
    four = {
        (arm, other): Moments.of(drawn(0.1 * (arm == "new") + extra * (arm == "new") * (other == "on"), seed=i))
        for i, (arm, other) in enumerate([("control", "off"), ("new", "off"), ("control", "on"), ("new", "on")])
    }
    more: dict[str, Any] = {"crossed": {"prices": {"value": four}}, "other_arms": {"prices": ("off", "on")}}
    return look(given({"value": cells(drawn(0, seed=1), drawn(0.1, seed=2))}, **more))


def test_an_experiment_that_changes_the_effect_holds_the_ship_back() -> None:
    found = crossed(0.3)
    (one,) = found["interactions"]
    assert (one["experiment"], one["other_arm"]) == ("prices", "on")
    assert one["p_adjusted"] < 0.001
    assert found["verdict"]["kind"] == "cannot tell"
    assert "“prices”" in found["verdict"]["sentence"]
    assert crossed(0.0)["verdict"]["kind"] == "ship"


# Other kinds of metrics and experiments


def test_a_quantile_is_compared_by_how_surely_it_is_known() -> None:
    rng = np.random.default_rng(12)
    waits = {arm: rng.exponential(10 * (1 + 0.3 * i), 20_000) for i, arm in enumerate(("control", "new"))}
    found = {}
    for arm, values in waits.items():
        reach = 1.96 * np.sqrt(0.9 * 0.1 / len(values))
        value, low, high = np.quantile(values, [0.9, 0.9 - reach, 0.9 + reach])
        below = Moments.of(np.column_stack([values <= value, np.ones(len(values))]).astype(float))
        found[arm] = Quantile(len(values), 0.9, float(value), float(low), float(high), below)
    plan = replace(ONE, metrics=(replace(VALUE, kind="quantile", direction="decrease"),))
    metric = look(given({"value": Cells(("value",), {}, quantile=found)}), plan)["metrics"][0]
    assert metric["arms"][1]["mean"] == pytest.approx(13 * np.log(10), rel=0.05)
    assert metric["arms"][1]["numerator"] is None
    one = metric["estimates"][0]["readings"]["raw"]["fixed"]["difference"]
    boot = np.random.default_rng(1)
    draws = [
        np.quantile(boot.choice(waits["new"], 20_000), 0.9) - np.quantile(boot.choice(waits["control"], 20_000), 0.9)
        for _ in range(300)
    ]
    assert (one["high"] - one["low"]) / 3.92 == pytest.approx(np.std(draws), rel=0.2)
    assert metric["estimates"][0]["bayes"]["chance_to_win"] < 0.01


def test_over_clusters_a_mean_is_a_ratio_of_two_sums_and_its_error_that_of_clusters() -> None:
    rng, found = np.random.default_rng(13), {}
    for i, arm in enumerate(("control", "new")):
        sizes = rng.integers(5, 40, 200).astype(float)
        found[arm] = np.column_stack([sizes * (20 + i + rng.normal(0, 4, 200)), sizes])
    columns = ("value", "denominator")
    asked = {"value": cells(found["control"], found["new"], columns)}
    one = look(given(asked))["metrics"][0]["estimates"][0]["readings"]["raw"]["fixed"]
    means = {arm: rows[:, 0].sum() / rows[:, 1].sum() for arm, rows in found.items()}
    residuals = {arm: rows[:, 0] - means[arm] * rows[:, 1] for arm, rows in found.items()}
    variance = sum(200 / 199 * (residuals[arm] ** 2).sum() / found[arm][:, 1].sum() ** 2 for arm in found)
    assert one["difference"]["value"] == pytest.approx(means["new"] - means["control"])
    assert one["p"] == pytest.approx(2 * stats.norm.sf(abs(means["new"] - means["control"]) / variance**0.5), rel=0.15)


def test_an_interleaving_tells_who_is_preferred_by_a_sign_test() -> None:
    plan = replace(ONE, type="interleaving", analysis="fixed", planned_days=7)
    many = Moments.of(np.ones((300, 1)))
    asked = Given({"control": 300, "new": 300}, 0, {}, credits={"value": {"new": Credits(many, many, 170, 120)}})
    found = look(asked, plan)
    one = found["metrics"][0]["estimates"][0]
    assert one["p"] == pytest.approx(stats.binomtest(170, 290).pvalue)
    assert one["difference"]["value"] == pytest.approx(50 / 290)
    assert one["lift"] == {"withheld": "interleaving tells which is preferred, not by how much"}
    assert found["verdict"]["kind"] == "ship"
    assert [check["check"] for check in found["health"]] == ["low_power", "overlap"]
    wider = look(asked, replace(plan, analysis="group_sequential", planned_days=14))["metrics"][0]["estimates"][0]
    assert wider["difference"]["low"] < one["difference"]["low"]


def test_an_aa_test_with_a_difference_is_an_alarm() -> None:
    plan = replace(ONE, type="aa", planned_days=7)
    assert look(given({"value": cells(drawn(0, seed=1), drawn(0.1, seed=2))}), plan)["verdict"]["kind"] == "abort"
    same = look(given({"value": cells(drawn(0, seed=1), drawn(0, seed=2))}), plan)["verdict"]
    assert same["sentence"].startswith("No difference, as it should be.")


def test_all_kinds_of_metrics_stand_in_one_look() -> None:
    rng = np.random.default_rng(15)
    clicks = {arm: rng.binomial(1, 0.3, N).astype(float) for arm in ("control", "new")}
    rates = {arm: np.column_stack([rng.binomial(9, 0.1, N), np.full(N, 9)]).astype(float) for arm in clicks}
    asked = {
        "value": cells(drawn(0, seed=1), drawn(0, seed=2)),
        "clicked": cells(clicks["control"], clicks["new"]),
        "rate": cells(rates["control"], rates["new"], ("value", "denominator")),
    }
    found = look(given(asked), replace(PLAN, metrics=(VALUE, CLICKED, RATE), cuped=False))
    assert [metric["estimates"][0]["method"] for metric in found["metrics"]] == ["welch", "welch", "delta"]
