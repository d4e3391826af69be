"""Many comparisons at once against one at a time, against regression on the units themselves, and against symmetry."""

from typing import Any

import numpy as np
import pytest
from scipy import integrate, stats

from firstlight.kernel.moments import Moments
from firstlight.kernel.withheld import Reason, Withheld
from firstlight.stats import comparison
from firstlight.stats.estimates import Estimate
from firstlight.stats.finish import (
    AlwaysValid,
    Design,
    Finished,
    GroupSequential,
    Normal,
    Stack,
    at,
    finish,
)

N = 40


def units(seed: int, n: int = 120, k: int = 4) -> list[np.ndarray[Any, Any]]:
    """`N` samples: value, denominator, and two covariates that go with the value."""
    rng = np.random.default_rng(seed)
    made = []
    for _ in range(N):
        past = rng.gamma(2, 1, (n, 2))
        value = past @ [0.8, 0.3] + rng.gamma(2, 1, n)
        made.append(np.column_stack([value, rng.gamma(3, 1, n) + 0.2 * value, past])[:, :k])
    return made


def stacked(samples: list[np.ndarray[Any, Any]], *columns: int) -> Stack:
    return Stack.of([Moments.of(one[:, list(columns)]) for one in samples])


def compared(kind: Any, columns: tuple[int, ...], covariates: int = 0, **design: Any) -> Finished:
    return finish(
        kind, stacked(units(1), *columns), stacked(units(2, 90), *columns), Design(covariates=covariates, **design)
    )


@pytest.mark.parametrize(("kind", "columns"), [("mean", (0,)), ("ratio", (0, 1))])
def test_a_row_is_what_one_comparison_gives(kind: str, columns: tuple[int, ...]) -> None:
    found = compared(kind, columns)
    for i, (c, t) in enumerate(zip(units(1), units(2, 90), strict=True)):
        one = comparison.compare(kind, Moments.of(c[:, list(columns)]), Moments.of(t[:, list(columns)]), 0.95)
        row = at(found.raw, i)
        for ours, alone in ((row.difference, one.difference), (row.lift, one.lift)):
            assert isinstance(ours, Estimate) and isinstance(alone, Estimate)
            assert (ours.value, ours.low, ours.high) == pytest.approx((alone.value, alone.low, alone.high), abs=1e-12)
        assert not isinstance(row.tail, Withheld) and not isinstance(one.tail, Withheld)
        assert row.tail.log10_p == pytest.approx(one.tail.log10_p)


def test_slopes_are_those_of_a_regression_with_a_constant_per_arm() -> None:
    """Least squares on units: value on arm, constant and covariates."""
    found = compared("mean", (0, 2, 3), covariates=2)
    assert found.theta is not None and found.adjusted is not None and found.variance_reduction is not None
    for i, (c, t) in enumerate(zip(units(1), units(2, 90), strict=True)):
        arm = np.r_[np.zeros(len(c)), np.ones(len(t))]
        both = np.vstack([c, t])
        design = np.column_stack([np.ones(len(both)), arm, both[:, 2:]])
        slopes = np.linalg.lstsq(design, both[:, 0], rcond=None)[0]
        assert found.theta[i] == pytest.approx(slopes[2:])
        assert found.adjusted.difference[i] == pytest.approx(slopes[1])
        moved = [one[:, 0] - one[:, 2:] @ slopes[2:] for one in (c, t)]
        error = sum(one.var(ddof=1) / len(one) for one in moved) ** 0.5
        assert found.adjusted.se[i] == pytest.approx(error)
        assert found.variance_reduction[i] == pytest.approx(1 - (error / found.raw.se[i]) ** 2)
    assert (found.variance_reduction > 0.2).all()


def test_a_ratio_is_adjusted_as_its_linearised_units_are() -> None:
    found = compared("ratio", (0, 1, 2, 3), covariates=2)
    assert found.adjusted is not None and found.theta is not None
    for i, (c, t) in enumerate(zip(units(1), units(2, 90), strict=True)):
        means = [one[:, 0].mean() / one[:, 1].mean() for one in (c, t)]
        lines = [(one[:, 0] - r * one[:, 1]) / one[:, 1].mean() for one, r in zip((c, t), means, strict=True)]
        moved = [line - one[:, 2:] @ found.theta[i] for line, one in zip(lines, (c, t), strict=True)]
        error = sum(one.var(ddof=1) / len(one) for one in moved) ** 0.5
        gap = means[1] - means[0] - (t[:, 2:].mean(axis=0) - c[:, 2:].mean(axis=0)) @ found.theta[i]
        assert found.adjusted.se[i] == pytest.approx(error)
        assert found.adjusted.difference[i] == pytest.approx(gap)


def test_a_covariate_without_spread_or_said_twice_changes_nothing() -> None:
    plain = compared("mean", (0, 2), covariates=1)
    samples = [[np.column_stack([s[:, [0, 2]], s[:, 2], np.ones(len(s))]) for s in units(*a)] for a in ((1,), (2, 90))]
    more = finish("mean", stacked(samples[0], 0, 1, 2, 3), stacked(samples[1], 0, 1, 2, 3), Design(covariates=3))
    assert plain.adjusted is not None and more.adjusted is not None
    assert more.adjusted.difference == pytest.approx(plain.adjusted.difference)
    assert more.adjusted.se == pytest.approx(plain.adjusted.se)


@pytest.mark.parametrize("covariates", [0, 2])
def test_swapping_the_arms_only_turns_the_sign(covariates: int) -> None:
    design = Design(covariates=covariates, sequence=GroupSequential(2.5))
    c, t = stacked(units(1), 0, 2, 3), stacked(units(2), 0, 2, 3)
    there, back = finish("mean", c, t, design).best, finish("mean", t, c, design).best
    assert there.difference == pytest.approx(-back.difference)
    assert there.fixed.low == pytest.approx(-back.fixed.high)
    assert there.ln_p == pytest.approx(back.ln_p)


@pytest.mark.parametrize("covariates", [0, 2])
def test_less_of_x_is_more_of_minus_x(covariates: int) -> None:
    """Turning every number turns differences and lifts: direction is no business of the estimate."""
    turn = np.array([-1.0, -1.0, -1.0])
    samples = [[one[:, [0, 2, 3]] * turn for one in units(*a)] for a in ((1,), (2,))]
    design = Design(covariates=covariates)
    plain = finish("mean", stacked(units(1), 0, 2, 3), stacked(units(2), 0, 2, 3), design)
    turned = finish("mean", stacked(samples[0], 0, 1, 2), stacked(samples[1], 0, 1, 2), design)
    assert turned.best.lift == pytest.approx(-plain.best.lift)
    assert turned.best.lift_fixed.low == pytest.approx(-plain.best.lift_fixed.high)
    assert turned.belief.chance_to_win == pytest.approx(1 - plain.belief.chance_to_win)


def test_a_scale_leaves_lifts_and_a_constant_leaves_differences() -> None:
    plain = compared("mean", (0, 2, 3), covariates=2)
    for scale, shift in ((1_000.0, 0.0), (1.0, 50.0)):
        samples = [[one[:, [0, 2, 3]] * scale + [shift, 0, 0] for one in units(*a)] for a in ((1,), (2, 90))]
        moved = finish("mean", stacked(samples[0], 0, 1, 2), stacked(samples[1], 0, 1, 2), Design(covariates=2))
        assert moved.best.difference == pytest.approx(plain.best.difference * scale)
        assert moved.best.ln_p == pytest.approx(plain.best.ln_p, rel=1e-6)
        if scale != 1:
            assert moved.best.lift_fixed.high == pytest.approx(plain.best.lift_fixed.high)


def test_splitting_the_units_over_days_or_shards_changes_nothing() -> None:
    def split(samples: list[np.ndarray[Any, Any]]) -> Stack:
        cut = [[Moments.of(one[i::7][:, [0, 2, 3]]) for i in range(7)] for one in samples]
        return Stack.of([sum(shards[1:], shards[0]) for shards in cut])

    whole = finish("mean", stacked(units(1), 0, 2, 3), stacked(units(2), 0, 2, 3), Design(covariates=2))
    shards = finish("mean", split(units(1)), split(units(2)), Design(covariates=2))
    assert shards.best.difference == pytest.approx(whole.best.difference, rel=1e-9)
    assert shards.best.se == pytest.approx(whole.best.se, rel=1e-9)


@pytest.mark.parametrize("sequence", [None, GroupSequential(2.8), AlwaysValid(400)])
def test_a_lift_leaves_out_0_exactly_when_the_difference_does(sequence: Any) -> None:
    rng = np.random.default_rng(5)
    samples = [[rng.normal(3 + shift, 2, (60, 3)) for shift in np.linspace(0, s, 400)] for s in (0.0, 2.0)]
    found = finish(
        "mean", stacked(samples[0], 0, 1), stacked(samples[1], 0, 1), Design(covariates=1, sequence=sequence)
    )
    best = found.best
    gap, lift = (best.sequence, best.lift_sequence) if sequence else (best.fixed, best.lift_fixed)
    assert gap is not None and lift is not None
    apart = (gap.low > 0) | (gap.high < 0)
    assert (apart == ((lift.low > 0) | (lift.high < 0))).all()
    assert 0 < apart.sum() < len(apart)
    if isinstance(sequence, AlwaysValid):
        assert best.sequence_p is not None
        assert (apart == (best.sequence_p < 0.05)).all()
    if sequence is None:
        assert (apart == (best.p < 0.05)).all()


def test_what_cannot_be_said_is_withheld_with_its_reason() -> None:
    one, two = np.ones((1, 1)), np.array([[0.0], [0.0]])
    some, apart = np.array([[1.0], [3.0]]), np.array([[-9.0], [9.5]])
    control = Stack.of([Moments.of(x) for x in (one, two, apart)])
    treatment = Stack.of([Moments.of(x) for x in (some, two, some)])
    rows = [at(finish("mean", control, treatment, Design()).raw, i) for i in range(3)]
    assert rows[0].difference == Withheld(Reason.TOO_FEW_UNITS)
    assert rows[1].difference == Withheld(Reason.NO_SPREAD)
    assert isinstance(rows[2].difference, Estimate) and rows[2].lift == Withheld(Reason.UNBOUNDED_LIFT)
    empty = Stack.of([Moments.of(np.array([[1.0, 0.0], [2.0, 0.0]]))])
    full = Stack.of([Moments.of(np.array([[1.0, 1.0], [2.0, 3.0]]))])
    assert at(finish("ratio", empty, full, Design()).raw, 0).difference == Withheld(Reason.NO_DENOMINATOR)


def test_few_successes_get_score_intervals() -> None:
    few, many = Moments.of(np.r_[np.ones(3), np.zeros(497)]), Moments.of(np.r_[np.ones(50), np.zeros(450)])
    found = finish("proportion", Stack.of([few, many]), Stack.of([many, many]), Design())
    assert list(found.small) == [0]
    assert found.small[0] == comparison.compare("proportion", few, many, 0.95)


@pytest.mark.parametrize("prior", [None, Normal(0.01, 0.05)])
def test_beliefs_are_the_normal_integrals(prior: Normal | None) -> None:
    found = compared("mean", (0,), prior=prior)
    for i in range(5):
        lift, se = found.raw.lift[i], found.raw.lift_se[i]
        spread = 1 / se**2 + (1 / prior.sd**2 if prior else 0)
        middle = (lift / se**2 + (prior.mean / prior.sd**2 if prior else 0)) / spread
        law = stats.norm(middle, spread**-0.5)
        assert found.belief.chance_to_win[i] == pytest.approx(law.sf(0))
        lost = integrate.quad(lambda x, law=law: -x * law.pdf(x), -np.inf, 0)[0]
        kept = integrate.quad(lambda x, law=law: x * law.pdf(x), 0, np.inf)[0]
        assert found.belief.loss_of_shipping[i] == pytest.approx(lost, abs=1e-9)
        assert found.belief.loss_of_keeping[i] == pytest.approx(kept, abs=1e-9)
        assert (found.belief.low[i], found.belief.high[i]) == pytest.approx(law.interval(0.95))


def test_far_tails_keep_their_logarithm() -> None:
    rng = np.random.default_rng(3)
    control, treatment = rng.normal(0, 1, (20_000, 1)), rng.normal(1, 1, (20_000, 1))
    found = finish("mean", Stack.of([Moments.of(control)]), Stack.of([Moments.of(treatment)]), Design())
    one = comparison.compare("mean", Moments.of(control), Moments.of(treatment), 0.95).tail
    assert not isinstance(one, Withheld)
    assert found.raw.log10_p[0] == pytest.approx(one.log10_p)
    assert found.raw.log10_p[0] < -1_000
