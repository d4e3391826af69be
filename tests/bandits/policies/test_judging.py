"""Past decisions are judged by what came after them, and only as far as that tells."""

import numpy as np
import pytest
from scipy.stats import binomtest

from bandits.policies.judging import FEWEST, Later, Middle, Verdict, judge, middle, share_of, survival
from firstlight.kernel.withheld import Reason, Withheld
from firstlight.stats.estimates import Estimate

BAR = 0.03


def later(n: float, clicks: float, *, graduated: bool = True, each: float = 1.0, bar: float = BAR) -> Later:
    return Later("sku", graduated, bar, n, n, clicks, clicks * each)


GOOD, BAD, UNCLEAR = (10_000.0, 400.0), (10_000.0, 200.0), (100.0, 3.0)


def test_the_later_rate_has_wilsons_interval() -> None:
    found = later(1000, 40).rate
    expected = binomtest(40, 1000).proportion_ci(method="wilson")
    assert isinstance(found, Estimate)
    assert (found.value, found.low, found.high) == pytest.approx((0.04, expected.low, expected.high), rel=1e-9)


def test_money_scales_the_rate_and_its_interval() -> None:
    clicks, money = later(1000, 40).rate, later(1000, 40, each=25).rate
    assert isinstance(clicks, Estimate) and isinstance(money, Estimate)
    assert money.low == pytest.approx(25 * clicks.low)
    assert money.value == pytest.approx(25 * clicks.value)


@pytest.mark.parametrize(
    ("seen", "of_graduated", "of_retired"),
    [
        (GOOD, Verdict.CONFIRMED, Verdict.REFUTED),
        (BAD, Verdict.REFUTED, Verdict.CONFIRMED),
        (UNCLEAR, Verdict.OPEN, Verdict.OPEN),
        ((0.0, 0.0), Verdict.OPEN, Verdict.OPEN),
    ],
)
def test_a_decision_is_settled_once_the_interval_leaves_the_bar(
    seen: tuple[float, float], of_graduated: Verdict, of_retired: Verdict
) -> None:
    assert later(*seen).verdict is of_graduated
    assert later(*seen, graduated=False).verdict is of_retired


def test_precision_and_recall_are_of_the_settled() -> None:
    rows = [later(*GOOD)] * 8 + [later(*BAD)] * 2 + [later(*UNCLEAR)] * 5
    rows += [later(*GOOD, graduated=False)] * 4 + [later(*BAD, graduated=False)] * 30
    found = judge(rows)
    assert found.graduated == {Verdict.CONFIRMED: 8, Verdict.REFUTED: 2, Verdict.OPEN: 5}
    assert found.retired == {Verdict.CONFIRMED: 30, Verdict.REFUTED: 4, Verdict.OPEN: 0}
    assert isinstance(found.precision, Estimate) and isinstance(found.recall, Estimate)
    assert (found.precision.value, found.recall.value) == pytest.approx((8 / 10, 8 / 12))
    exact = binomtest(8, 10).proportion_ci(method="exact")
    assert (found.precision.low, found.precision.high) == pytest.approx((exact.low, exact.high), rel=1e-9)


def test_too_few_settled_decisions_make_no_share() -> None:
    found = judge([later(*GOOD)] * (FEWEST - 1) + [later(*UNCLEAR)] * 50)
    assert found.precision == found.recall == Withheld(Reason.TOO_FEW_JUDGED)
    assert isinstance(share_of(FEWEST, FEWEST), Estimate)


def test_a_verdict_errs_no_more_often_than_its_interval_says() -> None:
    """Rates around the bar, 2,000 items of each of three sizes: a verdict is wrong in at most 2.5 % of cases."""
    rng = np.random.default_rng(7)
    for n in (300, 1000, 5000):
        theta = rng.uniform(0.02, 0.04, 2000)
        clicks = rng.binomial(n, theta)
        wrong = [
            (found := later(n, float(x)).is_above) is not None and found is not bool(t > BAR)
            for t, x in zip(theta, clicks, strict=True)
        ]
        assert np.mean(wrong) < 0.025 + 4 * np.sqrt(0.025 * 0.975 / 2000)


def test_who_falls_under_the_bar_or_is_taken_back_does_not_survive() -> None:
    rows = [(later(*GOOD), False)] * 6 + [(later(*UNCLEAR), False)] * 2
    rows += [(later(*BAD), False), (later(*GOOD), True)]
    found = survival(7, rows)
    assert isinstance(found.share, Estimate)
    assert (found.days, found.n, found.share.value) == (7, 10, 0.8)
    assert survival(30, rows[:3]).share == Withheld(Reason.TOO_FEW_JUDGED)


def test_the_middle_of_nothing_is_withheld() -> None:
    assert middle(np.array([])) == Withheld(Reason.NO_DATA)
    assert middle(np.arange(1.0, 6.0)) == Middle(5, 3.0, 2.0, 4.0)
