"""What this look asks for, given the looks before: against the bounds themselves and against simulation."""

from dataclasses import replace
from datetime import timedelta
from itertools import pairwise
from math import exp, log, sqrt

import numpy as np
import pytest
from scipy import stats

from experiments.reading.given import Given
from experiments.reading.sequence import Course, course, daily
from firstlight.stats import spending
from tests.experiments.reading.plans import PLAN, START

NOW = START + timedelta(days=14)


def given(*information: float, **more: object) -> Given:
    looks = tuple({"number": i, "at": "", "information": t, "z": 2.0} for i, t in enumerate(information, 1))
    return Given({}, 0, {}, number=len(looks) + 1, sequence=looks, **more)  # type: ignore[arg-type]


def at(days: float, *before: float, plan: object = PLAN) -> Course:
    return course(plan, given(*before), 1_000, START + timedelta(days=days))  # type: ignore[arg-type]


@pytest.mark.parametrize("kind", ["obrien_fleming", "pocock"])
def test_every_look_before_has_spent_its_part(kind: str) -> None:
    plan = replace(PLAN, spending=kind)
    before = (1 / 14, 2 / 14, 5 / 14)
    found = at(7, *before, plan=plan)
    assert found.number == 4
    assert found.information == pytest.approx(0.5)
    assert found.z == pytest.approx(spending.bounds((*before, 0.5), 0.05, kind)[-1])
    assert found.last_z == pytest.approx(spending.bounds((*before, 0.5, 1.0), 0.05, kind)[-1])


def test_an_only_look_at_the_planned_end_is_a_plain_test() -> None:
    found = at(14)
    assert found.z == pytest.approx(stats.norm.isf(0.025), abs=1e-6)
    for z in (0.3, 1.0, 1.96, 2.7, 6.0):
        assert exp(found.ln_p(z, 100)) == pytest.approx(2 * stats.norm.sf(z), rel=1e-4)


def test_past_the_plan_the_bound_is_that_of_its_end() -> None:
    assert at(16, 0.5, 1.0).z == at(14, 0.5).z
    assert at(16, 0.5).information == pytest.approx(16 / 14)


def test_information_is_counted_in_units_where_the_plan_names_them() -> None:
    plan = replace(PLAN, planned_units=4_000)
    assert at(13, plan=plan).information == 0.25


def test_p_falls_under_alpha_exactly_where_the_bound_is_crossed() -> None:
    found = at(7, 0.1, 0.2, 0.3)
    assert found.z is not None
    assert exp(found.ln_p(found.z, 100)) == pytest.approx(0.05, rel=1e-9)
    assert exp(found.ln_p(-found.z, 100)) == pytest.approx(0.05, rel=1e-9)
    zs = np.linspace(0, 12, 200)
    ps = [found.ln_p(float(z), 100) for z in zs]
    assert ps[0] == pytest.approx(0)
    assert all(b < a for a, b in pairwise(ps))


def test_p_between_the_levels_is_near_the_level_that_is_just_crossed() -> None:
    before = (0.25, 0.5)
    found = at(10.5, *before)
    for level in (0.2, 0.07, 0.03, 0.005, 1e-4):
        z = spending.bounds((*before, 0.75), level, "obrien_fleming")[-1]
        assert exp(found.ln_p(z, 100)) == pytest.approx(level, rel=0.02)


@pytest.mark.parametrize("kind", ["obrien_fleming", "pocock"])
def test_hourly_looks_under_no_effect_cross_as_rarely_as_was_promised(kind: str) -> None:
    """14 days, a look every two hours; 4 standard errors of 20,000 paths are .6 %."""
    n, looks = 20_000, 168
    times = np.arange(1, looks + 1) / looks
    paths = np.cumsum(np.random.default_rng(5).standard_normal((n, looks)), axis=1) / np.sqrt(looks)
    asked = daily(replace(PLAN, spending=kind), [float(t) for t in times])
    crossed = (np.abs(paths) / np.sqrt(times) > np.array(asked, dtype=float)).any(axis=1).mean()
    assert abs(crossed - 0.05) < 4 * sqrt(0.05 * 0.95 / n)


def test_always_valid_is_tuned_to_the_plan_and_touches_zero_where_p_is_alpha() -> None:
    plan = replace(PLAN, analysis="always_valid", planned_units=8_000)
    found = course(plan, given(), 1_000, NOW)
    assert (found.planned_n, found.z) == (8_000, None)
    for n in (100, 8_000, 50_000):
        assert exp(found.ln_p(found.errors(n), n)) == pytest.approx(0.05)
    widths = {n: found.errors(n) / sqrt(n) for n in (2_000, 8_000, 32_000)}
    tuned_late = replace(found, planned_n=32_000)
    assert found.errors(2_000) < tuned_late.errors(2_000)
    assert widths[8_000] < widths[2_000]


def test_what_the_first_look_took_as_the_planned_size_stays() -> None:
    plan = replace(PLAN, analysis="always_valid")
    first = course(plan, given(), 1_000, START + timedelta(days=7))
    assert first.planned_n == 2_000
    assert course(plan, given(0.5, planned_n=2_000), 9_000, NOW).planned_n == 2_000


def test_a_fixed_plan_asks_nothing_of_a_look() -> None:
    found = at(7, plan=replace(PLAN, analysis="fixed"))
    assert not found.is_sequential
    assert found.last_z == pytest.approx(stats.norm.isf(0.025))


def test_each_of_several_goals_has_its_part_of_alpha() -> None:
    plan = replace(PLAN, metrics=(PLAN.metrics[0], replace(PLAN.metrics[1], role="primary")))
    found = at(7, 0.25, plan=plan)
    each = found.of_each(0.025)
    assert each.z == spending.bounds((0.25, 0.5), 0.025, "obrien_fleming")[-1]
    assert each.alpha == 0.025
    assert found.ln_p(each.z or 0, 100) == pytest.approx(log(0.025), rel=1e-6)


def test_looks_before_anything_came_ask_for_nothing() -> None:
    assert daily(PLAN, [0.0, 0.0, 0.5])[:2] == [None, None]
