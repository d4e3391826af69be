"""The chance that a table fills the first j slots of a page so: what whole slates are valued by. Pure.

Counted off the rows as propensities are (bandits.slots): a slate comes from a row as it is, or from a row that agrees
in all slots but the one which the floor gave away. Both are linear in the floor, so chances at floor 0 and 1 are told,
and any other floor lies between. The rows of an even table were drawn uniformly and say nothing of items; over how
they were drawn every slate of m items has the same chance, 1/m · 1/(m - 1) · …
"""

from dataclasses import replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from bandits import slates
from bandits.served import Indices, Mask, Table

Vector = NDArray[np.float64]

CHUNK = 64  # slates at a time: with 1,024 rows of 10 slots some 10 MB


class Ends(NamedTuple):
    """At floor 0 and at floor 1."""

    none: Vector
    all: Vector

    def at(self, floor: float) -> Vector:
        return (1 - floor) * self.none + floor * self.all


def prefixes(table: Table, allowed: Mask, chosen: Indices) -> Ends:
    """Of these slates, (n, k) places of the table's items (-1: none of them): for each slot up to there, (n, k)."""
    known = (chosen >= 0) & allowed[chosen]
    if table.is_even:
        even = _even(int(allowed.sum()), chosen, known)
        return Ends(even, even)
    rows = slates.slates(table, allowed, chosen.shape[1])
    if rows.shape[1] < chosen.shape[1] or not len(chosen):
        nothing = np.zeros(chosen.shape)
        return Ends(nothing, nothing)
    free = [_free(table, allowed, np.delete(rows, slot, axis=1)) for slot in range(rows.shape[1])]
    parts = [_counted(table, rows, free, chosen[i : i + CHUNK]) for i in range(0, len(chosen), CHUNK)]
    fits = np.logical_and.accumulate(known, axis=1)
    return Ends(*(np.where(fits, np.concatenate(side), 0.0) for side in zip(*parts, strict=True)))


def chances(table: Table, allowed: Mask, k: int) -> Ends:
    """P(item in slot), each (filled slots, items)."""
    if table.is_even:
        uniform = slates.propensities(table, allowed, k)
        return Ends(uniform, uniform)
    rows = slates.slates(table, allowed, k)
    none, whole = (slates.probabilities(at, allowed, rows) for at in _at_both_ends(table))
    return Ends(none, whole)


def _at_both_ends(table: Table) -> tuple[Table, Table]:
    return replace(table, floor=0.0), replace(table, floor=1.0)


def _even(n_allowed: int, chosen: Indices, known: NDArray[np.bool_]) -> Vector:
    one: Vector = 1.0 / np.maximum(n_allowed - np.arange(chosen.shape[1]), 1)
    return np.asarray(np.cumprod(np.where(known, one, 0.0), axis=1), np.float64)


def _counted(table: Table, rows: Indices, free: list[Vector], chosen: Indices) -> tuple[Vector, Vector]:
    """Shares of the rows that agree; and of those that agree but for one slot, whose item the floor may draw."""
    k = chosen.shape[1]
    same = rows[None] == chosen[:, None]  # (n, S, k)
    agrees = np.logical_and.accumulate(same, axis=2).mean(axis=1)
    floor = np.zeros(chosen.shape)
    for slot in range(k):
        but = same.copy()
        but[:, :, slot] = True
        drawn = _may_stand(table, np.delete(rows, slot, axis=1), chosen[:, slot]) * free[slot]  # (n, S)
        floor[:, :slot] += agrees[:, :slot]  # the slot given away comes after these
        agreed = np.logical_and.accumulate(but, axis=2)[:, :, slot:]
        floor[:, slot:] += np.einsum("nsj,ns->nj", agreed, drawn) / len(rows)
    return agrees, floor / k


def _may_stand(table: Table, rest: Indices, item: Indices) -> NDArray[np.bool_]:
    """Whether each item may stand beside the rest of each row, (n, S)."""
    stands: NDArray[np.bool_] = ~(rest[None] == item[:, None, None]).any(axis=2)
    if table.merchant_cap is not None:
        held = (table.owners[rest][None] == table.owners[item][:, None, None]).sum(axis=2)
        stands &= held < table.merchant_cap
    return stands


def _free(table: Table, allowed: Mask, rest: Indices) -> Vector:
    """1 / how many items may stand beside the rest of each row, (S,)."""
    if table.merchant_cap is None:
        return np.full(len(rest), 1 / max(int(allowed.sum()) - rest.shape[1], 1))
    owner = table.owners[rest]
    held = (owner[:, :, None] == owner[:, None, :]).sum(axis=2)
    owned = np.bincount(table.owners[allowed], minlength=int(table.owners.max(initial=0)) + 1)
    # Each of the `held` items of a full merchant stands for an equal part of all that the merchant has.
    blocked = np.where(held >= table.merchant_cap, owned[owner] / np.maximum(held, 1), 1.0).sum(axis=1)
    found: Vector = 1 / np.maximum(allowed.sum() - np.rint(blocked), 1)
    return found
