"""What a new item must beat comes from what is shown anyway, and is never 0."""

import numpy as np
import pytest

from bandits.policies.bars import FEWEST, Bar, Bars, Incumbents, given, medians, shrunken
from firstlight.kernel.withheld import Reason, Withheld


def incumbents(categories: list[str], trials: np.ndarray, successes: np.ndarray, value: float = 1.0) -> Incumbents:
    n, x = np.asarray(trials, float), np.asarray(successes, float)
    return Incumbents(categories, n, x, x * value)


def found(them: Incumbents) -> Bars:
    bars = medians(them)
    assert isinstance(bars, Bars)
    return bars


def test_a_bar_that_a_person_set_holds_for_every_category() -> None:
    assert given(0.04).of("shoes") == Bar(0.04, "set for the campaign", 0)


def test_with_many_impressions_the_bar_is_the_plain_median_of_the_rates() -> None:
    rates = np.array([0.01, 0.02, 0.03, 0.04, 0.09])
    n = np.full(5, 1e6)
    assert found(incumbents(["a"] * 5, n, n * rates)).of("a").value == pytest.approx(0.03, rel=1e-3)


def test_at_few_impressions_the_bar_is_near_the_true_median_where_the_plain_median_is_nothing() -> None:
    """2,000 items around 0.5 %, a hundred impressions each: three in five were never clicked."""
    rng = np.random.default_rng(3)
    theta = rng.beta(10, 1990, 2000)
    n = np.full(2000, 100.0)
    x = rng.binomial(100, theta).astype(float)
    assert np.median(x / n) == 0
    bar = found(incumbents([""] * 2000, n, x)).otherwise.value
    assert bar == pytest.approx(np.median(theta), rel=0.15)


def test_shrunken_rates_come_nearer_to_the_truth_than_the_observed_ones() -> None:
    rng = np.random.default_rng(5)
    theta = rng.beta(2, 98, 3000)
    n = rng.integers(100, 2000, 3000).astype(float)
    x = rng.binomial(n.astype(int), theta).astype(float)
    assert np.mean((shrunken(n, x) - theta) ** 2) < np.mean((x / n - theta) ** 2)


def test_a_category_with_enough_incumbents_has_a_bar_of_its_own_and_the_others_share_one() -> None:
    n = np.full(FEWEST + 1, 1e6)
    bars = found(incumbents(["a"] * FEWEST + ["b"], n, n * np.array([0.02] * FEWEST + [0.05])))
    assert set(bars.by_category) == {"a"}
    assert bars.of("b") == bars.otherwise and f"{FEWEST + 1} incumbents of the scenario" in bars.otherwise.origin


def test_items_without_a_category_do_not_form_one() -> None:
    n = np.full(9, 1e6)
    assert found(incumbents([""] * 9, n, n * 0.02)).by_category == {}


def test_value_per_impression_is_the_rate_times_what_a_rewarded_one_was_worth() -> None:
    n = np.full(6, 1e6)
    assert found(incumbents([""] * 6, n, n * 0.01, value=40.0)).otherwise.value == pytest.approx(0.4)


@pytest.mark.parametrize("n", [0, 8])
def test_without_incumbents_or_without_a_reward_there_is_no_bar(n: int) -> None:
    """Everything beats 0."""
    assert medians(incumbents([""] * n, np.full(n, 500.0), np.zeros(n))) == Withheld(Reason.NO_INCUMBENTS)
