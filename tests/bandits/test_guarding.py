"""Guards: how often they cry without a cause over many looks, that they see harm, and what they say."""

from datetime import date

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import stats

from bandits import guarding, worth
from bandits.guarding import State
from bandits.worth import Split
from firstlight.kernel.moments import Moments
from firstlight.kernel.withheld import Reason, Withheld
from firstlight.metrics.read import Cells
from firstlight.stats import boundaries
from firstlight.stats.estimates import Estimate

Floats = NDArray[np.float64]
LOOKS = 30
DAY = date(2026, 11, 1)


def shop(
    rng: np.random.Generator, n: int, *, control: float, lift: float = 0.0, rates: tuple[float, float, float]
) -> tuple[Floats, NDArray[np.intp], NDArray[np.bool_]]:
    """What each of `n` units did on each day: (units, looks, impressions clicks orders refunds), joining day, control.

    Units join evenly, go on as long as the campaign does, and differ in how much they look and click: their values
    are not independent of one another over time, as a plain sequence would have it.
    """
    clicks, orders, refunds = rates
    joins = np.sort(rng.integers(0, LOOKS, n))
    is_control = rng.random(n) < control
    activity, taste = rng.gamma(1.0, 2.0, n), rng.beta(clicks * 20, (1 - clicks) * 20, n)
    factor = np.where(is_control, 1.0, 1.0 + lift)
    days = np.arange(LOOKS)[None, :] >= joins[:, None]
    seen = rng.poisson(np.where(days, activity[:, None], 0.0))
    clicked = rng.binomial(seen, np.clip(taste * factor, 0, 1)[:, None])
    bought = rng.binomial(seen, np.clip(orders * factor, 0, 1)[:, None])
    returned = rng.binomial(bought, refunds)
    return np.stack([seen, clicked, bought, returned], axis=2).astype(np.float64), joins, is_control


def cells_of(columns: tuple[str, ...], control: Floats, treatment: Floats) -> Cells:
    arms = {"none": control, "learned": treatment}
    return Cells(columns, {(arm, DAY): Moments.of(values) for arm, values in arms.items()})


def at_look(events: Floats, joins: NDArray[np.intp], is_control: NDArray[np.bool_], day: int) -> dict[str, Cells]:
    """The moments of the three guards, as they would be read at the end of a day."""
    here = joins <= day
    seen, clicked, bought, returned = events[here, : day + 1].sum(axis=1).T
    share, ratio = ("value",), ("value", "denominator")
    quantities = {
        "click_rate": (ratio, np.stack([clicked, seen], 1)),
        "conversion": (share, (bought > 0)[:, None].astype(float)),
        "refund_rate": (ratio, np.stack([returned, bought], 1)),
    }
    aside = is_control[here]
    return {name: cells_of(columns, q[aside], q[~aside]) for name, (columns, q) in quantities.items()}


def ever(rng: np.random.Generator, runs: int, n: int, *, margin: float, **about: object) -> tuple[float, float]:
    """Share of campaigns that some guard breaks, or finds worse, in any of 30 daily looks."""
    broken = worse = 0
    for _ in range(runs):
        events, joins, control = shop(rng, n, **about)  # type: ignore[arg-type]
        split = Split({"none": int(control.sum()), "learned": int((~control).sum())}, {"none": 0.5, "learned": 0.5})
        split = Split(split.units, {a: u / n for a, u in split.units.items()})  # the split is not under test
        states = {
            one["state"]
            for day in range(LOOKS)
            for one in guarding.guards(list(guarding.DEFINITIONS), at_look(events, joins, control, day), split, margin)
        }
        broken += State.BROKEN in states
        worse += bool(states & {State.BROKEN, State.WORSE})
    return broken / runs, worse / runs


@pytest.mark.parametrize("control", [0.5, 0.1])
@pytest.mark.parametrize("rates", [(0.05, 0.02, 0.1), (0.3, 0.1, 0.3)])
def test_thirty_looks_without_harm_raise_an_alarm_in_no_more_than_alpha(
    control: float, rates: tuple[float, float, float]
) -> None:
    """With no margin at all, where a false alarm is likeliest: a margin only makes it rarer."""
    runs = 120
    found, _ = ever(np.random.default_rng(7), runs, 2_000, control=control, rates=rates, margin=0.0)
    assert found <= guarding.ALPHA + 4 * np.sqrt(guarding.ALPHA * (1 - guarding.ALPHA) / runs)


def test_a_loss_of_just_the_margin_is_not_broken_more_often_than_alpha_and_a_great_one_is_always() -> None:
    rng = np.random.default_rng(8)
    about = {"control": 0.5, "rates": (0.2, 0.1, 0.1)}
    at_margin, _ = ever(rng, 60, 2_000, lift=-0.1, margin=0.1, **about)
    great, _ = ever(rng, 10, 4_000, lift=-0.5, margin=0.1, **about)
    assert at_margin <= guarding.ALPHA + 4 * np.sqrt(guarding.ALPHA * (1 - guarding.ALPHA) / 60)
    assert great == 1


def pair(rng: np.random.Generator, rate: float, n: int = 20_000) -> Moments:
    seen = rng.poisson(3.0, n)
    return Moments.of(np.stack([rng.binomial(seen, rate), seen], 1).astype(float))


def test_the_lift_ends_where_the_test_says_broken() -> None:
    """Fieller: the reach beyond the margin is exactly the test at the margin, by the raw sums."""
    rng = np.random.default_rng(3)
    for rate in np.linspace(0.075, 0.1, 26):
        arms = pair(rng, 0.1), pair(rng, rate)
        found = guarding.guarded("click_rate", arms, 0.1, 0.02)
        assert not isinstance(found, Withheld) and isinstance(found.lift, Estimate)
        assert (found.state == State.BROKEN) == (found.lift.high < -0.1)
        assert (found.state in (State.BROKEN, State.WORSE)) == (found.lift.high < 0)


def test_the_reach_is_that_of_the_sequence_on_the_sums_of_the_units() -> None:
    rng = np.random.default_rng(4)
    rows = [np.stack([rng.binomial(3, rate, 9_000), np.full(9_000, 3)], 1).astype(float) for rate in (0.1, 0.098)]
    found = guarding.guarded("click_rate", (Moments.of(rows[0]), Moments.of(rows[1])), 0.05, 0.02)
    assert not isinstance(found, Withheld) and isinstance(found.lift, Estimate)
    c, t = (r[:, 0].sum() / r[:, 1].sum() for r in rows)
    vc, vt = (np.var(r[:, 0] - x * r[:, 1], ddof=1) / 9_000 / 9 for r, x in zip(rows, (c, t), strict=True))
    reach = boundaries.one_sided(18_000, worth.TIGHTEST_AT, 0.02)
    for end in (found.lift.low, found.lift.high):  # each end is the lift at which the test just turns
        assert abs(t - (1 + end) * c) / np.sqrt(vt + (1 + end) ** 2 * vc) == pytest.approx(reach, rel=1e-9)
    assert reach > stats.norm.isf(0.02)


def state(guard: str, control: Moments, treatment: Moments) -> State:
    found = guarding.guarded(guard, (control, treatment), 0.05, 0.02)
    assert not isinstance(found, Withheld)
    return found.state


def test_fewer_refunds_are_better_and_more_are_worse() -> None:
    rng = np.random.default_rng(5)
    few, many = pair(rng, 0.1), pair(rng, 0.3)
    assert state("refund_rate", few, many) == State.BROKEN
    assert state("refund_rate", many, few) == State.NOT_WORSE
    assert state("click_rate", few, many) == State.NOT_WORSE


def test_a_loss_within_the_margin_is_shown_and_breaks_nothing() -> None:
    arms = [Moments.of(np.tile([[x, 10.0]], (50_000, 1)) + [[1.0, 0.0], [-1.0, 0.0]] * 25_000) for x in (2.0, 1.95)]
    found = guarding.guarded("click_rate", (arms[0], arms[1]), 0.1, 0.02)
    assert not isinstance(found, Withheld) and found.state == State.WORSE
    assert "surely worse than without the campaign, but not surely by more than 10 %" in found.sentence


def test_too_little_to_carry_it_is_withheld_and_never_a_zero() -> None:
    nobody = Moments.of(np.zeros((500, 1)))
    assert guarding.guarded("conversion", (nobody, nobody), 0.05, 0.02) == Withheld(Reason.TOO_FEW_CARRY)
    one = Moments.of(np.zeros((1, 1)))
    assert guarding.guarded("conversion", (one, nobody), 0.05, 0.02) == Withheld(Reason.TOO_FEW_UNITS)
    unseen = Moments.of(np.zeros((500, 2)))
    assert guarding.guarded("click_rate", (unseen, unseen), 0.05, 0.02) == Withheld(Reason.NO_DENOMINATOR)


def test_a_lucky_control_of_few_units_pauses_nothing() -> None:
    """None of thirty orders of the control came back; three of a hundred of the others did: that is chance."""
    control = Moments.of(np.stack([np.zeros(100), np.repeat([1.0, 0.0], [40, 60])], 1))
    others = Moments.of(np.stack([np.repeat([1.0, 0.0], [23, 1_877]), np.repeat([1.0, 0.0], [760, 1_140])], 1))
    assert guarding.guarded("refund_rate", (control, others), 0.05, 0.02) == Withheld(Reason.TOO_FEW_CARRY)


def test_under_a_wrong_split_and_without_a_control_nothing_is_read() -> None:
    rng = np.random.default_rng(6)
    values = rng.binomial(3, 0.5, (5_000, 2)).astype(float)
    cells = {"click_rate": cells_of(("value", "denominator"), values[:1_000], values[1_000:])}
    wrong = Split({"none": 1_000, "learned": 4_000}, {"none": 0.5, "learned": 0.5})
    (told,) = guarding.guards(["click_rate"], cells, wrong, 0.05)
    assert told["state"] == "withheld" and told["lift"] == {"withheld": Reason.UNEVEN_SPLIT.value}
    assert guarding.guards(["click_rate"], {}, Split({}, {"learned": 1.0}), 0.05) == []
