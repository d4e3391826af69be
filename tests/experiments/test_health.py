from dataclasses import replace
from datetime import date

import pytest
from scipy import stats

from experiments import health


@pytest.mark.parametrize("units", [[5_000, 5_010], [4_890, 5_110], [4_000, 6_000], [9_000, 990]])
def test_the_sample_ratio_is_scipys_chi_square(units: list[int]) -> None:
    check = health.sample_ratio(units, [0.5, 0.5])
    expected = stats.chisquare(units).pvalue
    assert check.p == pytest.approx(expected)
    assert check.passed == (expected >= 0.001)


def test_weights_are_what_it_is_held_against() -> None:
    assert health.sample_ratio([9_000, 1_000], [0.9, 0.1]).passed
    assert not health.sample_ratio([9_000, 1_000], [0.8, 0.2]).passed


def test_a_failure_says_what_came_and_what_was_planned() -> None:
    sentence = health.sample_ratio([4_000, 6_000], [0.5, 0.5]).sentence
    assert "4,000 : 6,000" in sentence
    assert "50 % : 50 %" in sentence


@pytest.mark.parametrize("units", [[0, 0], [3, 4], [0, 9]])
def test_too_few_units_raise_no_alarm_and_make_up_no_p(units: list[int]) -> None:
    check = health.sample_ratio(units, [0.5, 0.5])
    assert (check.passed, check.p) == (True, None)


@pytest.mark.parametrize("mixed", [1, 100, 130, 140, 500])
def test_units_in_several_arms_are_borne_until_they_are_surely_more_than_one_in_a_hundred(mixed: int) -> None:
    check = health.several_arms(10_000 - mixed, mixed)
    expected = stats.binomtest(mixed, 10_000, 0.01, alternative="greater").pvalue
    assert check.p == pytest.approx(expected)
    assert check.passed == (expected >= 0.001)


def test_one_unit_of_a_few_in_two_arms_is_no_alarm() -> None:
    assert health.several_arms(20, 1).passed
    assert health.several_arms(0, 0).passed


def test_exposures_that_stopped_are_seen_after_a_whole_day() -> None:
    days = [date(2026, 11, 20), date(2026, 11, 21)]
    assert health.exposures(days, date(2026, 11, 22)).passed
    silent = health.exposures(days, date(2026, 11, 23))
    assert not silent.passed
    assert "21 November 2026" in silent.sentence
    assert health.exposures([], date(2026, 11, 23)).passed


def test_the_watched_split_fails_by_its_own_p() -> None:
    assert not health.sample_ratio_watched(0.0005).passed
    assert health.sample_ratio_watched(0.002).passed


def test_a_split_that_is_broken_in_one_segment_is_seen_though_the_whole_is_even() -> None:
    units = {("platform", "android"): (5_500, 4_500), ("platform", "ios"): (4_500, 5_500), ("country", "IN"): (3, 0)}
    assert health.sample_ratio([10_003, 10_000], [0.5, 0.5]).passed
    check = health.sample_ratio_segments(units, [0.5, 0.5])
    assert not check.passed
    assert check.p == pytest.approx(2 * stats.chisquare([5_500, 4_500]).pvalue)  # two that can be tested
    assert "platform “android”" in check.sentence


def test_many_segments_are_corrected_for_their_number() -> None:
    units = {("country", str(i)): (5_000, 5_000) for i in range(99)} | {("country", "odd"): (5_175, 4_825)}
    assert 0.0001 < stats.chisquare([5_175, 4_825]).pvalue < 0.001  # alone it would be an alarm
    assert health.sample_ratio_segments(units, [0.5, 0.5]).passed
    assert health.sample_ratio_segments({}, [0.5, 0.5]).p is None


def test_arms_that_differed_before_the_experiment_are_an_alarm_corrected_for_their_number() -> None:
    found = [health.Before("Clicks", "New", 0.0004), health.Before("Orders", "New", 0.6)]
    check = health.pre_exposure(found)
    assert not check.passed
    assert check.p == pytest.approx(0.0008)
    assert "“Clicks” of New in the days before exposure" in check.sentence
    assert health.pre_exposure([*found, health.Before("Value", "New", 0.9)]).passed
    assert health.pre_exposure([]).p is None


def test_the_adjustment_tells_what_it_took_and_fails_where_it_is_off() -> None:
    assert "took 40 % of the variance of “Clicks”" in health.covariates({"Clicks": 0.4, "Orders": 0.1}, {}).sentence
    off = health.covariates({"Clicks": 0.4}, {"Orders": "the arms differed before exposure"})
    assert not off.passed
    assert "“Orders” (the arms differed before exposure)" in off.sentence


@pytest.mark.parametrize(("open_", "passed"), [(0, True), (200, True), (201, False)])
def test_one_unit_in_five_may_be_immature(open_: int, passed: bool) -> None:
    assert health.immature(open_, 1_000 - open_).passed is passed


def test_a_plan_that_cannot_find_what_is_usual_is_too_small() -> None:
    assert health.low_power("Clicks", 0.05, 0.03, 12).passed
    weak = health.low_power("Clicks", 0.07, 0.03, 12)
    assert not weak.passed
    assert "within ±6 %" in weak.sentence
    assert health.low_power("Clicks", 0.5, None, 3).passed
    assert health.low_power("Clicks", None, 0.03, 12).passed


@pytest.mark.parametrize(
    ("without", "apart", "passed"),
    [(0.09, False, True), (0.04, False, False), (-0.05, False, False), (0.04, True, True)],
)
@pytest.mark.parametrize("sign", [1, -1])
def test_a_result_is_carried_by_a_few_when_most_of_it_is_gone_without_them(
    without: float, apart: bool, passed: bool, sign: int
) -> None:
    found = health.Carried("Value", "New", sign * 0.1, sign * without, is_apart=True, is_apart_without=apart)
    assert health.outliers([found]).passed is passed
    assert health.outliers([replace(found, is_apart=False)]).passed  # nothing is claimed


def test_experiments_that_change_each_other_are_named() -> None:
    check = health.overlap([("recall", 0.2), ("prices", 1e-5)])
    assert (check.passed, check.p) == (False, 1e-5)
    assert "“prices”" in check.sentence
    assert health.overlap([("recall", 0.2)]).passed
    assert health.overlap([]).p is None
    assert "“recall” and “prices” on the same units" in health.overlap([], ["recall", "prices"]).sentence


def test_money_without_a_rate_is_named_by_metric() -> None:
    check = health.money({"GMV": 12, "Refunded": 0})
    assert not check.passed
    assert check.sentence == "No exchange rate for 12 events of “GMV”: enter the rates of their days."
    assert health.money({"GMV": 0}).passed
