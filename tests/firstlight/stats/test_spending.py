"""Bounds against published tables and against walks that are really taken."""

from math import sqrt

import numpy as np
import pytest

from firstlight.stats.spending import SPENDING, bounds

# Lan-DeMets bounds, as printed by the R packages ldbounds and gsDesign, refined with 2,001 nodes.
TABLES = [
    (
        (0.2, 0.4, 0.6, 0.8, 1.0),
        0.05,
        "obrien_fleming",
        (4.876884948776, 3.357011921575, 2.680280064545, 2.289816767712, 2.031032043491),
    ),
    (
        (0.2, 0.4, 0.6, 0.8, 1.0),
        0.05,
        "pocock",
        (2.437976688050, 2.426813858439, 2.410194142501, 2.396649265383, 2.385999649818),
    ),
    (
        (0.1, 0.2, 0.5, 0.9, 1.0),
        0.1,
        "obrien_fleming",
        (6.087892847069, 4.229199424011, 2.538256127277, 1.785612857138, 1.763397603015),
    ),
    (
        (0.1, 0.2, 0.5, 0.9, 1.0),
        0.1,
        "pocock",
        (2.412201675482, 2.362561269444, 2.057528494638, 1.966090856889, 2.082582361354),
    ),
]


@pytest.mark.parametrize(("information", "alpha", "spending", "expected"), TABLES)
def test_bounds_are_those_of_the_tables(information, alpha, spending, expected) -> None:
    assert bounds(information, alpha, spending) == pytest.approx(expected, abs=1e-7)


@pytest.mark.parametrize("spending", SPENDING)
def test_all_is_spent_at_the_end_and_less_before(spending: str) -> None:
    spent = [SPENDING[spending](t, 0.025) for t in np.linspace(0.05, 1, 20)]
    assert spent == sorted(spent)
    assert spent[-1] == pytest.approx(0.025)


def test_one_look_at_the_end_is_the_fixed_test() -> None:
    assert bounds((1.0,), 0.05) == pytest.approx((1.959963984540054,))


@pytest.mark.parametrize("spending", SPENDING)
def test_walks_without_an_effect_cross_as_seldom_as_promised(spending: str) -> None:
    """100,000 walks of ten uneven looks: the share that ever crosses is alpha within four standard errors."""
    information = np.array([0.05, 0.1, 0.25, 0.3, 0.45, 0.5, 0.7, 0.72, 0.9, 1.0])
    rng, n = np.random.default_rng(20), 100_000
    steps = rng.standard_normal((n, len(information))) * np.sqrt(np.diff(information, prepend=0.0))
    z = steps.cumsum(axis=1) / np.sqrt(information)
    crossed = (np.abs(z) > np.array(bounds(tuple(information), 0.05, spending))).any(axis=1).mean()
    assert abs(crossed - 0.05) < 4 * sqrt(0.05 * 0.95 / n)


def test_looks_past_the_plan_or_without_news_keep_the_bound_before() -> None:
    planned = bounds((0.5, 1.0), 0.05)
    assert bounds((0.5, 1.0, 1.0, 1.4), 0.05) == pytest.approx((*planned, planned[-1], planned[-1]))
    assert bounds((0.5, 0.50001, 1.0), 0.05) == pytest.approx((planned[0], planned[0], planned[1]), abs=1e-4)


def test_a_look_with_no_information_to_speak_of_spends_nothing() -> None:
    assert bounds((0.0, 1e-7, 0.5, 1.0), 0.05)[2:] == pytest.approx(bounds((0.5, 1.0), 0.05))
    assert bounds((0.0,), 0.05, "pocock")[0] > 3.9
