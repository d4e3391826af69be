"""Power, corrections, selection, segments, spill-over, growth, trends, interactions: against what is known."""

from itertools import pairwise
from math import exp, log, sqrt
from typing import Any

import numpy as np
import pytest
from scipy import stats

from firstlight.kernel.moments import Moments
from firstlight.kernel.withheld import Reason, Withheld
from firstlight.stats import (
    criterion,
    dilution,
    growth,
    heterogeneity,
    interaction,
    multiplicity,
    power,
    sample_ratio,
    selection,
    spending,
    spillover,
    trend,
)
from firstlight.stats.criterion import Gain
from firstlight.stats.estimates import Estimate

Table = np.ndarray[Any, Any]


@pytest.mark.parametrize("normal", [False, True])
@pytest.mark.parametrize("ratio", [0.25, 1.0, 3.0])
def test_size_and_effect_are_the_inverse_of_power(normal: bool, ratio: float) -> None:
    test = power.Test(0.02, normal)
    n = power.size(0.07, 1.3, 0.85, test, ratio=ratio)
    assert power.power(0.07, 1.3, n, n * ratio, test) == pytest.approx(0.85, abs=1e-9)
    assert power.detectable(1.3, n, n * ratio, 0.85, test) == pytest.approx(0.07, rel=1e-9)


def test_power_is_how_often_a_t_test_finds_it() -> None:
    rng, n = np.random.default_rng(8), 20_000
    a, b = rng.normal(0, 1, (n, 40)), rng.normal(0.5, 1, (n, 60))
    found = (stats.ttest_ind(a, b, axis=1).pvalue < 0.05).mean()
    promised = power.power(0.5, 1, 40, 60, power.Test())
    assert abs(found - promised) < 4 * sqrt(promised * (1 - promised) / n)


def test_covariates_save_units_as_they_save_variance() -> None:
    assert power.size(0.1, 2.0, 0.8, power.Test(normal=True), saved=0.36) == pytest.approx(
        0.64 * power.size(0.1, 2.0, 0.8, power.Test(normal=True)), rel=1e-9
    )


def test_a_sequential_plan_costs_what_its_walks_cost() -> None:
    """Walks with the inflated drift cross as often as the fixed test would."""
    cost = power.inflation(10, 0.05, 0.8)
    assert 1.0 < cost < 1.1  # O'Brien-Fleming gives little away
    assert power.inflation(10, 0.05, 0.8, "pocock") > cost
    rng, n, times = np.random.default_rng(4), 100_000, np.arange(1, 11) / 10
    drift = sqrt(cost) * float(stats.norm.ppf(0.975) + stats.norm.ppf(0.8))
    walks = (rng.standard_normal((n, 10)) * sqrt(0.1) + drift / 10).cumsum(axis=1) / np.sqrt(times)
    crossed = (walks > np.array(spending.bounds(tuple(times), 0.05))).any(axis=1).mean()
    assert abs(crossed - 0.8) < 4 * sqrt(0.16 / n)


def test_several_guardrails_ask_for_more_power() -> None:
    assert power.guardrail(0.8, 0) == pytest.approx(0.8)
    assert power.guardrail(0.8, 3) == pytest.approx(0.95)


P_VALUES = [0.01, 0.04, 0.03, 0.005, 0.9]


@pytest.mark.parametrize("name", ["holm", "bonferroni", "holm_sidak", "hochberg", "hommel", "benjamini_hochberg"])
def test_corrections_keep_the_order_and_never_lower_a_p(name: str) -> None:
    adjusted = getattr(multiplicity, name)(P_VALUES)
    assert all(after >= before for before, after in zip(P_VALUES, adjusted, strict=True))
    rising = [adjusted[i] for i in np.argsort(P_VALUES)]
    assert rising == sorted(rising)
    assert getattr(multiplicity, name)([0.03]) == pytest.approx([0.03])
    assert getattr(multiplicity, name)([]) == []


def test_each_correction_gives_less_away_than_the_one_before() -> None:
    steps = [multiplicity.bonferroni, multiplicity.holm, multiplicity.hochberg, multiplicity.hommel]
    found = [np.array(step(P_VALUES)) for step in [*steps, multiplicity.benjamini_hochberg]]
    for stricter, milder in pairwise(found):
        assert (milder <= stricter + 1e-15).all()
    assert found[-1] == pytest.approx(stats.false_discovery_control(P_VALUES))
    by = multiplicity.benjamini_yekutieli(P_VALUES)
    assert by == pytest.approx(stats.false_discovery_control(P_VALUES, method="by"))


def test_segments_are_drawn_to_the_whole_as_far_as_their_data_are_thin() -> None:
    thin = heterogeneity.shrunken([0.02, 0.03, 0.01], [1e-3] * 3, 0.95)
    assert all(abs(one.value - 0.02) < 0.005 for one in thin)
    apart = heterogeneity.shrunken([0.2, -0.2, 0.0], [1e-4] * 3, 0.95)
    assert [one.value for one in apart] == pytest.approx([0.2, -0.2, 0.0], abs=0.01)
    assert heterogeneity.test([0.1], [1.0]) == Withheld(Reason.TOO_FEW_SEGMENTS)
    (alone,) = heterogeneity.shrunken([0.1], [0.04], 0.95)
    assert (alone.value, alone.high) == pytest.approx((0.1, 0.1 + 0.2 * 1.959963984540054))


def test_drawn_in_segments_are_the_integral_over_mean_and_spread() -> None:
    """Brute force on a grid of both, for the eight schools of Rubin (1981)."""
    x = np.array([28.0, 8.0, -3.0, 7.0, -1.0, 1.0, 18.0, 12.0])
    v = np.array([15.0, 10.0, 16.0, 11.0, 9.0, 11.0, 10.0, 18.0]) ** 2
    middle, spread = np.linspace(-60, 80, 561)[:, None, None], np.linspace(0.05, 114, 1_140)[None, :, None]
    total = v + spread**2
    weight = np.exp(-0.5 * ((x - middle) ** 2 / total + np.log(total)).sum(axis=2))
    weight /= weight.sum()
    means = (spread**2 * x + v * middle) / total
    expected = np.einsum("ms,msk->k", weight, means)
    spreads = np.einsum("ms,msk->k", weight, spread**2 * v / total + (means - expected) ** 2)
    for one, mean, variance in zip(heterogeneity.shrunken(list(x), list(v), 0.95), expected, spreads, strict=True):
        assert one.value == pytest.approx(mean, abs=0.05)
        assert (one.high - one.low) / 2 / 1.959963984540054 == pytest.approx(sqrt(variance), abs=0.05)


def test_heterogeneity_alarms_as_seldom_as_promised() -> None:
    rng, n = np.random.default_rng(6), 4_000
    variances = np.array([1.0, 2.0, 0.5, 4.0])
    p = []
    for row in rng.normal(0, np.sqrt(variances), (n, 4)):
        found = heterogeneity.test(row.tolist(), variances.tolist())
        assert not isinstance(found, Withheld)
        p.append(found.p)
    assert abs(np.mean(np.array(p) < 0.05) - 0.05) < 4 * sqrt(0.05 * 0.95 / n)


@pytest.mark.parametrize(("reached", "times"), [(0.2, 2.3), (0.5, 1.4), (0.8, 1.1)])
def test_what_is_significant_overstates(reached: float, times: float) -> None:
    assert selection.exaggeration(reached) == pytest.approx(times, abs=0.05)
    drift = power._solved(lambda d: power.power(d, 1, 2, 2, power.Test(normal=True)), reached, 0.0)
    rng = np.random.default_rng(3)
    z = rng.normal(drift, 1, 1_000_000)
    seen = np.abs(z[np.abs(z) > stats.norm.ppf(0.975)])
    assert selection.exaggeration(reached) == pytest.approx(seen.mean() / drift, rel=0.01)


def test_a_chosen_z_is_drawn_back_and_never_over_zero() -> None:
    assert selection.conditional(2.2, 1.959963984540054) == pytest.approx(0.6369647, abs=1e-6)
    assert selection.conditional(-2.2, 1.959963984540054) == pytest.approx(-0.6369647, abs=1e-6)
    assert selection.conditional(1.0, 1.96) == 1.0
    assert selection.conditional(12.0, 1.96) == pytest.approx(12.0, abs=1e-6)


def test_shrinking_is_the_posterior() -> None:
    found = selection.shrunken(0.05, 0.02, 0.01, 0.02)
    assert (found.mean, found.sd, found.factor) == pytest.approx((0.03, sqrt(0.0002), 0.5))
    assert selection.interval(found, 0.95).high == pytest.approx(stats.norm(found.mean, found.sd).ppf(0.975))


def test_the_whole_site_moves_by_the_share_that_was_touched() -> None:
    share = dilution.share_of_metric(0.25, 1.2, 0.6)
    assert share == pytest.approx(0.5)
    assert dilution.diluted(Estimate(0.08, 0.02, 0.14), share) == Estimate(0.04, 0.01, 0.07)


def pair(seed: int, effect: float = 0.0, n: int = 3_000) -> Moments:
    """Local and global value of the same units; what is gained here is partly lost elsewhere."""
    rng = np.random.default_rng(seed)
    here, elsewhere = rng.gamma(2, 1, n) + effect, rng.gamma(3, 1, n) - effect / 2
    return Moments.of(np.column_stack([here, here + elsewhere]))


def test_local_and_spill_over_sum_to_the_whole_exactly() -> None:
    (found,) = spillover.split([pair(1)], [pair(2, 0.5)], 0.95)
    values = [one.value for one in (found.local, found.spill_over, found.whole) if isinstance(one, Estimate)]
    assert values[0] + values[1] == pytest.approx(values[2], abs=1e-12)
    assert values[0] > 0 > values[1]


def test_spill_over_covers_the_truth_as_often_as_it_says() -> None:
    n, hits = 1_000, 0
    control, treatment = ([pair(2 * i + s, 0.5 * s, 400) for i in range(n)] for s in (0, 1))
    for one in spillover.split(control, treatment, 0.95):
        assert isinstance(one.spill_over, Estimate)
        hits += one.spill_over.low <= -0.25 / 5 <= one.spill_over.high
    assert abs(hits / n - 0.95) < 4 * sqrt(0.95 * 0.05 / n)


def factors(rng: np.random.Generator, n: int, lift: float = 1.0) -> Table:
    visits = rng.poisson(3 * lift, n)
    orders = rng.binomial(visits, 0.4)
    gross = orders * rng.gamma(4, 10, n)
    return np.column_stack([visits, orders > 0, orders, gross, gross * (rng.random(n) > 0.1)]).astype(float)


def test_factors_of_growth_sum_to_the_total_and_cover_it() -> None:
    rng, n, hits, visits = np.random.default_rng(9), 500, 0, 0
    for _ in range(n):
        found = growth.split(Moments.of(factors(rng, 800)), Moments.of(factors(rng, 800, 1.2)), 0.95)
        assert not isinstance(found, Withheld)
        assert sum(one.value for _, one in found.factors) == pytest.approx(found.total.value, abs=1e-12)
        hits += found.total.low <= 0.2 <= found.total.high
        visits += found.factors[0][1].value > 0.05
    assert abs(hits / n - 0.95) < 4 * sqrt(0.95 * 0.05 / n)
    assert visits > 0.9 * n  # it is the visits that grew


def test_growth_of_nothing_is_withheld() -> None:
    empty = Moments.of(np.zeros((10, 5)))
    assert growth.split(empty, empty, 0.95) == Withheld(Reason.NO_FACTOR)


def test_a_product_is_taken_apart_without_a_rest() -> None:
    parts = growth.lmdi((1000, 0.02, 50), (1200, 0.018, 55))
    assert parts == pytest.approx([198.967956, -114.980186, 104.012230], abs=1e-6)
    assert sum(parts) == pytest.approx(1200 * 0.018 * 55 - 1000)


def test_a_trend_is_found_by_its_sign_and_as_seldom_as_promised_by_chance() -> None:
    ages, ones = list(range(14)), [0.01] * 14
    falling = trend.trend(ages, [0.5 - 0.04 * a for a in ages], ones, 0.05)
    growing = trend.trend(ages, [0.1 + 0.04 * a for a in ages], ones, 0.05)
    assert not isinstance(falling, Withheld) and falling.course is trend.Course.NOVELTY
    assert not isinstance(growing, Withheld) and growing.course is trend.Course.PRIMACY
    assert falling.slope == pytest.approx(-0.04)
    rng, n, found = np.random.default_rng(2), 4_000, 0
    for row in rng.normal(0, 0.1, (n, 14)):
        one = trend.trend(ages, row.tolist(), ones, 0.05)
        assert not isinstance(one, Withheld)
        found += one.course is not trend.Course.NONE
    assert abs(found / n - 0.05) < 4 * sqrt(0.05 * 0.95 / n)
    assert trend.trend([0, 1, 2], [1, 1, 1], [1, 1, 1], 0.05) == Withheld(Reason.TOO_FEW_DAYS)


def test_two_arms_that_spoil_each_other_are_found_and_two_that_do_not_are_not() -> None:
    rng = np.random.default_rng(12)

    def cell(mean: float) -> Moments:
        return Moments.of(rng.normal(mean, 1, (4_000, 1)))

    plain = interaction.interaction("mean", cell(1.0), cell(1.2), cell(1.3), cell(1.5))
    spoilt = interaction.interaction("mean", cell(1.0), cell(1.2), cell(1.3), cell(1.0))
    assert not isinstance(plain, Withheld) and not isinstance(spoilt, Withheld)
    assert plain.p > 0.001 > spoilt.p
    assert spoilt.value == pytest.approx(-0.5, abs=4 * spoilt.se)
    few = Moments.of(np.ones((1, 1)))
    assert interaction.interaction("mean", few, few, few, few) == Withheld(Reason.TOO_FEW_UNITS)


def test_the_split_may_be_watched_after_every_unit() -> None:
    rng, n, alarms = np.random.default_rng(7), 600, 0
    for _ in range(n):
        arm = rng.random(3_000) < 0.5
        ones = arm.cumsum()[99::100]
        looks = [[int(o), 100 * (i + 1) - int(o)] for i, o in enumerate(ones)]
        alarms += min(sample_ratio.sequential_p(look, [0.5, 0.5], 100) for look in looks) < 0.05
    assert alarms / n < 0.05 + 4 * sqrt(0.05 * 0.95 / n)
    assert sample_ratio.sequential_p([5_500, 4_500], [0.5, 0.5], 1_000) < 1e-10


def test_the_bayes_factor_is_that_of_the_betas() -> None:
    """Two arms: the Beta-binomial, in its own words."""
    observed, a = [520, 480], 50.0
    ln = stats.betabinom(1_000, a, a).logpmf(520) - stats.binom(1_000, 0.5).logpmf(520)
    assert sample_ratio.log_bayes_factor(observed, [0.5, 0.5], 100) == pytest.approx(ln)
    assert exp(-ln) == pytest.approx(1.6050023707, rel=1e-9)
    assert log(1.6050023707) == pytest.approx(-ln, rel=1e-6)


def test_the_criterion_weighs_interests_and_leaves_out_what_was_not_measured() -> None:
    gains = {"user": Gain(0.1, 0.02), "platform": Gain(-0.05, 0.01)}
    found = criterion.criterion(gains, {"user": 0.6, "merchant": 0.2, "platform": 0.2}, 0.95)
    assert found is not None
    assert found.value == pytest.approx((0.06 - 0.01) / 0.8)
    assert criterion.criterion({}, {"user": 1.0}, 0.95) is None
    mean = criterion.interest([Gain(0.1, 0.02), Gain(0.2, 0.04)])
    assert mean is not None and (mean.value, mean.se) == pytest.approx((0.15, 0.03))
    assert criterion.interest([]) is None
