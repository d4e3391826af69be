"""How much of what is shown in a slot is looked at: kappa of the position-based model, from the randomised slots.

A click is Bernoulli(kappa of the slot x theta of the item). An item is compared with itself: within a stratum (one item
in one hour, say) clicks per impression of two slots, each weighed by 1 / propensity, differ by their kappas alone, and
kappa of the first slot is 1. Strata are pooled by what they can tell, as Mantel and Haenszel pool them: kappa_k = sum(h
R_k) / sum(h R_1) with R = sum(r/p) / sum(1/p) and h = n_k n_1 / (n_k + n_1). To weigh all items alike instead, whatever
a slot showed of them, would let the few impressions of the floor decide. An impression then is kappa of a trial.

Assumes that the propensities are right, and that people look at slots alike whatever stands there. Source: Joachims,
Swaminathan and Schnabel (2017), WSDM; Craswell et al. (2008), WSDM; Greenland and Robins (1985), Biometrics 41.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from firstlight.kernel.withheld import Reason, Withheld

Vector = NDArray[np.float64]

LEAST = 30  # clicks of the strata that a slot shares with the first, in each of the two


@dataclass(frozen=True, slots=True)
class Examined:
    """Of one slot."""

    value: float  # kappa: share of the impressions looked at, as against the first slot
    se: float  # standard error; 0 for the first, to which the others are compared
    n: float  # impressions


@dataclass(frozen=True, slots=True, eq=False)
class _Slot:
    """Sums over each stratum, shape (strata,)."""

    n: Vector
    clicks: Vector
    rate: Vector  # of the impressions weighed by 1 / propensity; 0 where there are none


class Cells(NamedTuple):
    """One number each of every cell."""

    stratum: ArrayLike  # 0, 1, …: what is compared with itself
    position: ArrayLike  # 0: not known
    trials: ArrayLike
    clicks: ArrayLike
    inverse: ArrayLike  # sum of 1/p
    inverse_clicks: ArrayLike  # sum of r/p


def kappas(cells: Cells) -> dict[int, Examined] | Withheld:
    """By slot.

    Cells without a slot or without propensities are left out. The first slot is the lowest. A slot with fewer than
    30 clicks in what it shares with the first, or the first with it, has no line; all is withheld where the first has
    fewer than 30. Standard errors by the delta method, taking p for constant within a cell.
    """
    within, place = (np.asarray(column, np.int64) for column in cells[:2])
    sums = [np.asarray(column, np.float64) for column in cells[2:]]
    known = (place > 0) & (sums[0] > 0) & (sums[2] > 0)
    numbers = np.unique(place[known]).tolist()
    if not numbers:
        return Withheld(Reason.NO_DATA)
    strata = int(within.max()) + 1
    slots = {k: _slot(within, sums, known & (place == k), strata) for k in numbers}
    first = slots.pop(numbers[0])
    if first.clicks.sum() < LEAST:
        return Withheld(Reason.NO_DATA)
    told = {k: _compared(slot, first) for k, slot in slots.items()}
    found = {k: one for k, one in told.items() if one is not None}
    return {numbers[0]: Examined(1.0, 0.0, float(first.n.sum()))} | found


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


def _slot(stratum: NDArray[np.int64], sums: list[Vector], here: NDArray[np.bool_], strata: int) -> _Slot:
    n, clicks, w, wr = (np.bincount(stratum[here], column[here], strata).astype(np.float64) for column in sums)
    return _Slot(n, clicks, np.divide(wr, w, out=np.zeros_like(w), where=w > 0))


def _compared(slot: _Slot, first: _Slot) -> Examined | None:
    """As against the first, in what both showed."""
    both = (slot.n > 0) & (first.n > 0)
    if min(slot.clicks[both].sum(), first.clicks[both].sum()) < LEAST:
        return None
    n, n1, clicked = slot.n[both], first.n[both], slot.clicks[both] + first.clicks[both]
    shared = n * n1 / (n + n1)
    base = float(shared @ first.rate[both])
    value = float(shared @ slot.rate[both]) / base
    rate = np.minimum(clicked / (value * n + n1), 1.0)  # of the item where it is looked at
    spread = value * rate * (1 - np.minimum(value * rate, 1.0)) / n + value**2 * rate * (1 - rate) / n1
    return Examined(value, float(np.sqrt(shared**2 @ spread)) / base, float(slot.n.sum()))
