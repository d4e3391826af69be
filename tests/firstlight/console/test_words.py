"""Numbers into words."""

import doctest
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from firstlight.console import words


def test_every_example_in_the_docstrings_holds() -> None:
    assert doctest.testmod(words).failed == 0
    assert doctest.testmod(words).attempted > 10


@pytest.mark.parametrize("x", [None, float("nan"), float("inf"), float("-inf")])
def test_no_number_is_a_dash_and_never_nan(x: float | None) -> None:
    assert {words.number(x), words.percent(x), words.lift(x), words.p_value(x)} == {words.BLANK}


@pytest.mark.parametrize(
    ("share", "told"),
    [(0.0035, "0.350 %"), (0.0050, "0.500 %"), (0.95, "95 %"), (0.5, "50 %"), (12.5, "1,250 %"), (-0.0312, "−3.12 %")],
)
def test_a_percentage_keeps_three_figures_and_whole_ones_stay_whole(share: float, told: str) -> None:
    assert words.percent(share) == told


@pytest.mark.parametrize(
    ("fraction", "told"),
    [(0.10526, "+10.5 %"), (-0.031, "−3.1 %"), (0.0004, "0.0 %"), (-0.0004, "0.0 %"), (12.3456, "+1,234.6 %")],
)
def test_a_lift_has_its_sign_unless_it_rounds_to_nothing(fraction: float, told: str) -> None:
    assert words.lift(fraction) == told


@pytest.mark.parametrize(
    ("p", "log10_p", "told"),
    [(0.05, None, "p = 0.050"), (0.00099, None, "p < 0.001"), (0.0, -400.0, "p < 0.001"), (1.0, 0.0, "p = 1.000")],
)
def test_a_p_is_never_zero(p: float, log10_p: float | None, told: str) -> None:
    assert words.p_value(p, log10_p) == told


def test_money_is_exact_and_currencies_have_no_total() -> None:
    assert words.money(Decimal("0.10") * 3, "EUR") == "0.30 EUR"
    assert words.purse({"INR": "1200.5", "EUR": "-3"}) == "−3.00 EUR and 1,200.50 INR"
    assert words.purse({}) == words.BLANK


def test_durations_are_told_in_their_largest_unit() -> None:
    now = datetime(2026, 11, 23, tzinfo=UTC)
    assert words.ago(now - timedelta(hours=49), now) == "2 days ago"
    assert words.ago(now + timedelta(seconds=5), now) == "just now"
    assert words.ago(None, now) == "never"
    assert words.duration(timedelta(minutes=1)) == "1 minute"
    assert words.listing([]) == "" and words.listing(["a"]) == "a" and words.listing(["a", "b"]) == "a and b"
