"""Effects drawn from a known prior: what is believed of them comes true as often as it is believed."""

from math import sqrt

import numpy as np
from numpy.random import Generator
from scipy.special import ndtri

from experiments.reading.prior import Past, fitted
from firstlight.stats import heterogeneity, mixtures, power, selection
from firstlight.stats.finish import Belief, Design, Normal, finish
from firstlight.stats.power import Test
from tests.statistics import units
from tests.statistics.one_look import covers
from tests.statistics.promises import Promise, average, share, simulation

ALPHA = 0.05
PRIOR = Normal(0.005, 0.02)  # of lifts


@simulation
def bayesian(rng: Generator) -> list[Promise]:
    """Each experiment has a lift of its own, about as large as its error."""
    runs, n, about = 20_000, 20_000, "share of 30 %, prior known"
    lifts = rng.normal(PRIOR.mean, PRIOR.sd, runs)
    control = units.of_counts(rng.binomial(n, 0.3, runs), n)
    treated = units.of_counts(rng.binomial(n, 0.3 * (1 + lifts)), n)
    found = finish("mean", control, treated, Design(1 - ALPHA, prior=PRIOR)).belief
    return [
        share("credible interval has the truth", about, covers(found, lifts), 1 - ALPHA),
        *_chances(found, lifts, about),
        _mean_of("expected loss of shipping less what is lost", about, found.loss_of_shipping - np.maximum(-lifts, 0)),
    ]


def _chances(found: Belief, lifts: units.Values, about: str) -> list[Promise]:
    """Of the experiments that are believed to win with about this chance, so many do."""
    told = []
    for low, high in ((0.05, 0.3), (0.3, 0.7), (0.7, 0.95), (0.95, 1.0)):
        asked = (low < found.chance_to_win) & (found.chance_to_win <= high)
        chance = found.chance_to_win[asked]
        name = f"chance to win from {low:g} to {high:g}: those that win"
        error = sqrt(float((chance * (1 - chance)).sum())) / len(chance)
        wins = float((lifts[asked] > 0).mean())
        told.append(Promise(name, about, len(chance), float(chance.mean()), wins, error))
    return told


def _mean_of(method: str, setting: str, away: units.Values) -> Promise:
    return average(method, setting, away, 0.0)


@simulation
def beta_binomial(rng: Generator) -> list[Promise]:
    """Both shares uniform, as the prior of the method has it."""
    runs, n = 3_000, 40
    p = rng.random((runs, 2))
    wins = rng.binomial(n, p)
    found = [mixtures.beta_binomial((int(c), n), (int(t), n)) for c, t in wins]
    won = (p[:, 1] > p[:, 0]).astype(float)
    lost = np.maximum(p[:, 0] - p[:, 1], 0)
    about = "shares of 40 units, uniform prior"
    return [
        _mean_of("chance to win less wins", about, np.array([one.chance_to_win for one in found]) - won),
        _mean_of(
            "chance to win less wins, where it is over .9",
            about,
            np.array([one.chance_to_win - w for one, w in zip(found, won, strict=True) if one.chance_to_win > 0.9]),
        ),
        _mean_of("expected loss less what is lost", about, np.array([one.loss_of_shipping for one in found]) - lost),
    ]


@simulation
def winners(rng: Generator) -> list[Promise]:
    """What was shipped for being significant: observed, drawn in, and given that it was chosen."""
    runs, se, prior = 100_000, 0.02, Normal(0.0, 0.02)
    effects = rng.normal(prior.mean, prior.sd, runs)
    seen = effects + rng.normal(0, se, runs)
    z = float(ndtri(1 - ALPHA / 2))
    chosen = np.flatnonzero(seen > z * se)
    true, about = effects[chosen], "lifts as large as their errors, prior known"
    drawn = [selection.shrunken(float(x), se, prior.mean, prior.sd) for x in seen[chosen]]
    means = np.array([one.mean for one in drawn])
    reach = z * np.array([one.sd for one in drawn])
    inside = np.abs(means - true) <= reach
    observed = float((seen[chosen] - true).mean())
    given = np.array([selection.conditional(float(x / se), z) * se for x in seen[chosen][:2_000]]) - true[:2_000]
    return [
        average("winners shrunken: bias, in points of lift", about, 100 * (means - true), 0.0),
        share("winners shrunken: interval has the truth", about, inside, 1 - ALPHA),
        # It is no promise of 0, but of less than was observed.
        average(
            "winners' conditional likelihood: size of the bias, in points",
            about,
            np.abs(100 * given.mean()) + 0 * given,
            100 * observed,
            "≤",
        ),
        *_exaggerated(rng),
    ]


def _exaggerated(rng: Generator) -> list[Promise]:
    z = float(ndtri(1 - ALPHA / 2))
    found = []
    for reached in (0.2, 0.5, 0.8):
        drift = power.detectable(1.0, 2.0, 2.0, reached, Test(normal=True))
        seen = np.abs(rng.normal(drift, 1, 400_000))
        name = f"tests of power {reached:.0%}"
        found.append(
            average(
                "exaggeration of what is significant", name, seen[seen > z] / drift, selection.exaggeration(reached)
            )
        )
    return found


@simulation
def prior_of_the_past(rng: Generator) -> list[Promise]:
    """Fitted to 40 past lifts with their errors, it is the prior they came from on average."""
    runs, se = 4_000, 0.05
    lifts = rng.normal(0.02, 0.06, (runs, 40)) + rng.normal(0, se, (runs, 40))
    found = [fitted([Past("m", 1, x, se) for x in row], "m", 1) for row in lifts.tolist()]
    means, spreads = np.array([one.mean for one in found]), np.array([(one.sd or 0.0) ** 2 for one in found])
    return [
        average("prior fitted to 40 past lifts: mean, in points", "mean 2, sd 6, errors 5", 100 * means, 2.0),
        average("prior fitted to 40 past lifts: variance", "mean 2, sd 6, errors 5", 1e4 * spreads, 36.0),
    ]


@simulation
def segments(rng: Generator) -> list[Promise]:
    """Cochran's Q when segments do not differ, and estimates drawn in when they do."""
    runs, found = 4_000, []
    variances = np.array([1.0, 2.0, 0.5, 4.0, 1.0, 1.5])
    noise = rng.normal(0, np.sqrt(variances), (runs, 6))
    tests = [heterogeneity.test(row, variances.tolist()) for row in noise.tolist()]
    p = np.array([one.p for one in tests])
    found.append(share("Cochran's Q, false alarms", "6 segments that do not differ", p < ALPHA, ALPHA))
    for k in (2, 6):
        v = np.resize(variances, k)
        spread = rng.uniform(0, 4, (runs, 1))  # in typical errors: the interval's promise is over all that may be
        true = 0.5 + spread * rng.standard_normal((runs, k))
        seen = true + rng.standard_normal((runs, k)) * np.sqrt(v)
        drawn = [heterogeneity.shrunken(row, v.tolist(), 1 - ALPHA) for row in seen.tolist()]
        inside = np.array(
            [[e.low <= t <= e.high for e, t in zip(*row, strict=True)] for row in zip(drawn, true, strict=True)]
        )
        about = f"{k} segments, their spread from 0 to 4 errors"
        found.append(average("shrunken segments: intervals that have the truth", about, inside.mean(axis=1), 1 - ALPHA))
    return found
