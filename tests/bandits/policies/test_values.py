"""Values of orders: moments add up in any order, and the prior is what items have in common."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose
from scipy import integrate, stats

from bandits.policies import values
from bandits.policies.values import LogNormal, LogValues

LOGS = st.lists(st.floats(-5, 15), max_size=8)


def moments(*items: list[float]) -> LogValues:
    n = np.array([float(len(logs)) for logs in items])
    mean = np.array([np.mean(logs) if logs else 0.0 for logs in items])
    return LogValues(n, mean, np.array([np.var(logs) * len(logs) if logs else 0.0 for logs in items]))


def close(one: LogValues, other: LogValues) -> None:
    for name in ("n", "mean", "m2"):
        assert_allclose(getattr(one, name), getattr(other, name), rtol=1e-9, atol=1e-9)


@given(LOGS, LOGS, LOGS)
def test_moments_merge_in_any_order_to_those_of_all_values(x: list[float], y: list[float], z: list[float]) -> None:
    close(moments(x) + moments(y), moments(y) + moments(x))
    close((moments(x) + moments(y)) + moments(z), moments(x) + (moments(y) + moments(z)))
    close(moments(x) + moments(y) + moments(z), moments([*x, *y, *z]))


@given(LOGS, LOGS, LOGS)
def test_groups_have_the_moments_of_all_their_values(x: list[float], y: list[float], z: list[float]) -> None:
    close(moments(x, y, z).grouped(np.array([1, 0, 1]), 3), moments(y, [*x, *z], []))


def test_a_value_that_weighs_two_counts_as_two() -> None:
    x = [1.0, 2.0, 4.0]
    close(moments(x).weighed(2), moments(x + x))


def test_the_mean_value_under_the_cap_is_the_integral_over_the_spread() -> None:
    law, cap = LogNormal(*(np.array([one]) for one in (3.0, 2.0, 3.0, 1.0))), np.array([100.0])

    s2 = np.exp(np.linspace(-8, 14, 1501))[:, None]
    z = np.linspace(-9, 9, 1801)
    worth = np.minimum(np.exp(np.minimum(3 + s2 / 2 + np.sqrt(s2 / 2) * z, 700)), 100)
    given_s2 = integrate.simpson(worth * stats.norm.pdf(z), x=z)
    by_hand = integrate.simpson(given_s2 * stats.invgamma.pdf(s2[:, 0], 3) * s2[:, 0], x=np.log(s2[:, 0]))
    assert_allclose(law.mean(cap), by_hand, rtol=1e-5)


def test_a_spread_beyond_all_bounds_ends_at_the_cap() -> None:
    """Of few orders the spread may be anything: exp(mu + s2/2) overflows, what is below the cap does not."""
    wild = LogNormal(*(np.array([one]) for one in (3.0, 1.0, 0.3, 50.0)))
    mean = wild.mean(np.array([100.0]))
    assert 50 < mean[0] <= 100
    assert wild.draw(np.array([100.0]), np.random.default_rng(1))[0] <= 100


def test_before_any_order_a_value_is_spread_evenly_up_to_the_cap() -> None:
    even = np.log(np.random.default_rng(3).uniform(0, 80, 200_000))
    nothing = LogValues(*(np.zeros(2) for _ in range(3)))
    found = values.prior(nothing, ["a", "b"], 80.0)
    assert_allclose(found.m, even.mean(), atol=4 * even.std() / len(even) ** 0.5)
    assert_allclose(found.beta / (found.alpha - 1), even.var(), rtol=0.05)  # E[s2]
    assert found.k.tolist() == [1, 1]


def test_categories_have_prices_of_their_own_and_shrink_to_what_all_have_in_common() -> None:
    rng = np.random.default_rng(8)
    many = moments(
        *(rng.normal(2, 0.5, 40).tolist() for _ in range(20)), *(rng.normal(4, 0.5, 40).tolist() for _ in range(20))
    )
    found = values.prior(many, ["cheap"] * 20 + ["dear"] * 20, 1000.0)
    assert_allclose(found.m[[0, 20]], [2, 4], atol=0.05)
    assert_allclose(found.beta / (found.alpha - 1), 0.25, rtol=0.15)
    few = moments([2.0], *([rng.normal(4, 0.5)] for _ in range(30)))
    lonely = values.prior(few, ["cheap", *["dear"] * 30], 1000.0)
    assert 2 < lonely.m[0] < 4


def test_the_mean_weighs_as_many_orders_as_items_differ() -> None:
    """Spread 0.5 within items, 0.25 between them: four orders; with no spread between them as many as may be."""
    rng = np.random.default_rng(9)
    differ = moments(*(rng.normal(rng.normal(3, 0.25), 0.5, 200).tolist() for _ in range(300)))
    alike = moments(*(rng.normal(3, 0.5, 200).tolist() for _ in range(300)))
    assert_allclose(values.prior(differ, ["a"] * 300, 1000.0).k, 4, rtol=0.35)
    assert values.prior(alike, ["a"] * 300, 1000.0).k[0] > 40
