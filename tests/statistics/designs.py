"""Special designs and readings: interleaving, guardrails, trends, interactions, strata, spill-over, power."""

import numpy as np
from numpy.random import Generator
from scipy.special import ndtr

from firstlight.kernel.moments import Moments
from firstlight.stats import covariates, guardrails, interaction, power, preference, spillover, trend
from firstlight.stats.estimates import Estimate
from firstlight.stats.finish import Design, finish
from firstlight.stats.guardrails import Guardrail, State
from firstlight.stats.interaction import Interaction
from firstlight.stats.power import Test
from firstlight.stats.preference import Preference
from firstlight.stats.trend import Trend
from tests.statistics import units
from tests.statistics.promises import Promise, share, simulation

RUNS, ALPHA = 3_000, 0.05


@simulation
def at_the_margin(rng: Generator) -> list[Promise]:
    held = []
    for _ in range(RUNS):
        control, treatment = (Moments.of(rng.gamma(4, 5, 500) * scale) for scale in (1, 0.9))
        found = guardrails.judge("mean", control, treatment, sign=1, margin=0.1, confidence=1 - ALPHA)
        assert isinstance(found, Guardrail)
        held.append(found.state)
    passed = [state is State.NOT_WORSE for state in held]
    return [share("guardrail passes a loss of just the margin", "margin of 10 %, 500 units an arm", passed, ALPHA)]


@simulation
def special(rng: Generator) -> list[Promise]:
    """Nothing is there: a false alarm once in twenty."""
    trends, crossed, strata, spills, wins = [], [], [], [], []
    for _ in range(RUNS):
        line = trend.trend(range(14), rng.normal(0, 0.1, 14).tolist(), [0.01] * 14, ALPHA)
        cells = [Moments.of(rng.standard_normal(200) + mean) for mean in (1.0, 1.2, 1.3, 1.5)]
        both = interaction.interaction("mean", *cells)
        layers = [tuple(Moments.of(_with_past(rng, 80, i)) for _ in range(2)) for i in range(3)]
        after = covariates.stratified([(c, t) for c, t in layers])
        here = [Moments.of(rng.standard_exponential((300, 2)).cumsum(axis=1)) for _ in range(2)]
        (spilt,) = spillover.split([here[0]], [here[1]], 1 - ALPHA)
        preferred = preference.sign_test(won := int(rng.binomial(301, 0.5)), 301 - won, 1 - ALPHA)
        assert isinstance(line, Trend) and isinstance(both, Interaction) and isinstance(preferred, Preference)
        assert isinstance(after, covariates.Stratified) and isinstance(spilt.spill_over, Estimate)
        trends.append(line.p < ALPHA)
        crossed.append(both.p < ALPHA)
        strata.append(2 * float(ndtr(-abs(after.effect / after.se))) < ALPHA)
        spills.append(not spilt.spill_over.low <= 0 <= spilt.spill_over.high)
        wins.append(preferred.p < ALPHA)
    return [
        share("trend, false alarms", "14 days without one", trends, ALPHA),
        share("interaction, false alarms", "four cells of 200 units, two effects that add", crossed, ALPHA),
        share("post-stratification, false alarms", "3 strata with a covariate", strata, ALPHA),
        share("spill-over, false alarms", "300 units an arm", spills, ALPHA),
        share("interleaving, false alarms", "301 decided units, exact sign test", wins, ALPHA, "≤"),
    ]


def _with_past(rng: Generator, n: int, level: int) -> units.Values:
    past = rng.standard_normal(n)
    return np.column_stack([past + rng.standard_normal(n) + level, past])


@simulation
def calculator(rng: Generator) -> list[Promise]:
    """What a plan was sized for is found so often."""
    found = []
    for ratio in (1.0, 4.0):
        n = round(power.size(0.1, 1.0, 0.8, Test(), ratio=ratio))
        c, t = (units.drawn(_normal(shift), rng, RUNS, size) for shift, size in ((0.0, n), (0.1, round(n * ratio))))
        seen = finish("mean", c, t, Design(1 - ALPHA)).raw.p < ALPHA
        found.append(share("power by the calculator", f"mean, arms of 1 : {ratio:g}", seen, 0.8))
    n = 20_000
    expected = power.proportions(0.1, 0.109, n, n, ALPHA)
    counts = [units.of_counts(rng.binomial(n, p, 20_000), n) for p in (0.1, 0.109)]
    seen = finish("proportion", counts[0], counts[1], Design(1 - ALPHA)).raw.p < ALPHA
    return [*found, share("power by the calculator", "share of 10 %, a lift of 9 %", seen, expected)]


def _normal(shift: float) -> units.Draw:
    return lambda rng, shape, lift: rng.standard_normal((*shape, 1)) + shift
