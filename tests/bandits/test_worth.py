"""The split of a campaign's units, watched after every unit: how often it cries, and what it sees."""

import numpy as np
import pytest
from scipy import stats

from bandits import worth
from bandits.worth import Split

SHARES = {"none": 0.1, "learned": 0.8, "uniform": 0.1}


def p(units: tuple[int, ...]) -> float:
    return Split(dict(zip(SHARES, units, strict=True)), SHARES).p


def test_a_split_watched_over_many_looks_cries_in_no_more_than_its_level() -> None:
    rng, runs, level = np.random.default_rng(1), 400, 0.05
    weights = list(SHARES.values())
    cried = 0
    for _ in range(runs):
        path = rng.multinomial(200, weights, size=50).cumsum(axis=0)
        cried += min(p(tuple(look)) for look in path.tolist()) < level
    assert cried / runs <= level + 4 * np.sqrt(level * (1 - level) / runs)


@pytest.mark.parametrize("units", [(300, 900, 400), (11_000, 80_000, 10_000), (90, 400, 10)])
def test_what_a_plain_test_is_sure_of_at_one_look_is_seen(units: tuple[int, ...]) -> None:
    expected = np.array(list(SHARES.values())) * sum(units)
    assert stats.chisquare(units, expected).pvalue < 1e-10
    assert p(units) < worth.ALARM


def test_the_order_of_the_arms_is_nothing() -> None:
    turned = Split({"a": 30, "b": 90}, {"b": 0.6, "a": 0.4})
    assert turned.p == pytest.approx(Split({"b": 90, "a": 30}, {"a": 0.4, "b": 0.6}).p)


def test_shares_are_those_that_are_over_nothing() -> None:
    assert worth.shares(0.0, 0.0) == {"learned": 1.0}
    assert list(worth.shares(0.1, 0.2)) == ["none", "learned", "uniform"]
    assert sum(worth.shares(0.1, 0.2).values()) == pytest.approx(1)
    assert Split({"learned": 5}, {"learned": 1.0}).told()["passed"] is None
