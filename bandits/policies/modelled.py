"""A model of the reward, q(slot, item), fitted to the choices that it is not asked about.

A cell of item and slot is shrunk to what the item earns elsewhere and the slot gives others (rate of the item x factor
of the slot), the item to the mean of all. Doubly robust estimates stay unbiased under any model that has not seen the
choice it corrects, so this one is simple: better cells only narrow the interval.

*Crossed*: the choices of a unit are in one fold, which the model of that fold has not seen (Chernozhukov et al. 2018,
Econometrics Journal 21). *Past*: the model of a block knows only the blocks before it, as adaptive data demands.
"""

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

Vector = NDArray[np.float64]
Indices = NDArray[np.intp]
Knows = Literal["others", "past"]

STRENGTH = 20.0  # choices that shrinkage weighs: at click rates of some percent a cell of fewer tells little by itself
N_FOLDS = 5
MOST_BLOCKS = 20


@dataclass(frozen=True, slots=True, eq=False)
class Chosen:
    """n logged choices; every array has shape (n,)."""

    reward: Vector
    slot: Indices  # from 0
    item: Indices


@dataclass(frozen=True, slots=True, eq=False)
class Model:
    """What each group of choices is told by a model that has not seen it."""

    group: Indices  # (n,) of each choice
    rates: Vector  # (groups, slots, items)

    def of(self, chosen: Chosen) -> Vector:
        """q of the logged choices, shape (n,)."""
        found: Vector = self.rates[self.group, chosen.slot, chosen.item]
        return found


def crossed(chosen: Chosen, clusters: NDArray[Any], shape: tuple[int, int]) -> Model:
    """`shape` is (slots, items)."""
    return _model(chosen, folds(clusters), shape, "others")


def past(chosen: Chosen, versions: Indices, shape: tuple[int, int]) -> Model:
    """`versions`, shape (n,), ascend with time. Before there is a past the model says nothing: 0."""
    return _model(chosen, blocks(versions), shape, "past")


def folds(clusters: NDArray[Any]) -> Indices:
    """The fold of each row, from 0: rows of one cluster are in one fold."""
    return np.asarray(np.unique(clusters, return_inverse=True)[1].ravel() % N_FOLDS, dtype=np.intp)


def blocks(versions: Indices) -> Indices:
    """Versions in their order, bundled into at most `MOST_BLOCKS` blocks of neighbours."""
    known, place = np.unique(versions, return_inverse=True)
    per_block = -(-len(known) // MOST_BLOCKS)
    return np.asarray(place.ravel() // max(per_block, 1), dtype=np.intp)


def rates(n: Vector, sums: Vector) -> Vector:
    """q of every slot and item from the choices and rewards of each, all of shape (slots, items)."""
    total = float(n.sum())
    overall = float(sums.sum()) / total if total else 0.0
    slot = (sums.sum(axis=1) + STRENGTH * overall) / (n.sum(axis=1) + STRENGTH)
    factor = slot / overall if overall else np.ones(len(slot))
    item = (sums.sum(axis=0) + STRENGTH * overall) / (factor @ n + STRENGTH)
    found: Vector = (sums + STRENGTH * np.outer(factor, item)) / (n + STRENGTH)
    return found


def _model(chosen: Chosen, group: Indices, shape: tuple[int, int], knows: Knows) -> Model:
    n_slots, n_items = shape
    n_groups = int(group.max(initial=-1)) + 1
    cell = (group * n_slots + chosen.slot) * n_items + chosen.item
    size = n_groups * n_slots * n_items
    sides = (np.ones(len(cell)), chosen.reward)
    sums = [np.bincount(cell, side, size).astype(np.float64) for side in sides]
    seen = [_seen(side.reshape(n_groups, *shape), knows) for side in sums]
    return Model(group, np.array([rates(n, sums) for n, sums in zip(*seen, strict=True)]).reshape(n_groups, *shape))


def _seen(own: Vector, knows: Knows) -> Vector:
    return own.sum(axis=0) - own if knows == "others" else np.cumsum(own, axis=0) - own
