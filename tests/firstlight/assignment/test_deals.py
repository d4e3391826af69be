"""Weights that change while an experiment runs: as few units as possible meet another arm, and a ramp only adds."""

from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from firstlight.assignment import deals
from firstlight.assignment.deals import Strip
from firstlight.assignment.rules import ranges

ARMS = "abcd"


@st.composite
def weights(draw: Any, least: int = 2) -> dict[str, float]:
    """Four decimals that sum to 1, each at least one ten-thousandth, of two to four arms."""
    n = draw(st.integers(least, len(ARMS)))
    cuts = sorted(draw(st.lists(st.integers(1, 9_999), min_size=n - 1, max_size=n - 1, unique=True)))
    edges = [0, *cuts, 10_000]
    return {arm: (end - start) / 10_000 for arm, start, end in zip(ARMS, edges, edges[1:], strict=False)}


coverages = st.integers(0, 10_000).map(lambda share: share / 10_000)


def held(deal: deals.Deal, coverage: float, n: int = 20_000) -> np.ndarray[Any, Any]:
    """Of points evenly over the interval, which arm has each; -1 nobody. In the middle of cells, not on edges."""
    points = (np.arange(n) + 0.5) / n
    found = np.full(n, -1)
    for place, spans in enumerate(deals.pieces(deal, ARMS, coverage)):
        for start, end in spans:
            inside = (points >= start) & (points < end)
            assert (found[inside] == -1).all(), "one point, one arm"
            found[inside] = place
    return found


def size(deal: deals.Deal, arm: str, coverage: float) -> float:
    spans = deals.pieces(deal, [arm], coverage)[0]
    return sum(end - start for start, end in spans)


@given(weights(), coverages)
def test_a_deal_begins_as_every_sdk_deals(shares: dict[str, float], coverage: float) -> None:
    begun = deals.begun(shares, coverage)
    whole = tuple(span for spans in deals.pieces(begun, shares, coverage) for span in spans)
    assert whole == tuple(span for span in ranges([*shares.values()], coverage) if span[1] > span[0])


@settings(max_examples=200)
@given(weights(), st.lists(st.tuples(weights(), coverages), min_size=1, max_size=5))
def test_just_those_change_arm_who_must(first: dict[str, float], changes: list[tuple[dict[str, float], float]]) -> None:
    """Of every set of shares that follows another one, at whatever coverage, up or down."""
    deal, before = deals.begun(first, changes[0][1]), first
    for after, coverage in changes:
        then = deals.moved(deal, after, coverage)
        gain = sum(max(0.0, after.get(arm, 0) - before.get(arm, 0)) for arm in ARMS)
        old, new = held(deal, coverage), held(then, coverage)
        assert ((old == -1) == (new == -1)).all(), "who takes part stays in, who does not stays out"
        cuts = 2 * sum(map(len, then.values()))
        assert abs((old != new).sum() - 20_000 * coverage * gain) <= cuts
        for level in (coverage, (1 + coverage) / 2, 1.0, coverage / 2):
            assert {arm: size(then, arm, level) for arm in after} == pytest.approx(
                {arm: weight * level for arm, weight in after.items()}, abs=1e-9
            )
        deal, before = then, after


@given(st.data())
def test_no_way_to_share_anew_moves_fewer(data: Any) -> None:
    """Exactly, in fractions: what is lost by arms is what moves; an arm can lose no less than its difference."""
    before, after = data.draw(weights()), data.draw(weights())
    exact = {arm: Fraction(round(weight * 10_000), 10_000) for arm, weight in before.items()}
    starts = {arm: sum([w for other, w in exact.items() if other < arm], Fraction(0)) for arm in exact}
    deal: Any = {arm: (Strip(starts[arm], starts[arm] + w, Fraction(0), Fraction(1)),) for arm, w in exact.items()}  # type: ignore[arg-type]
    wanted: Any = {arm: Fraction(round(weight * 10_000), 10_000) for arm, weight in after.items()}
    then: Any = deals.moved(deal, wanted, 1.0)
    stayed = sum(
        max(Fraction(0), min(a.end, b.end) - max(a.start, b.start))
        for arm in exact
        for a in deal[arm]
        for b in then.get(arm, ())
    )
    least = sum(max(Fraction(0), share - wanted.get(arm, 0)) for arm, share in exact.items())
    assert 1 - stayed == least
    assert {arm: sum(one.end - one.start for one in then[arm]) for arm in wanted} == wanted


@settings(max_examples=100)
@given(weights(), st.lists(st.tuples(weights(), coverages), min_size=1, max_size=4), coverages, coverages)
def test_a_ramp_only_adds_units_whatever_weights_have_changed(
    first: dict[str, float], changes: list[tuple[dict[str, float], float]], one: float, other: float
) -> None:
    deal = deals.begun(first, changes[0][1])
    for after, coverage in changes:
        deal = deals.moved(deal, after, coverage)
    fewer, more = held(deal, min(one, other)), held(deal, max(one, other))
    assert (more[fewer != -1] == fewer[fewer != -1]).all()


def test_an_arm_that_is_taken_out_gives_its_units_away_and_no_other_does() -> None:
    deal = deals.begun({"a": 0.25, "b": 0.25, "c": 0.5}, 0.5)
    then = deals.moved(deal, {"a": 0.5, "b": 0.5}, 0.5)
    old, new = held(deal, 0.5), held(then, 0.5)
    assert set(new[old == 0]) == {0}
    assert set(new[old == 1]) == {1}
    assert sorted(np.unique(new[old == 2], return_counts=True)[1]) == [2_500, 2_500]


def test_there_and_back_again_stays_in_few_pieces() -> None:
    """Strips of one arm that touch become one."""
    deal = deals.begun({"a": 0.5, "b": 0.5}, 1.0)
    for _ in range(50):
        deal = deals.moved(deals.moved(deal, {"a": 0.9, "b": 0.1}, 1.0), {"a": 0.5, "b": 0.5}, 1.0)
    assert sum(map(len, deal.values())) <= 4
