"""What must hold of every method, whatever the figures."""

from math import isfinite

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from firstlight.kernel.moments import Moments
from firstlight.kernel.withheld import Reason, Withheld
from firstlight.stats import comparison, guardrails
from firstlight.stats.estimates import Comparison, Estimate
from firstlight.stats.guardrails import Guardrail, State
from firstlight.stats.tails import Evidence, Tail

KINDS = ["proportion", "mean", "ratio"]


def sample(kind: str, seed: int, n: int = 400, shift: float = 0.0) -> Moments:
    rng = np.random.default_rng(seed)
    if kind == "proportion":
        return Moments.of((rng.random(n) < 0.2 + shift).astype(float))
    if kind == "mean":
        return Moments.of(rng.gamma(2, 3 + shift, n))
    views = rng.poisson(6, n) + 1.0
    return Moments.of(np.column_stack([rng.binomial(views.astype(int), 0.2 + shift), views]))


def negated(moments: Moments) -> Moments:
    """Of -x; a ratio's numerator alone turns."""
    turn = np.array([-1.0, 1.0])[: len(moments.mean)]
    return Moments(moments.n, moments.mean * turn, moments.products * np.outer(turn, turn))


def given_of(found: Comparison) -> tuple[Estimate, Estimate, Tail]:
    assert isinstance(found.difference, Estimate) and isinstance(found.lift, Estimate) and isinstance(found.tail, Tail)
    return found.difference, found.lift, found.tail


@pytest.mark.parametrize("kind", ["proportion", "mean"])  # those of a ratio are in the oracles
def test_the_whole_agrees_with_scipy_on_the_raw_data(kind: str) -> None:
    rng = np.random.default_rng(5)
    raw = [rng.gamma(2, 3, 300) if kind == "mean" else (rng.random(300) < 0.3).astype(float) for _ in range(2)]
    difference, _, tail = given_of(comparison.compare(kind, Moments.of(raw[0]), Moments.of(raw[1]), 0.9))
    expected = stats.ttest_ind(raw[1], raw[0], equal_var=False)
    low, high = expected.confidence_interval(0.9)
    assert (difference.low, difference.high, tail.p) == pytest.approx((low, high, expected.pvalue), rel=1e-9)


@pytest.mark.parametrize("kind", KINDS)
def test_swapping_the_arms_only_turns_the_sign(kind: str) -> None:
    a, b = sample(kind, 1), sample(kind, 2, shift=0.05)
    one, _, p = given_of(comparison.compare(kind, a, b, 0.95))
    other, _, q = given_of(comparison.compare(kind, b, a, 0.95))
    assert (other.value, other.low, other.high) == pytest.approx((-one.value, -one.high, -one.low))
    assert p.p == pytest.approx(q.p)


@pytest.mark.parametrize("kind", ["mean", "ratio"])
def test_of_minus_x_everything_is_the_mirror_image(kind: str) -> None:
    a, b = sample(kind, 1), sample(kind, 2, shift=0.05)
    one, up, p = given_of(comparison.compare(kind, a, b, 0.95))
    other, down, q = given_of(comparison.compare(kind, negated(a), negated(b), 0.95))
    assert (other.value, other.low, other.high) == pytest.approx((-one.value, -one.high, -one.low))
    assert (down.value, down.low, down.high) == pytest.approx((-up.value, -up.high, -up.low))
    assert p.p == pytest.approx(q.p)


@pytest.mark.parametrize("kind", ["mean", "ratio"])
@pytest.mark.parametrize("margin", [0.0, 0.02, 0.1])
def test_a_guardrail_on_less_of_x_is_one_on_more_of_minus_x(kind: str, margin: float) -> None:
    a, b = sample(kind, 1, 3000), sample(kind, 2, 3000)
    less = guardrails.judge(kind, a, b, sign=-1, margin=margin, confidence=0.95)
    more = guardrails.judge(kind, negated(a), negated(b), sign=1, margin=margin, confidence=0.95)
    assert isinstance(less, Guardrail) and isinstance(more, Guardrail)
    assert less.state is more.state
    assert less.held.p == pytest.approx(more.held.p)


@pytest.mark.parametrize("kind", KINDS)
@given(seed=st.integers(0, 10_000), n=st.integers(8, 300), confidence=st.floats(0.5, 0.999))
def test_both_intervals_leave_out_zero_exactly_when_p_says_so(kind: str, seed: int, n: int, confidence: float) -> None:
    found = comparison.compare(kind, sample(kind, seed, n), sample(kind, seed + 1, n, 0.1), confidence)
    if isinstance(found.tail, Withheld) or abs(found.tail.p - (1 - confidence)) < 1e-9:
        return
    for estimate in (found.difference, found.lift):
        if isinstance(estimate, Estimate):
            assert estimate.low <= estimate.value <= estimate.high
            assert (estimate.low > 0 or estimate.high < 0) == (found.tail.p < 1 - confidence)


@given(c=st.integers(0, 60), t=st.integers(0, 60), n=st.integers(60, 400), m=st.integers(60, 400))
def test_counts_however_small_give_finite_numbers_or_a_reason(c: int, t: int, n: int, m: int) -> None:
    control, treatment = (Moments.of(np.repeat([1.0, 0.0], [k, size - k])) for k, size in ((c, n), (t, m)))
    found = comparison.compare("proportion", control, treatment, 0.95)
    assert isinstance(found.difference, Estimate) and isinstance(found.tail, Tail)
    assert found.method == ("newcombe" if min(c, t, n - c, m - t) < 10 else "welch")
    assert -1 <= found.difference.low <= found.difference.high <= 1 or found.method == "welch"
    assert 0 <= found.tail.p <= 1 and isfinite(found.tail.log10_p)
    if c == 0:
        assert found.lift == Withheld(Reason.UNBOUNDED_LIFT)


def test_mover_r_limits_of_a_ratio_of_small_counts() -> None:
    """The limits solve (t - rc)² = b² + r²a² with Wilson's distances: checked by putting them in."""
    from firstlight.stats import ratios, tails
    from firstlight.stats.newcombe import Share

    c, t = (Share(120, 6).reach(tails.quantile(0.95, np.inf)), Share(110, 17).reach(tails.quantile(0.95, np.inf)))
    found = ratios.lift(c, t)
    assert isinstance(found, Estimate)
    low, high = found.low + 1, found.high + 1
    assert t.value - low * c.value == pytest.approx(np.hypot(t.below, low * c.above))
    assert high * c.value - t.value == pytest.approx(np.hypot(t.above, high * c.below))


@pytest.mark.parametrize("kind", ["mean", "ratio"])
def test_without_spread_there_is_no_number(kind: str) -> None:
    same = Moments.of(np.full((50, 2 if kind == "ratio" else 1), 0.1))
    found = comparison.compare(kind, same, same + same, 0.95)
    assert found.difference == found.lift == found.tail == Withheld(Reason.NO_SPREAD)
    assert guardrails.judge(kind, same, same, sign=1, margin=0.1, confidence=0.95) == Withheld(Reason.NO_SPREAD)


@pytest.mark.parametrize("kind", KINDS)
def test_an_arm_without_units_is_told(kind: str) -> None:
    for n in (0, 1):
        little = sample(kind, 3, n) if n else Moments.empty(2 if kind == "ratio" else 1)
        assert comparison.compare(kind, little, sample(kind, 4), 0.95).tail == Withheld(Reason.TOO_FEW_UNITS)
        assert comparison.compare(kind, sample(kind, 4), little, 0.95).tail == Withheld(Reason.TOO_FEW_UNITS)


def test_a_ratio_without_denominator_is_told() -> None:
    none = Moments.of(np.zeros((20, 2)))
    assert comparison.compare("ratio", none, sample("ratio", 4), 0.95).difference == Withheld(Reason.NO_DENOMINATOR)


def test_a_control_that_may_be_zero_gives_no_percentage_but_a_difference() -> None:
    control, treatment = Moments.of(np.array([-3.0, 1.0, 2.5])), Moments.of(np.array([4.0, 5.0, 6.5]))
    found = comparison.compare("mean", control, treatment, 0.95)
    assert found.lift == Withheld(Reason.UNBOUNDED_LIFT)
    assert isinstance(found.difference, Estimate)


def test_p_beyond_the_smallest_float_keeps_its_logarithm() -> None:
    control = Moments(10_000, np.array([1.0]), np.array([[100.0]]))
    treatment = Moments(10_000, np.array([1.2]), np.array([[100.0]]))
    _, _, tail = given_of(comparison.compare("mean", control, treatment, 0.95))
    assert tail.p == 0
    assert -1e6 < tail.log10_p < -308


def test_the_control_s_own_error_counts_in_the_margin() -> None:
    """Against the interval of treatment - .9·control on the raw data."""
    rng = np.random.default_rng(8)
    c, t = rng.gamma(2, 3, 500), rng.gamma(2, 2.8, 500)
    found = guardrails.judge("mean", Moments.of(c), Moments.of(t), sign=1, margin=0.1, confidence=0.95)
    assert isinstance(found, Guardrail)
    expected = stats.ttest_ind(t, 0.9 * c, equal_var=False, alternative="greater").pvalue
    assert found.held.p == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize(("factor", "state"), [(1.0, State.NOT_WORSE), (0.9, State.NOT_SETTLED), (0.7, State.WORSE)])
def test_a_guardrail_is_held_broken_or_not_settled(factor: float, state: State) -> None:
    values = np.random.default_rng(9).normal(10, 4, 2_000)
    found = guardrails.judge(
        "mean", Moments.of(values), Moments.of(values * factor), sign=1, margin=0.1, confidence=0.95
    )
    assert isinstance(found, Guardrail)
    assert found.state is state


def test_small_counts_are_judged_by_the_score_interval_too() -> None:
    few, same = (Moments.of(np.repeat([1.0, 0.0], [4, 996])) for _ in range(2))
    found = guardrails.judge("proportion", few, same, sign=1, margin=0.02, confidence=0.95)
    assert isinstance(found, Guardrail)
    assert found.state is State.NOT_SETTLED
    assert isinstance(comparison.evidence("proportion", few, same, factor=0.98), Evidence)
