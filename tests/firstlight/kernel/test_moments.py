"""Moments against NumPy's on the raw data."""

import numpy as np
import pytest

from firstlight.kernel.moments import Moments


@pytest.mark.parametrize("k", [1, 2, 3])
def test_those_of_raw_data_are_numpys(k: int) -> None:
    values = np.random.default_rng(1).normal(3, 2, (500, k))
    moments = Moments.of(values)
    assert moments.n == 500
    np.testing.assert_allclose(moments.mean, values.mean(axis=0), rtol=1e-13)
    np.testing.assert_allclose(moments.covariance, np.cov(values.T).reshape(k, k), rtol=1e-12)


def test_parts_add_up_to_the_whole_in_any_order() -> None:
    values = np.random.default_rng(2).lognormal(1, 1, (300, 2))
    whole, parts = Moments.of(values), [Moments.of(part) for part in np.split(values, [0, 1, 40, 300])]
    for order in (parts, parts[::-1]):
        total = sum(order, Moments.empty(2))
        assert total.n == whole.n
        np.testing.assert_allclose(total.mean, whole.mean, rtol=1e-13)
        np.testing.assert_allclose(total.products, whole.products, rtol=1e-11)


def test_nothing_added_changes_nothing() -> None:
    moments = Moments.of(np.array([1.0, 2.0, 4.0]))
    for total in (moments + Moments.empty(1), Moments.empty(1) + moments):
        assert (total.n, total.mean.tolist(), total.products.tolist()) == (3, [7 / 3], moments.products.tolist())
    assert (Moments.empty(1) + Moments.empty(1)).n == 0


def test_variance_survives_a_mean_a_hundred_million_times_the_spread() -> None:
    """Where sums of raw squares are four times off."""
    noise = np.random.default_rng(3).normal(0, 1, 10_000)
    shifted = [Moments.of(part + 1e8) for part in np.array_split(noise, 7)]
    total = sum(shifted, Moments.empty(1))
    assert total.covariance[0, 0] == pytest.approx(noise.var(ddof=1), rel=1e-6)


def test_taking_some_keeps_their_order() -> None:
    values = np.random.default_rng(4).normal(size=(50, 3))
    taken, alone = Moments.of(values).take(2, 0), Moments.of(values[:, [2, 0]])
    np.testing.assert_allclose(taken.mean, alone.mean)
    np.testing.assert_allclose(taken.products, alone.products)


def test_one_unit_has_no_variance() -> None:
    assert np.isnan(Moments.of(np.array([1.0])).covariance).all()
