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
