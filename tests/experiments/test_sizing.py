"""Sizes against the textbook, a simulation, and each other."""

from math import sqrt

import numpy as np
import pytest
from scipy import stats

from experiments import sizing
from experiments.sizing import Baseline, Design, Traffic
from experiments.traffic import Pace
from firstlight.kernel.withheld import Withheld


def number(found: float | Withheld) -> float:
    assert not isinstance(found, Withheld)
    return found


BASE = Baseline(mean=40.0, sd=160.0, source="given")
PLAIN = Design(weights=(0.5, 0.5), alpha=0.05, target=0.8)


def textbook(lift, base, alpha, power):
    """Units of both arms, of one size: 4 (z + z)^2 sd^2 / effect^2."""
    z = stats.norm.isf(alpha / 2) + stats.norm.isf(1 - power)
    return 4 * (z * base.sd / (lift * base.mean)) ** 2


@pytest.mark.parametrize(("alpha", "power", "lift"), [(0.05, 0.8, 0.02), (0.01, 0.9, 0.05), (0.1, 0.5, 0.2)])
def test_two_arms_of_one_size_need_what_the_textbook_says(alpha, power, lift):
    design = Design(weights=(0.5, 0.5), alpha=alpha, target=power)
    assert sizing.units_for(lift, BASE, design, "primary") == pytest.approx(
        textbook(lift, BASE, alpha, power), rel=2e-3
    )


@pytest.mark.parametrize("analysis", ["fixed", "group_sequential", "always_valid"])
@pytest.mark.parametrize("weights", [(0.5, 0.5), (0.8, 0.2), (0.4, 0.3, 0.3)])
@pytest.mark.parametrize("role", ["primary", "guardrail"])
def test_the_lift_found_by_the_units_needed_for_it_is_that_lift(analysis, weights, role):
    design = Design(weights=weights, alpha=0.05, target=0.8, analysis=analysis, n_looks=7, n_guardrails=2)
    units = sizing.units_for(0.03, BASE, design, role)
    assert sizing.lift_found(number(units), BASE, design, role) == pytest.approx(0.03, rel=1e-4)


def test_the_calculator_keeps_its_word_in_a_simulation():
    design = Design(weights=(0.7, 0.3), alpha=0.05, target=0.8)
    base = Baseline(mean=1.0, sd=2.0, source="given")
    units = int(number(sizing.units_for(0.2, base, design, "primary")))
    rng, runs = np.random.default_rng(5), 4_000
    n_control, n_treatment = round(0.7 * units), round(0.3 * units)
    # the mean of an arm is normal whatever the units are; its draws stand for whole experiments
    control = rng.normal(1.0, 2.0 / sqrt(n_control), runs)
    treatment = rng.normal(1.2, 2.0 / sqrt(n_treatment), runs)
    z = (treatment - control) / (2.0 * sqrt(1 / n_control + 1 / n_treatment))
    found = np.mean(np.abs(z) > stats.norm.isf(0.025))
    assert abs(found - 0.8) < 4 * sqrt(0.8 * 0.2 / runs)


def test_covariates_save_their_share_of_the_units():
    saved = Baseline(40.0, 160.0, "given", saved=0.36)
    plain, less = (number(sizing.units_for(0.02, base, PLAIN, "primary")) for base in (BASE, saved))
    assert less / plain == pytest.approx(0.64, rel=1e-3)


def test_ways_of_looking_cost_what_methods_say():
    """O'Brien-Fleming a few percent, Pocock and always-valid more, in this order."""
    costs = [
        Design((0.5, 0.5), 0.05, 0.8, analysis, spending, n_looks=5).inflation
        for analysis, spending in (
            ("fixed", "obrien_fleming"),
            ("group_sequential", "obrien_fleming"),
            ("group_sequential", "pocock"),
            ("always_valid", "obrien_fleming"),
        )
    ]
    assert costs[0] == 1.0
    assert costs == sorted(costs)
    # Jennison and Turnbull (2000), tables 7.2 and 7.3 have 1.03 and 1.23 for bounds of the same kind
    assert costs[1] == pytest.approx(1.03, abs=0.01)
    assert costs[2] == pytest.approx(1.23, abs=0.03)


def test_several_goals_and_arms_share_the_error_and_guardrails_raise_their_power():
    several = Design(weights=(0.4, 0.3, 0.3), alpha=0.06, target=0.8, n_goals=3, n_guardrails=1)
    assert several.test("primary").alpha == pytest.approx(0.01)
    assert several.test("guardrail").alpha == pytest.approx(0.12)
    assert several.power_of("guardrail") == pytest.approx(0.9)
    assert several.power_of("primary") == 0.8


def test_what_cannot_be_sized_is_withheld():
    assert isinstance(sizing.units_for(0.02, Baseline(0.0, 1.0, ""), PLAIN, "primary"), Withheld)
    assert isinstance(sizing.units_for(0.02, Baseline(1.0, 0.0, ""), PLAIN, "primary"), Withheld)
    assert isinstance(sizing.lift_found(3, BASE, PLAIN, "primary"), Withheld)
    assert isinstance(sizing.lift_found(1e6, Baseline(0.0, 1.0, ""), PLAIN, "primary"), Withheld)


@pytest.mark.parametrize("units", [1, 400, 401, 1_000, 123_456])
def test_after_the_days_so_many_units_have_come_and_not_a_day_before(units):
    traffic = Traffic(Pace(daily=1_000, fresh=300), share=0.4)
    days = number(traffic.days(units))
    assert traffic.units(days) >= units
    assert days == 1 or traffic.units(days - 1) < units


def test_a_place_where_nobody_new_comes_never_brings_more():
    assert isinstance(Traffic(Pace(1_000, 0), 1.0).days(1_001), Withheld)
