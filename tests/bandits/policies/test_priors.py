"""Priors are what the items around have in common, no stronger than that is known, and no weaker than of use."""

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose
from scipy import integrate, stats

from bandits.policies import priors
from bandits.policies.priors import Members, Priors
from firstlight.kernel.withheld import Reason, Withheld

SHOP = json.loads((Path(__file__).parents[1] / "open_bandit.json").read_text())
NOTHING = Withheld(Reason.NO_DATA)


def one_shop(trials: np.ndarray, successes: np.ndarray, rate: float, cap: float) -> Priors:
    n = len(trials)
    return priors.fitted(trials, successes, ["all"] * n, ["one"] * n, rate=rate, cap=cap)


def test_a_prior_of_known_strength_is_found_again() -> None:
    """Items of Beta(6, 194) seen 3,000 times each: M = 200; 40 times over, within four standard errors of the mean."""
    rng = np.random.default_rng(4)
    trials = np.full(200, 3000.0)
    found = [priors.fitted_strength(trials, rng.binomial(3000, rng.beta(6, 194, 200)).astype(float)) for _ in range(40)]
    inverse = np.array([1 / one for one in found if not isinstance(one, Withheld)])  # which the method is unbiased for
    assert len(inverse) == 40
    assert abs(inverse.mean() - 1 / 200) < 4 * inverse.std() / 40**0.5 + 0.02 / 200


def test_items_are_compared_with_their_own_group() -> None:
    """Two groups of 2 % and 10 %, M = 200 within each: as one group, the spread between them would pass for it."""
    rng = np.random.default_rng(5)
    rates = np.concatenate([rng.beta(4, 196, 300), rng.beta(20, 180, 300)])
    trials, group = np.full(600, 3000.0), np.repeat([0, 1], 300)
    won = rng.binomial(3000, rates).astype(float)
    assert priors.strength(Members(trials, won, group, "ab")) == pytest.approx(200, rel=0.25)
    whole = priors.fitted_strength(trials, won)
    assert not isinstance(whole, Withheld) and whole < 60


@pytest.mark.parametrize("campaign", ["all", "women"])
def test_where_items_differ_by_chance_alone_the_bounds_speak(campaign: str) -> None:
    """On these logs the likelihood has no maximum: items show no spread beyond chance."""
    trials = np.array(SHOP[campaign]["seen"], float).sum(axis=1)
    successes = np.array(SHOP[campaign]["clicked"], float).sum(axis=1)
    rate = successes.sum() / trials.sum()
    assert one_shop(trials, successes, rate, cap=2000).strength == pytest.approx(max(np.median(trials), 100))
    assert one_shop(trials, successes, rate, cap=50).strength == pytest.approx(50)
    assert_allclose(one_shop(trials, successes, rate, cap=100).mean, rate, rtol=0.02)


@given(
    st.lists(
        st.tuples(st.integers(0, 3000), st.floats(0, 1), st.sampled_from("ab"), st.sampled_from("xyz")), max_size=12
    ),
    st.floats(0.001, 0.5),
    st.floats(10, 2000),
)
def test_whatever_was_counted_a_prior_is_a_distribution_within_its_bounds(
    items: list[tuple[int, float, str, str]], rate: float, cap: float
) -> None:
    n = np.array([one[0] for one in items], float)
    won = np.array([round(one[0] * one[1]) for one in items], float)
    found = priors.fitted(n, won, [one[2] for one in items], [one[3] for one in items], rate=rate, cap=cap)
    assert priors.WEAKEST <= found.strength <= cap
    assert np.all((found.a > 0) & (found.b > 0))
    assert_allclose(found.a + found.b, found.strength)
    scenario, *below = found.levels
    assert (scenario.level, scenario.items, scenario.trials) == ("scenario", len(items), n.sum())
    for level in ("category", "merchant"):
        parts = [one for one in below if one.level == level]
        assert sum(one.items for one in parts) == len(items)
        assert sum(one.trials for one in parts) == pytest.approx(n.sum())
        assert all((one.rate == NOTHING) == (one.trials == 0) for one in parts)


def test_without_data_all_levels_believe_what_the_scenario_earns() -> None:
    nothing = np.zeros(3)
    found = priors.fitted(nothing, nothing, ["a", "a", "b"], ["x", "y", "x"], rate=0.02, cap=60)
    assert_allclose(found.mean, 0.02)
    assert found.strength == 60
    assert [level.name for level in found.levels] == ["", "a", "b", "x (a)", "y (a)", "x (b)"]
    assert priors.fitted_strength(nothing, nothing) == NOTHING
    assert priors.observed_rate(0, 0) == 0.01
    assert priors.observed_rate(900, 49) == 0.05


def test_a_new_item_is_believed_to_be_as_its_merchants_and_its_category_are() -> None:
    """Categories of 1 % and 6 %; one merchant of the good one at 12 %. New items have no impressions of their own."""
    rng = np.random.default_rng(6)
    rates = {("low", "x"): 0.01, ("low", "y"): 0.01, ("high", "x"): 0.06, ("high", "y"): 0.06, ("high", "z"): 0.12}
    groups = [group for group in rates for _ in range(30)] + [*rates, ("high", "new"), ("new", "new")]
    n = np.array([2000.0] * 150 + [0.0] * 7)
    won = np.array([float(rng.binomial(int(m), rates.get(group, 0))) for m, group in zip(n, groups, strict=True)])
    categories, merchants = zip(*groups, strict=True)
    found = priors.fitted(n, won, categories, merchants, rate=0.03, cap=100).mean[150:]
    assert_allclose(found[:5], list(rates.values()), rtol=0.1)
    assert 0.05 < found[5] < 0.1  # that of the category, whose other merchants stand at 6, 6 and 12 %
    assert 0.01 < found[6] < 0.06  # nothing but the scenario is known of it


def test_a_category_moves_from_the_scenario_by_as_much_as_it_has_been_seen() -> None:
    """By hand: a merchant of one item; its n impressions tell n M / (n + M), level by level, read beside 100."""
    found = priors.fitted([300.0], [30.0], ["a"], ["x"], rate=0.02, cap=100)
    merchant = 300 * 100 / 400
    category = merchant * 100 / (merchant + 100)
    category_mean = (100 * 0.02 + 0.1 * category) / (100 + category)
    assert found.levels[1].mean == pytest.approx(category_mean)
    assert found.mean[0] == pytest.approx((100 * category_mean + 0.1 * merchant) / (100 + merchant))


def test_one_item_that_was_shown_a_lot_does_not_speak_for_its_category() -> None:
    trials, won = np.array([1e6, *[100.0] * 20]), np.array([2e5, *[1.0] * 20])
    found = priors.fitted(trials, won, ["a"] * 21, ["x"] * 21, rate=0.02, cap=100)
    assert found.mean[0] < 0.05


INCUMBENTS = [(20.0, 980.0), (3.0, 50.0), (0.4, 30.0), (500.0, 9500.0)]


@pytest.mark.parametrize("incumbent", INCUMBENTS)
@pytest.mark.parametrize("chance", [0.05, 0.3, 0.6])
def test_a_new_item_beats_an_incumbent_with_the_chance_asked_for(incumbent: tuple[float, float], chance: float) -> None:
    a, b = incumbent
    mean = priors.dynamic([a], [b], chance, strength=50)
    new, old = stats.beta(50 * mean, 50 * (1 - mean)), stats.beta(a, b)
    by_hand = integrate.quad(lambda u: float(new.sf(old.ppf(u))), 0, 1, limit=400, epsabs=1e-9)[0]
    assert by_hand == pytest.approx(chance, abs=1e-6)
    assert priors.chance_above(mean, 50, [a], [b]) == pytest.approx(chance, abs=1e-9)


def test_against_several_incumbents_the_chance_is_that_against_one_of_them_by_lot() -> None:
    a, b = np.array(INCUMBENTS).T
    mean = priors.dynamic(a, b, 0.2, strength=80)
    apart = [priors.chance_above(mean, 80, [one], [other]) for one, other in INCUMBENTS]
    assert np.mean(apart) == pytest.approx(0.2, abs=1e-8)


def test_the_normal_approximation_would_miss_what_the_integral_meets() -> None:
    """Asked for .30, the mean at which two normal laws would differ so gives under .25."""
    a, b, m = 20.0, 980.0, 50.0
    old = stats.beta(a, b)

    def mean_by_normal() -> float:
        grid = np.linspace(1e-4, 0.05, 5000)
        spread = np.sqrt(grid * (1 - grid) / (m + 1) + old.var())
        return float(grid[np.argmin(np.abs(stats.norm.sf((old.mean() - grid) / spread) - 0.3))])

    assert priors.chance_above(mean_by_normal(), m, [a], [b]) < 0.25
    assert priors.chance_above(priors.dynamic([a], [b], 0.3, m), m, [a], [b]) == pytest.approx(0.3)


@settings(max_examples=12, deadline=None)
@given(st.floats(0.05, 0.9), st.floats(10, 2000), st.floats(0.2, 1000), st.floats(5, 1e5))
def test_whatever_the_incumbent_there_is_a_mean_for_every_chance(chance: float, m: float, a: float, b: float) -> None:
    mean = priors.dynamic([a], [b], chance, m)
    assert 0 < mean < 1
    assert priors.chance_above(mean, m, [a], [b]) == pytest.approx(chance, abs=1e-4)
