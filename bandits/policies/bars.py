"""What a new item must beat: the median reward per impression of the items that are shown anyway. Pure.

The plain median of observed rates is a trap: at half a percent clicks and a hundred impressions most items have no
click at all, their median is 0, and everything beats it. So each rate is first shrunk to the mean of its group by as
much as the spread between the items does not exceed chance (Kleinman 1973, as the priors are); where items do not
differ at all, the bar is the mean.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import isinf

import numpy as np
from numpy.typing import NDArray

from bandits.policies.priors import fitted_strength
from firstlight.kernel.withheld import Reason, Withheld

Vector = NDArray[np.float64]

FEWEST = 5  # incumbents of a category under which those of the scenario stand for them


@dataclass(frozen=True, slots=True, eq=False)
class Incumbents:
    """Items outside of the pool that were seen often enough; one entry per item."""

    categories: Sequence[str]
    trials: Vector  # fully examined impressions whose reward is known
    successes: Vector  # rewarded ones, at most `trials`
    worth: Vector  # sum of the rewards, in the unit of the beliefs; equal to `successes` where a reward is 0 or 1


@dataclass(frozen=True, slots=True)
class Bar:
    value: float  # reward per fully examined impression
    origin: str  # where it came from, in words
    n_incumbents: int  # 0: a person set it


@dataclass(frozen=True, slots=True)
class Bars:
    """The bar of every category that has one of its own, and of all others."""

    by_category: Mapping[str, Bar]
    otherwise: Bar

    def of(self, category: str) -> Bar:
        return self.by_category.get(category, self.otherwise)


def given(value: float) -> Bars:
    """The same for all, as a person set it."""
    return Bars({}, Bar(value, "set for the campaign", 0))


def medians(incumbents: Incumbents) -> Bars | Withheld:
    """Withheld where there are no incumbents, or none was ever rewarded: everything would beat 0."""
    if not len(incumbents.trials):
        return Withheld(Reason.NO_INCUMBENTS)
    every = np.ones(len(incumbents.trials), dtype=np.bool_)
    overall = median(incumbents, every)
    if overall is None:
        return Withheld(Reason.NO_INCUMBENTS)
    n = len(incumbents.trials)
    categories = np.asarray(incumbents.categories, dtype=object)
    names, places, counts = np.unique(categories.astype(str), return_inverse=True, return_counts=True)
    found: dict[str, Bar] = {}
    for i in np.flatnonzero(counts >= FEWEST):
        name = str(names[i])
        if name and (value := median(incumbents, places == i)) is not None:
            found[name] = Bar(value, f"median of {counts[i]} incumbents of its category", int(counts[i]))
    return Bars(found, Bar(overall, f"median of {n} incumbents of the scenario", n))


def median(incumbents: Incumbents, chosen: NDArray[np.bool_]) -> float | None:
    """Of the shrunken rates, times what a rewarded impression was worth; None when none was rewarded."""
    trials, successes = incumbents.trials[chosen], incumbents.successes[chosen]
    total = float(successes.sum())
    worth = float(incumbents.worth[chosen].sum())
    if total <= 0 or worth <= 0:
        return None
    return float(np.median(shrunken(trials, successes))) * worth / total


def shrunken(trials: Vector, successes: Vector) -> Vector:
    """Posterior means under the Beta prior of the method of moments; the common mean where items do not differ."""
    mean = float(successes.sum() / trials.sum())
    strength = fitted_strength(trials, successes)
    if isinstance(strength, Withheld):
        return successes / trials
    if isinf(strength):
        return np.full(len(trials), mean)
    shrunk: Vector = (mean * strength + successes) / (strength + trials)
    return shrunk
