"""What is believed of items: counts add up, and the prior is no stronger than the data behind it."""

import json
from pathlib import Path

import numpy as np
import pytest

from bandits.policies import posterior
from bandits.policies.posterior import DEFAULT, Prior
from firstlight.kernel.withheld import Reason, Withheld

SHOP = json.loads(Path(__file__).with_name("open_bandit.json").read_text())


def test_beliefs_are_prior_and_counts() -> None:
    found = posterior.beliefs(["x", "y"], [10, 0], [4, 0], 2.0, 98.0)
    assert found.a.tolist() == [6, 2]
    assert found.b.tolist() == [104, 98]
    assert found.mean == pytest.approx([6 / 110, 0.02])
    assert found.leaders(1) == [0]


def test_the_interval_is_that_of_the_beta_distribution() -> None:
    from scipy import stats

    found = posterior.beliefs(["x"], [400], [9], 1.0, 99.0)
    low, high = found.interval(0.9)
    assert (low[0], high[0]) == pytest.approx(stats.beta(10, 490).interval(0.9))


def test_a_prior_of_known_strength_is_found_again() -> None:
    """200 items of Beta(6, 194) seen 3,000 times each: M = 200, whose estimate has a standard error near 25."""
    rng = np.random.default_rng(4)
    trials = np.full(200, 3000.0)
    successes = rng.binomial(3000, rng.beta(6, 194, 200)).astype(float)
    assert posterior.fitted_strength(trials, successes) == pytest.approx(200, abs=100)


@pytest.mark.parametrize("campaign", ["all", "women"])
def test_where_items_differ_by_chance_alone_the_cap_speaks(campaign: str) -> None:
    """On these logs the likelihood has no maximum: items show no spread beyond chance."""
    trials = np.array(SHOP[campaign]["seen"], float).sum(axis=1)
    successes = np.array(SHOP[campaign]["clicked"], float).sum(axis=1)
    rate = successes.sum() / trials.sum()
    found = posterior.prior_of(trials, successes, rate, cap=2000)
    assert found.strength == pytest.approx(np.median(trials))
    assert found.mean == pytest.approx(rate)
    assert posterior.prior_of(trials, successes, rate, cap=100).strength == pytest.approx(100)


def test_strength_stays_between_ten_and_the_cap() -> None:
    trials, successes = np.array([100.0, 100.0]), np.array([0.0, 90.0])
    assert posterior.prior_of(trials, successes, 0.3, cap=100).strength == pytest.approx(10)
    assert posterior.prior_of(trials, successes, 0.3, cap=50).strength <= 50


def test_without_data_the_default_stands_and_nothing_is_made_up() -> None:
    nothing = np.zeros(3)
    assert posterior.fitted_strength(nothing, nothing) == Withheld(Reason.NO_DATA)
    assert posterior.observed_rate(0, 0) == DEFAULT.mean
    found = posterior.prior_of(nothing, nothing, DEFAULT.mean, cap=100)
    assert (found.a, found.b) == pytest.approx((DEFAULT.a, DEFAULT.b))
    assert Prior.of(0.02, 50) == Prior(1.0, 49.0)
