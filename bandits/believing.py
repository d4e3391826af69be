"""From what was seen of the items of a pool to what is believed of them. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from bandits.evidence import Evidence
from bandits.policies import priors, values
from bandits.policies.beliefs import Beliefs, Beta, Hurdle
from bandits.policies.priors import Level, Priors, Vector


@dataclass(frozen=True, slots=True)
class Shelf:
    """Where the items of a pool stand; in their order."""

    items: tuple[str, ...]
    categories: tuple[str, ...]
    merchants: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Against:
    """The dynamic prior: what a new item is believed to earn so that it beats an incumbent with this chance."""

    trials: Vector  # of the incumbents
    successes: Vector
    chance: float


@dataclass(frozen=True, slots=True, eq=False)
class Stand:
    """What beliefs stand on before an item is seen: of its rewards, and of what a rewarded impression is worth."""

    rewards: Priors
    values: values.LogNormal | None  # of money alone
    cap: float  # of the value of one impression


def stand(
    shelf: Shelf, seen: Evidence, *, rate: float, cap: float, value_cap: float | None, against: Against | None
) -> Stand:
    """Fitted to the items of the shelf; `seen` in their order, `rate` of the whole scenario, `cap` in impressions."""
    won = seen.rewarded if value_cap else seen.successes
    fitted = priors.fitted(
        seen.trials, np.minimum(won, seen.trials), shelf.categories, shelf.merchants, rate=rate, cap=cap
    )
    told = values.prior(seen.values, shelf.categories, value_cap) if value_cap else None
    return Stand(_dynamic(fitted, against), told, value_cap or 1.0)


def _dynamic(fitted: Priors, against: Against | None) -> Priors:
    if against is None or not len(against.trials):
        return fitted
    a, b = fitted.strength * fitted.levels[0].mean, fitted.strength * (1 - fitted.levels[0].mean)
    lost = np.maximum(against.trials - against.successes, 0.0)
    mean = priors.dynamic(a + against.successes, b + lost, against.chance, fitted.strength)
    top = fitted.levels[0]
    level = Level("incumbents", "", len(against.trials), float(against.trials.sum()), top.rate, mean, fitted.strength)
    return Priors(np.full(len(fitted.mean), mean), fitted.strength, (level, *fitted.levels))


def believed(items: Sequence[str], stand: Stand, seen: Evidence, *, mean: Vector | None = None) -> Beliefs:
    """Of these items; `mean` stands for that of the prior, as in a segment that begins with what all traffic told."""
    centre = stand.rewards.mean if mean is None else mean
    a, b = centre * stand.rewards.strength, (1 - centre) * stand.rewards.strength
    if stand.values is None:
        return Beta(tuple(items), a, b).after(seen.trials, seen.successes)
    v = stand.values
    return Hurdle(tuple(items), a, b, v.m, v.k, v.alpha, v.beta, stand.cap).after(
        seen.trials, seen.rewarded, seen.values
    )


def conversion(beliefs: Beliefs) -> Vector:
    """The mean share of impressions that are rewarded: what the prior of a segment starts from."""
    if isinstance(beliefs, Hurdle):
        return np.asarray(beliefs.a / (beliefs.a + beliefs.b))
    return beliefs.mean
