"""Items leave the pool when it is known what they are; what a person took back does not leave by the same evidence."""

from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from scipy.stats import beta as beta_law

from bandits.policies.beliefs import Beta
from bandits.policies.graduation import MARGIN, Record, Rule, decisions, why

RULE = Rule(graduate_at=0.9, retire_at=0.05, least_impressions=100, least_age_hours=24)
BAR = 0.03


def beliefs(*counts: tuple[float, float]) -> Beta:
    """Beta(2 + clicks, 98 + the others), from (impressions, clicks)."""
    n, x = np.array(counts, dtype=float).T
    return Beta(tuple(f"sku-{i}" for i in range(len(n))), 2 + x, 98 + n - x)


def record(*impressions: float, age: float = 48, **more: Any) -> Record:
    n = np.array(impressions, dtype=float)
    return Record.fresh(n, np.full(len(n), float(age)), **more)


def taken_back(impressions: float, *, then: float, times: int = 1) -> Record:
    one = np.ones(1)
    return Record(impressions * one, impressions * one, 48 * one, times * one, (impressions - then) * one)


def test_the_chance_is_the_tail_of_the_posterior_and_decides_at_its_two_ends() -> None:
    counts = [(1000.0, 48.0), (1000.0, 30.0), (1000.0, 8.0)]
    found = decisions(RULE, beliefs(*counts), BAR, record(1000, 1000, 1000))
    expected = [beta_law.sf(BAR, 2 + x, 98 + n - x) for n, x in counts]
    np.testing.assert_allclose(found.chance_in, expected, rtol=1e-10)
    assert found.graduate.tolist() == [True, False, False]
    assert found.retire.tolist() == [False, False, True]


def test_every_item_has_a_bar_of_its_own() -> None:
    found = decisions(RULE, beliefs((1000, 30), (1000, 30)), np.array([0.015, 0.06]), record(1000, 1000))
    assert (found.graduate.tolist(), found.retire.tolist()) == ([True, False], [False, True])


@pytest.mark.parametrize(("impressions", "age", "decided"), [(99, 24, False), (100, 23.9, False), (100, 24, True)])
@pytest.mark.parametrize("clicks", [40, 0])
def test_nothing_is_decided_before_enough_impressions_and_age(
    impressions: float, age: float, decided: bool, clicks: float
) -> None:
    known = Beta(("sku",), np.array([2.0 + 10 * clicks]), np.array([9998.0]))  # certain, one way or the other
    found = decisions(RULE, known, BAR, record(impressions, age=age))
    assert bool(found.graduate[0] or found.retire[0]) is decided


def test_who_has_used_up_the_cap_is_retired_unless_it_graduates() -> None:
    rule = Rule(item_cap=500)
    found = decisions(rule, beliefs((500, 15), (500, 40), (499, 15)), BAR, record(500, 500, 499))
    assert (found.graduate.tolist(), found.retire.tolist()) == ([False, True, False], [True, False, False])
    assert "used up" in why(rule, found, 0) and "at least 0.9" in why(rule, found, 1)


def test_a_cap_is_used_up_only_by_impressions_whose_reward_is_known() -> None:
    found = decisions(Rule(item_cap=500), beliefs((500, 15)), BAR, record(500, spent=np.array([499.0])))
    assert not found.retire[0]


def test_over_its_cap_an_item_that_was_taken_back_is_retired_by_its_belief_alone() -> None:
    rule, again = Rule(item_cap=500), taken_back(900, then=500)
    assert not decisions(rule, beliefs((900, 27)), BAR, again).retire[0]
    assert decisions(rule, beliefs((900, 5)), BAR, again).retire[0]


def test_the_same_evidence_does_not_decide_again_what_a_person_took_back() -> None:
    known = beliefs((1000, 80))
    assert decisions(RULE, known, BAR, record(1000)).graduate[0]
    assert not decisions(RULE, known, BAR, taken_back(1000, then=1000)).graduate[0]
    assert not decisions(RULE, known, BAR, taken_back(1099, then=1000)).graduate[0]
    assert decisions(RULE, known, BAR, taken_back(1100, then=1000)).graduate[0]


def test_each_reversal_moves_both_bars_away_by_the_margin() -> None:
    found = decisions(RULE, beliefs((5000, 150)), BAR, taken_back(5000, then=1000, times=2))
    assert found.bar_in[0] == pytest.approx(BAR * (1 + MARGIN) ** 2)
    assert found.bar_out[0] == pytest.approx(BAR / (1 + MARGIN) ** 2)
    assert found.chance_in[0] < beliefs((5000, 150)).above(BAR)[0] < found.chance_out[0]


def test_items_around_the_bar_that_a_person_always_takes_back_do_not_flap() -> None:
    """400 items within 5 % of the bar, 200 steps of 50 impressions, every decision reversed at once.

    Without hysteresis an item over a threshold would be decided anew at every step. With it two decisions about an
    item lie at least `least_impressions` apart, and fewer than one item in twenty is decided as often as four times.
    """
    rng = np.random.default_rng(4)
    theta = BAR * rng.uniform(0.95, 1.05, 400)
    seen, clicks = np.zeros(400), np.zeros(400)
    times, then = np.zeros(400), np.zeros(400)
    decided_at: list[list[float]] = [[] for _ in theta]
    naive = 0
    items = tuple(map(str, range(400)))
    for _ in range(200):
        seen += 50
        clicks += rng.binomial(50, theta)
        known = Beta(items, 2 + clicks, 98 + seen - clicks)
        now = Record(seen, seen, np.full(400, 48.0), times, seen - then)
        found = decisions(RULE, known, BAR, now)
        without = decisions(RULE, known, BAR, Record.fresh(seen, now.age_hours))
        naive += int((without.graduate | without.retire).sum())
        for i in np.flatnonzero(found.graduate | found.retire):
            decided_at[i].append(float(seen[i]))
            times[i], then[i] = times[i] + 1, seen[i]
    apart = [later - first for own in decided_at for first, later in pairwise(own)]
    assert sum(map(len, decided_at)) > 50  # there was something to take back
    assert min(apart) >= RULE.least_impressions
    assert np.mean([len(own) >= 4 for own in decided_at]) < 0.05
    assert sum(map(len, decided_at)) < naive / 10


def test_decisions_are_about_as_often_wrong_as_the_posterior_says() -> None:
    """Rates drawn from the prior itself, one look: of those graduated, the share under the bar is their mean 1 - P."""
    rng = np.random.default_rng(11)
    theta = rng.beta(2, 98, 40_000)
    clicks = rng.binomial(800, theta).astype(np.float64)
    known = Beta(tuple(map(str, range(40_000))), 2 + clicks, 898 - clicks)
    found = decisions(RULE, known, BAR, record(*np.full(40_000, 800.0)))
    for chosen, right in ((found.graduate, theta > BAR), (found.retire, theta <= BAR)):
        chance = found.chance_in[chosen]
        promised = chance if chosen is found.graduate else 1 - chance
        error = np.sqrt(np.sum(promised * (1 - promised))) / chosen.sum()
        assert abs(right[chosen].mean() - promised.mean()) < 4 * error
