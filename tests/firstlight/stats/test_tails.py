"""Tails against SciPy's, where it has digits, and against themselves where the two routes meet."""

from math import inf, log, log10

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import special, stats

from firstlight.stats import tails
from firstlight.stats.tails import Evidence


@given(t=st.floats(-12, 12), df=st.floats(1, 1e5))
def test_either_above_and_below_are_those_of_student(t: float, df: float) -> None:
    found = Evidence(t, df)
    assert found.above().p == pytest.approx(stats.t.sf(t, df), rel=1e-8)
    assert found.below().p == pytest.approx(stats.t.cdf(t, df), rel=1e-8)
    assert found.either().p == pytest.approx(2 * stats.t.sf(abs(t), df), rel=1e-8)


@pytest.mark.parametrize("df", [3, 12.5, 100, 1e4, 1e6])
@pytest.mark.parametrize("t", [3, 6, 12, 25])
def test_the_continued_fraction_meets_scipy(t: float, df: float) -> None:
    assert tails._ln_far(t, df) == pytest.approx(float(stats.t.logsf(t, df)) + log(2), rel=1e-9)


def test_the_normal_law_is_the_limit() -> None:
    far = Evidence(45, inf).above()
    assert far.p == 0
    assert far.log10_p == pytest.approx(special.log_ndtr(-45) / log(10))
    assert Evidence(45, 1e9).above().log10_p == pytest.approx(far.log10_p, rel=1e-5)
    assert tails.quantile(0.95, inf) == pytest.approx(1.959963984540054)


@given(t=st.floats(0, 300), df=st.floats(1, 1e7))
def test_the_logarithm_is_finite_however_far_and_falls_with_t(t: float, df: float) -> None:
    near, far = Evidence(t, df).either(), Evidence(t + 1, df).either()
    assert -1e7 < far.log10_p <= near.log10_p <= 0
    if near.p > 1e-300:
        assert near.log10_p == pytest.approx(log10(near.p), abs=1e-9)
