"""Old data fades by halves, whenever and however often it is looked at."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

from bandits.policies.beliefs import Beta
from bandits.policies.discount import weight

DAYS, HALF_LIFE = st.floats(0, 400), st.floats(0.1, 400)


@given(DAYS, DAYS, HALF_LIFE)
def test_two_spans_weigh_what_the_whole_does_so_that_a_sum_may_be_aged_when_it_is_read(
    first: float, second: float, half_life: float
) -> None:
    apart = weight(first, half_life) * weight(second, half_life)
    assert_allclose(apart, weight(first + second, half_life), rtol=1e-9, atol=1e-300)


@given(st.lists(DAYS), HALF_LIFE)
def test_weights_are_of_0_to_1_and_halve_with_every_half_life(ages: list[float], half_life: float) -> None:
    now, later = weight(ages, half_life), weight(np.asarray(ages) + half_life, half_life)
    assert np.all((now >= 0) & (now <= 1))
    assert_allclose(later, now / 2, rtol=1e-9, atol=1e-300)


@given(st.lists(DAYS))
def test_without_a_half_life_all_counts_whole(ages: list[float]) -> None:
    assert_array_equal(weight(ages, None), np.ones(len(ages)))


def test_what_is_yet_to_come_counts_whole() -> None:
    assert weight(-1.0, 7.0) == 1


@given(st.lists(st.tuples(st.integers(0, 50), st.integers(0, 500)), min_size=1, max_size=30), HALF_LIFE)
def test_days_weighed_by_age_are_the_sums_that_fade_day_by_day(days: list[tuple[int, int]], half_life: float) -> None:
    """S <- g S + r, F <- g F + (e - r), posterior Beta(a0 + S, b0 + F); the prior does not fade."""
    g = 0.5 ** (1 / half_life)
    s = f = 0.0
    for clicks, others in days:
        s, f = g * s + clicks, g * f + others
    clicks, others = np.array(days, float).T
    ages = np.arange(len(days))[::-1]
    won, lost = (float((weight(ages, half_life) * of).sum()) for of in (clicks, others))
    found = Beta(("x",), np.array([2.0]), np.array([98.0])).after(np.array([won + lost]), np.array([won]))
    assert_allclose([found.a[0], found.b[0]], [2 + s, 98 + f], rtol=1e-9)
