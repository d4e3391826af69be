"""What all rows of a table choose at once, and the chances counted off them: milliseconds under any filter. Pure."""

import numpy as np
from numpy.typing import NDArray

from bandits.policies import draws
from bandits.served import Indices, Mask, Table, most_filled

NOBODY = -1
SPARE = 2  # times the places that a row needs on the average are looked at first; most rows then have enough

Rows = NDArray[np.generic]


def slates(table: Table, allowed: Mask, k: int) -> Indices:
    """Shape (S, k'): k' < k when no more items are allowed under the merchant cap."""
    k = most_filled(table, allowed, k)
    chosen = _chosen(table, table.rows, allowed, k)
    short = np.flatnonzero((chosen == NOBODY).any(axis=1))
    if len(short):
        chosen[short] = _chosen(table, np.stack([drawn_again(table, row) for row in short.tolist()]), allowed, k)
    return chosen


def drawn_again(table: Table, row: int) -> Indices:
    """A row to its full length, as it was drawn."""
    return draws.ranking(table.policy, table.beliefs, table.pace, draws.generator(table.seed, row))


def propensities(table: Table, allowed: Mask, k: int) -> NDArray[np.float64]:
    """The formula at the top of bandits.slots, shape (filled slots, items)."""
    if table.is_even:
        n = int(allowed.sum())
        return np.tile(allowed / max(n, 1), (min(k, n), 1))
    return probabilities(table, allowed, slates(table, allowed, k))


def probabilities(table: Table, allowed: Mask, chosen: Indices) -> NDArray[np.float64]:
    """From the slates of all rows."""
    n_rows, k = chosen.shape
    n_items, share = len(allowed), table.floor / k if k else 0.0
    counts = np.array([np.bincount(chosen[:, slot], minlength=n_items) for slot in range(k)]).reshape(k, n_items)
    floor = _alone(allowed, counts) if table.merchant_cap is None else _beside(table, allowed, chosen)
    chances: NDArray[np.float64] = ((1 - share) * counts + share * floor) / n_rows
    return chances


def _chosen(table: Table, rows: Rows, allowed: Mask, k: int) -> Indices:
    """The slates of these rows, shape (n, k); `NOBODY` where a row ends too soon."""
    if table.merchant_cap is None:
        return _fitting(rows, allowed, k)
    chosen = _capped(table, _fitting(rows, allowed, SPARE * k), k)
    short = np.flatnonzero(chosen[:, -1:].ravel() == NOBODY)
    if len(short) and SPARE * k < rows.shape[1]:
        chosen[short] = _capped(table, _fitting(rows[short], allowed, rows.shape[1]), k)
    return chosen


def _fitting(rows: Rows, allowed: Mask, width: int) -> Indices:
    """The first `width` allowed items of each row; first among the places that most rows need, then among all."""
    depth, share = rows.shape[1], max(float(allowed.mean()), 1 / len(allowed)) if len(allowed) else 1.0
    enough = int(SPARE * width / share) + 8
    if enough >= depth:
        return _first(rows, allowed, width)
    found = _first(rows[:, :enough], allowed, width)
    short = np.flatnonzero(found[:, -1:].ravel() == NOBODY)
    found[short] = _first(rows[short], allowed, width)
    return found


def _first(rows: Rows, allowed: Mask, width: int) -> Indices:
    n, depth = rows.shape
    fits = np.flatnonzero(allowed[rows])
    if not len(fits):
        return np.full((n, width), NOBODY, np.intp)
    starts = np.searchsorted(fits, np.arange(n + 1) * depth)
    places = starts[:-1, None] + np.arange(width)
    at = fits[np.minimum(places, len(fits) - 1)]
    return np.where(places < starts[1:, None], rows[at // depth, at % depth].astype(np.intp), NOBODY)


def _capped(table: Table, ranked: Indices, k: int) -> Indices:
    """The first `k` of each row's allowed items of which no merchant has too many."""
    every, filled = np.arange(len(ranked)), np.zeros(len(ranked), np.intp)
    chosen = np.full((len(ranked), k), NOBODY, np.intp)
    held = np.full((len(ranked), k), NOBODY, np.intp)  # the owners of the chosen
    for item in ranked.T:
        owner = table.owners[item]
        takes = (item != NOBODY) & (filled < k) & ((held == owner[:, None]).sum(axis=1) < table.merchant_cap)
        row = every[takes]
        chosen[row, filled[row]], held[row, filled[row]] = item[row], owner[row]
        filled += takes
        if (filled == k).all():
            break
    return chosen


def _alone(allowed: Mask, counts: NDArray[np.intp]) -> NDArray[np.float64]:
    """Without a cap: sum over rows of 1{not in the rest of the slate} / (allowed less the rest), shape (k, items)."""
    k, n_rows = len(counts), int(counts[:1].sum())
    elsewhere = counts.sum(axis=0) - counts
    chances: NDArray[np.float64] = np.where(allowed, (n_rows - elsewhere) / max(int(allowed.sum()) - k + 1, 1), 0.0)
    return chances


def _beside(table: Table, allowed: Mask, chosen: Indices) -> NDArray[np.float64]:
    """Sum over rows of 1{item may stand at the slot} / (how many may), shape (k, items).

    Counted from the other side: an item has the chance of every row less that of the rows where the rest of the slate
    blocks it, itself being there or its merchant having all that the cap allows.
    """
    k = chosen.shape[1]
    owner = table.owners[chosen]
    same = owner[:, :, None] == owner[:, None, :]
    crowd = same.sum(axis=2)
    n_owners = int(table.owners.max(initial=-1)) + 1
    owned = np.bincount(table.owners[allowed], minlength=n_owners)
    chances = np.zeros((k, len(allowed)))
    for slot in range(k):
        others = np.delete(np.arange(k), slot)
        held = (crowd - same[:, :, slot])[:, others]  # by its owner, in the rest
        item, whose = chosen[:, others], owner[:, others]
        full = held >= table.merchant_cap
        # Each of the `held` items of a full merchant stands for an equal part of all that the merchant has.
        blocked = np.where(full, owned[whose] / held, 1.0).sum(axis=1)
        weight = 1.0 / (allowed.sum() - np.rint(blocked))
        weights = np.broadcast_to(weight[:, None], item.shape)
        itself = np.bincount(item[~full], weights[~full], minlength=len(allowed))
        merchant = np.bincount(whose[full], (weights / held)[full], minlength=n_owners)
        chances[slot] = np.where(allowed, np.maximum(weight.sum() - itself - merchant[table.owners], 0.0), 0.0)
    return chances
