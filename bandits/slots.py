"""From a draw table to the slots of one page, with the exact probability of every item in every slot.

A keyed hash of the trace picks a row of the table. The slate is the first k items of that row which the request
allows and which keep to the merchant cap. With probability `floor` one of the k slots, each alike, is given instead
to an item drawn uniformly from all that may stand there beside the rest of the slate. So, over S rows,

    P(item i in slot r) = (1 - floor / k) count(i, r) / S
                        + (floor / k) mean over rows of 1{i may stand at r} / (how many may)

which for a page of one slot is (1 - floor) count / S + floor / eligible. Nothing is estimated: what is logged was
counted off the rows that choose. A row too short for a filter is drawn again, from its own seed and to its full
length, so a table is only a stored beginning of S complete rankings (`source` "fresh" tells such a slot).

1,024 rows at random show no two items equally often. So a trace also turns the slate of a uniform policy: of m allowed
items, in the order of the table, each place moves on by a number drawn from 0 to m - 1, the same for all slots, and
every item stands in every slot with probability 1 / m, exactly (not under a merchant cap, which a turn may break).

The hash is not the one that assigns experiments: with the same one, allocations would go hand in hand.
"""

from collections.abc import Sequence
from hashlib import blake2b
from struct import Struct
from typing import NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from bandits import slates
from bandits.served import Filter, Indices, Mask, Table, mask, most_filled

__all__ = ["Filter", "Pick", "Table", "choose", "coins", "mask", "prepare", "propensities", "replay"]

_WORDS, _WORD = Struct("<4Q"), Struct("<Q")
REMEMBERED = 32  # filters whose propensities a table keeps: most requests name one of a few categories


class Pick(msgspec.Struct, frozen=True, gc=False):
    """One slot, filled. A struct: a request makes one for each slot, in a third of the time of a named tuple."""

    item: int  # index into the table's items
    source: str  # "table", "floor" or "fresh"
    propensity: float | None = None  # of this item in this slot; None under a filter, where it takes longer to count


class Prepared(NamedTuple):
    """What is known before a request comes that brings no filter."""

    chosen: NDArray[np.generic]  # (S, slots): what each row shows
    chances: NDArray[np.float64]  # (slots, items)
    known: NDArray[np.float64]  # (S, slots): the chance of what is shown; looked up in `chances` it would be 1 us


def choose(table: Table, trace_id: str, k: int, limits: Filter | None = None) -> tuple[int, list[Pick]]:
    """The row of this trace and at most `k` filled slots: the same for the same table, trace, `k` and filter."""
    row_word, floor_word, slot_word, item_word = coins(table.campaign, table.number, trace_id)
    row = row_word * table.n_rows >> 64
    if limits is None and not table.is_even:
        made = prepare(table, k)
        shown = zip(made.chosen[row].tolist(), made.known[row].tolist(), strict=True)
        picks = [Pick(item, "table", chance) for item, chance in shown]
        allowed = table.everything
    else:
        allowed = mask(table, limits)
        picks = _picks(table, row, k, allowed)
        if table.is_even:
            picks = _turned(table, trace_id, allowed, picks)
    if picks and floor_word < table.floor * 2**64:
        slot = slot_word * len(picks) >> 64
        rest = [pick.item for place, pick in enumerate(picks) if place != slot]
        item = _uniform(table, rest, allowed, item_word)
        picks[slot] = Pick(item, "floor", _chance(table, k, slot, item, picks[slot].propensity))
    return row, picks


def prepare(table: Table, k: int) -> Prepared:
    """Milliseconds at the first time, nothing later."""
    if k not in table.prepared:
        chosen = slates.slates(table, table.everything, k)
        chances = slates.probabilities(table, table.everything, chosen)
        known = chances[np.arange(chosen.shape[1]), chosen]
        table.prepared[k] = Prepared(chosen.astype(table.rows.dtype), chances, known)
    prepared: Prepared = table.prepared[k]
    return prepared


def coins(campaign: str, table: int, trace_id: str) -> tuple[int, ...]:
    """Four independent uniform 64-bit numbers of a trace: for the row, the floor, the slot it takes, and its item."""
    return _WORDS.unpack(blake2b(_said(campaign, table, trace_id), digest_size=32, person=b"firstlight slots").digest())


def turn(campaign: str, table: int, trace_id: str) -> int:
    """One more, for the tables of a uniform policy."""
    digest = blake2b(_said(campaign, table, trace_id), digest_size=8, person=b"firstlight turn").digest()
    word: int = _WORD.unpack(digest)[0]
    return word


def replay(table: Table, trace_id: str, k: int, limits: Filter | None, *, row: int, items: Sequence[str]) -> bool:
    """Whether a logged decision is what this table gives, item by item."""
    again, picks = choose(table, trace_id, k, limits)
    return again == row and [table.items[pick.item] for pick in picks] == list(items)


def propensities(table: Table, k: int, limits: Filter | None = None) -> NDArray[np.float64]:
    """P(item in slot), shape (filled slots, items); each slot sums to 1. Milliseconds under a new filter."""
    if limits is None and not table.is_even:
        return prepare(table, k).chances
    key = (k, limits.key if limits else None)
    if key not in table.counted:
        if len(table.counted) >= REMEMBERED:
            table.counted.clear()
        table.counted[key] = slates.propensities(table, mask(table, limits), k)
    return table.counted[key]


def _said(campaign: str, table: int, trace_id: str) -> bytes:
    return f"{campaign}\0{table}\0{trace_id}".encode("utf-8", "surrogatepass")


def _picks(table: Table, row: int, k: int, allowed: Mask) -> list[Pick]:
    """What one row gives under a filter, and where it came from: for the path, where one row is all that is needed."""
    chosen = _walk(table, table.rows[row], allowed, k)
    if len(chosen) == k or table.whole or len(chosen) == most_filled(table, allowed, k):
        return [Pick(item, "table") for item in chosen]
    return [Pick(item, "fresh") for item in _walk(table, slates.drawn_again(table, row), allowed, k)]


def _walk(table: Table, ranked: NDArray[np.generic], allowed: Mask, k: int) -> list[int]:
    fitting = ranked[allowed[ranked]]
    if table.merchant_cap is None:
        first: list[int] = fitting[:k].tolist()
        return first
    chosen: list[int] = []
    held: dict[str, int] = {}
    for item in fitting.tolist():
        if len(chosen) == k:
            break
        if merchant := table.merchants[item]:
            if held.get(merchant, 0) >= table.merchant_cap:
                continue
            held[merchant] = held.get(merchant, 0) + 1
        chosen.append(item)
    return chosen


def _turned(table: Table, trace_id: str, allowed: Mask, picks: list[Pick]) -> list[Pick]:
    """Each place as many items further on, round the allowed ones."""
    among: Indices = np.flatnonzero(allowed)
    by = turn(table.campaign, table.number, trace_id) * len(among) >> 64
    places = np.searchsorted(among, [pick.item for pick in picks])
    moved = among[(places + by) % max(len(among), 1)].tolist()
    return [Pick(item, pick.source, 1 / len(among)) for item, pick in zip(moved, picks, strict=True)]


def _chance(table: Table, k: int, slot: int, item: int, known: float | None) -> float | None:
    """Of the floor's item; only told where that of the row's own item is."""
    if known is None or table.is_even:
        return known
    return float(prepare(table, k).chances[slot, item])


def _uniform(table: Table, rest: list[int], allowed: Mask, word: int) -> int:
    """One of all items that may stand beside the rest of the slate, by a uniform 64-bit number."""
    free = allowed.copy()
    free[rest] = False
    if table.merchant_cap is not None:
        held = np.bincount(table.owners[rest], minlength=int(table.owners.max()) + 1)
        free &= held[table.owners] < table.merchant_cap
    candidates = np.flatnonzero(free)
    return int(candidates[word * len(candidates) >> 64])
