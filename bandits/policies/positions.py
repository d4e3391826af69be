"""How much of what is shown in a slot is looked at: kappa of the position-based model, from the randomised slots.

A click is Bernoulli(kappa of the slot x theta of the item). Weighed by 1 / propensity every slot shows the items alike,
so that clicks per impression of two slots differ by their kappas alone: kappa_k = R_k / R_1 with R = sum(r/p) /
sum(1/p), and kappa of the first slot is 1. An impression then is kappa of a trial. Assumes that the propensities are
right, that every item can stand in every slot (the floor sees to it), and that people look at slots alike whatever
stands there. Source: Joachims, Swaminathan and Schnabel (2017), WSDM; Craswell et al. (2008), WSDM.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from firstlight.kernel.withheld import Reason, Withheld

Vector = NDArray[np.float64]

LEAST = 30  # clicks in a slot
LEAST_ESS = 50.0  # impressions in a slot, by their weights


@dataclass(frozen=True, slots=True)
class Examined:
    """Of one slot."""

    value: float  # kappa: share of the impressions looked at, as against the first slot
    se: float  # standard error; 0 for the first, to which the others are compared
    n: float  # impressions


@dataclass(frozen=True, slots=True)
class _Rate:
    value: float
    relative: float  # variance of its logarithm
    n: float


def kappas(
    position: ArrayLike, trials: ArrayLike, clicks: ArrayLike, inverse: ArrayLike, inverse_clicks: ArrayLike
) -> dict[int, Examined] | Withheld:
    """By slot, from cells (an item in a slot within an hour, say): sums of 1, r, 1/p and r/p over their impressions.

    Cells without a slot (0) or without propensities are left out. The first slot is the lowest. A slot with fewer
    than 30 clicks or an effective sample size under 50 has no line; all is withheld where that is the first one.
    Standard errors by the delta method, taking p for constant within a cell.
    """
    place = np.asarray(position, np.int64)
    n, r, w, wr = (np.asarray(column, np.float64) for column in (trials, clicks, inverse, inverse_clicks))
    known = (place > 0) & (n > 0) & (w > 0)
    slots = np.unique(place[known]).tolist()
    if not slots:
        return Withheld(Reason.NO_DATA)
    rates = {slot: _rate(*(column[known & (place == slot)] for column in (n, r, w, wr))) for slot in slots}
    first = rates[slots[0]]
    if isinstance(first, Withheld):
        return first
    return {slot: _examined(rate, first) for slot, rate in rates.items() if isinstance(rate, _Rate)}


def weights(examined: Mapping[int, Examined] | Withheld, position: ArrayLike) -> Vector:
    """What part of a trial an impression in each of these slots is.

    A slot without a kappa of its own is taken for the nearest one above it that has one: attention falls down the
    page. 1 where nothing is known, the slot of the impression (0) included.
    """
    places = np.asarray(position, np.int64)
    if isinstance(examined, Withheld) or not examined:
        return np.ones(places.shape)
    known = np.array(sorted(examined))
    value = np.array([1.0, *(examined[slot].value for slot in known.tolist())])
    return value[np.searchsorted(known, places, side="right")]


def _rate(n: Vector, r: Vector, w: Vector, wr: Vector) -> _Rate | Withheld:
    """Clicks per impression as if the slot had shown all items alike."""
    if r.sum() < LEAST:
        return Withheld(Reason.NO_DATA)
    squares = float(np.sum(w**2 / n))
    if w.sum() ** 2 < LEAST_ESS * squares:
        return Withheld(Reason.LOW_ESS)
    rate = float(wr.sum() / w.sum())
    clicked = float(np.sum(np.divide(wr**2, r, out=np.zeros_like(wr), where=r > 0)))
    spread = (1 - 2 * rate) * clicked + rate**2 * squares  # sum of (r - rate)^2 / p^2
    return _Rate(rate, spread / float(wr.sum()) ** 2, float(n.sum()))


def _examined(rate: _Rate, first: _Rate) -> Examined:
    value = rate.value / first.value
    return Examined(value, 0.0 if rate is first else value * float(np.sqrt(rate.relative + first.relative)), rate.n)
