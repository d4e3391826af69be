"""What the methods promise, counted over many simulated experiments. Seeds are fixed; tolerances are 4 standard errors.

A share p̂ of n runs is off by more than 4·√(p(1-p)/n) once in 16,000 times; where the method is known to be approximate
its small-sample error is added, and said.
"""

from collections.abc import Callable
from math import sqrt

import numpy as np
import pytest
from numpy.random import Generator
from numpy.typing import NDArray

from experiments import health
from experiments.stats import comparison, guardrails
from experiments.stats.estimates import Comparison, Estimate
from experiments.stats.guardrails import Guardrail, State
from experiments.stats.multiplicity import holm
from experiments.stats.tails import Tail
from firstlight.kernel.moments import Moments

pytestmark = pytest.mark.slow
RUNS = 4_000
Values = NDArray[np.float64]


def conversions(rng: Generator, n: int, lift: float = 0.0) -> Values:
    """Of 2 %."""
    return (rng.random(n) < 0.02 * (1 + lift)).astype(float)


def few_conversions(rng: Generator, n: int, lift: float = 0.0) -> Values:
    """Of .1 %: a handful of successes, so Newcombe's interval."""
    return (rng.random(n) < 0.001 * (1 + lift)).astype(float)


def clicks_per_view(rng: Generator, n: int, lift: float = 0.0) -> Values:
    """Units differ in their views and in their own rate, so that views of one unit hang together."""
    views = rng.geometric(0.2, n)
    own = rng.beta(4, 36, n) * (1 + lift)
    return np.column_stack([rng.binomial(views, own), views]).astype(float)


def revenue(rng: Generator, n: int, lift: float = 0.0) -> Values:
    """Log-normal with 95 % zeros."""
    values = np.zeros(n)
    buyers = rng.binomial(n, 0.05)
    values[:buyers] = rng.lognormal(3, 1, buyers) * (1 + lift)
    return values


# kind, how a unit behaves, units per arm, true lift, true difference, and the known error of the approximation
SETTINGS = {
    "conversion 2 %": ("proportion", conversions, 4_000, 0.02, 0.0),
    "conversion .1 %": ("proportion", few_conversions, 4_000, 0.001, 0.025),  # Newcombe errs on the safe side
    "clicks per view": ("ratio", clicks_per_view, 2_000, 0.1, 0.0),
    "revenue": ("mean", revenue, 10_000, 0.05 * np.exp(3.5), 0.0),
}


def tolerance(share: float, runs: int) -> float:
    return 4 * sqrt(share * (1 - share) / runs)


def compared(kind: str, draw: Callable[..., Values], n: int, lift: float, seed: int) -> list[Comparison]:
    rng = np.random.default_rng(seed)
    return [
        comparison.compare(kind, Moments.of(draw(rng, n)), Moments.of(draw(rng, n, lift)), 0.95) for _ in range(RUNS)
    ]


@pytest.mark.parametrize("name", SETTINGS)
def test_between_equal_arms_one_in_twenty_looks_different(name: str) -> None:
    kind, draw, n, _, known = SETTINGS[name]
    found = [one.tail for one in compared(kind, draw, n, 0.0, 1)]
    alarms = np.mean([isinstance(tail, Tail) and tail.p < 0.05 for tail in found])
    assert abs(alarms - 0.05) < tolerance(0.05, RUNS) + known
    assert alarms < 0.05 + tolerance(0.05, RUNS)


@pytest.mark.parametrize("lift", [0.0, 0.5])
@pytest.mark.parametrize("name", SETTINGS)
def test_intervals_cover_the_truth_as_often_as_they_say(name: str, lift: float) -> None:
    kind, draw, n, base, known = SETTINGS[name]
    found = compared(kind, draw, n, lift, 2)
    gaps = [one.difference for one in found if isinstance(one.difference, Estimate)]
    lifts = [one.lift for one in found if isinstance(one.lift, Estimate)]
    assert len(gaps) == RUNS
    # Where the control has no success at all there is no percentage, and nothing that could cover.
    assert len(lifts) > 0.98 * RUNS - RUNS * (known > 0)
    for estimates, truth in ((gaps, base * lift), (lifts, lift)):
        covered = np.mean([one.low <= truth <= one.high for one in estimates])
        assert abs(covered - 0.95) < tolerance(0.95, len(estimates)) + known


@pytest.mark.parametrize("weights", [(0.5, 0.5), (0.9, 0.1), (0.5, 0.3, 0.2)])
def test_a_sound_split_raises_the_alarm_once_in_a_thousand(weights: tuple[float, ...]) -> None:
    runs = 20_000
    counts = np.random.default_rng(3).multinomial(10_000, weights, runs)
    alarms = np.mean([not health.sample_ratio(list(map(int, row)), weights).passed for row in counts])
    assert abs(alarms - 0.001) < tolerance(0.001, runs)


def test_a_lost_tenth_of_one_arm_is_always_seen() -> None:
    counts = np.random.default_rng(4).multinomial(20_000, [0.5 / 0.95, 0.45 / 0.95], 500)
    assert all(not health.sample_ratio(list(map(int, row)), [0.5, 0.5]).passed for row in counts)


def test_ten_goals_together_alarm_once_in_twenty() -> None:
    p = np.random.default_rng(5).random((20_000, 10))
    alarms = np.mean([min(holm(list(row))) < 0.05 for row in p])
    # Of independent goals Holm's first step is 1 - (1 - .05/10)^10 = .0489.
    assert abs(alarms - (1 - 0.995**10)) < tolerance(0.0489, 20_000)


@pytest.mark.parametrize(("sign", "loss"), [(1, -0.1), (-1, 0.1)])
def test_a_loss_of_just_the_margin_passes_the_guardrail_once_in_twenty(sign: int, loss: float) -> None:
    """The margin is a share of a control mean that is itself estimated."""
    rng = np.random.default_rng(6)
    states = []
    for _ in range(RUNS):
        control, treatment = (Moments.of(rng.gamma(4, 5, 1_000) * scale) for scale in (1, 1 + loss))
        found = guardrails.judge("mean", control, treatment, sign=sign, margin=0.1, confidence=0.95)
        assert isinstance(found, Guardrail)
        states.append(found.state)
    for state in (State.NOT_WORSE, State.WORSE):
        assert abs(states.count(state) / RUNS - 0.05) < tolerance(0.05, RUNS)
