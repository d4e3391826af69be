"""From a draw table to the slots of one page, with the exact probability of every item in every slot.

A keyed hash of the trace picks a row of the table. The slate is the first k items of that row which the request
allows and which keep to the merchant cap. With probability `floor` one of the k slots, each alike, is given instead
to an item drawn uniformly from all that may stand there beside the rest of the slate. So, over S rows,

    P(item i in slot r) = (1 - floor / k) count(i, r) / S
                        + (floor / k) mean over rows of 1{i may stand at r} / (how many may)

which for a page of one slot is (1 - floor) count / S + floor / eligible. Nothing is estimated: what is logged was
counted off the rows that choose. A row too short for a filter is drawn again, from its own seed and to its full
length, so a table is only a stored beginning of S complete rankings (`source` "fresh" tells such a slot).

The hash is not the one that assigns experiments: with the same one, allocations would go hand in hand.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from hashlib import blake2b
from struct import Struct
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from bandits.policies import draws
from bandits.policies.beliefs import Beta
from bandits.policies.policy import Policy

_WORDS = Struct("<4Q")
_NOBODY = -1
REMEMBERED = 32  # filters whose propensities a table keeps: most requests name one of a few categories

Indices = NDArray[np.intp]
Mask = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Filter:
    """What a request allows: every named attribute has one of the values listed, and the item is not excluded."""

    eligible: Mapping[str, frozenset[str]] = field(default_factory=dict)  # {"category": {"dress"}, "merchant": {…}}
    excluded: frozenset[str] = frozenset()


class Pick(NamedTuple):
    """One slot, filled."""

    item: int  # index into the table's items
    source: str  # "table", "floor" or "fresh"
    propensity: float | None = None  # of this item in this slot; None under a filter, where it takes longer to count


@dataclass(frozen=True, eq=False)
class Table:
    """A draw table with all that decides by it. A value: the lists for speed are made once, from the fields."""

    campaign: str
    number: int  # of the table, never used twice
    seed: int
    items: tuple[str, ...]
    merchants: tuple[str, ...]  # in the order of `items`; "" is nobody, whom no cap binds
    categories: tuple[str, ...]
    a: draws.Vector  # the posterior that the rows were drawn from
    b: draws.Vector
    rows: draws.Rows
    floor: float
    merchant_cap: int | None

    @property
    def n_rows(self) -> int:
        return len(self.rows)

    @property
    def whole(self) -> bool:
        """Whether every row ranks every item."""
        return bool(self.rows.shape[1] == len(self.items))

    @cached_property
    def attributes(self) -> dict[str, tuple[str, ...]]:
        """What a filter may name."""
        return {"category": self.categories, "merchant": self.merchants}

    @cached_property
    def owners(self) -> Indices:
        """Merchant of each item as a number; an item of nobody has an owner of its own."""
        names = [merchant or f"\0{index}" for index, merchant in enumerate(self.merchants)]
        return np.unique(np.array(names, dtype=object).astype(str), return_inverse=True)[1].astype(np.intp)

    @cached_property
    def indices(self) -> dict[str, int]:
        return {item: index for index, item in enumerate(self.items)}

    @cached_property
    def everything(self) -> Mask:
        return np.ones(len(self.items), bool)

    @cached_property
    def prepared(self) -> "dict[int, tuple[list[list[Pick]], list[list[float]]]]":
        """For each number of slots asked so far without a filter: what the rows pick, and propensities by slot."""
        return {}

    @cached_property
    def counted(self) -> dict[object, NDArray[np.float64]]:
        """Propensities of some filters asked for lately."""
        return {}

    def unfiltered(self, k: int) -> "tuple[list[list[Pick]], list[list[float]]]":
        if k not in self.prepared:
            chosen = slates(self, self.everything, k)
            chances = _probabilities(self, self.everything, chosen)
            known = chances[np.arange(chosen.shape[1]), chosen].tolist()  # beside the pick: looked up apart, it is 2 us
            rows = zip(chosen.tolist(), known, strict=True)
            picks = [[Pick(i, "table", p) for i, p in zip(*row, strict=True)] for row in rows]
            self.prepared[k] = picks, chances.tolist()
        return self.prepared[k]


def choose(table: Table, trace_id: str, k: int, limits: Filter | None = None) -> tuple[int, list[Pick]]:
    """The row of this trace and at most `k` filled slots: the same for the same table, trace, `k` and filter."""
    row_word, floor_word, slot_word, item_word = coins(table.campaign, table.number, trace_id)
    row = row_word * table.n_rows >> 64
    picks = table.unfiltered(k)[0][row] if limits is None else _picks(table, row, k, limits)
    if picks and floor_word < table.floor * 2**64:
        slot = slot_word * len(picks) >> 64
        allowed = table.everything if limits is None else mask(table, limits)
        rest = [pick.item for place, pick in enumerate(picks) if place != slot]
        item = _uniform(table, rest, allowed, item_word)
        drawn = Pick(item, "floor", table.unfiltered(k)[1][slot][item] if limits is None else None)
        picks = [*picks[:slot], drawn, *picks[slot + 1 :]]
    return row, picks


def coins(campaign: str, table: int, trace_id: str) -> tuple[int, ...]:
    """Four independent uniform 64-bit numbers of a trace: for the row, the floor, the slot it takes, and its item."""
    text = f"{campaign}\0{table}\0{trace_id}".encode("utf-8", "surrogatepass")
    return _WORDS.unpack(blake2b(text, digest_size=32, person=b"firstlight slots").digest())


def replay(table: Table, trace_id: str, k: int, limits: Filter | None, *, row: int, items: Sequence[str]) -> bool:
    """Whether a logged decision is what this table gives, item by item."""
    again, picks = choose(table, trace_id, k, limits)
    return again == row and [table.items[pick.item] for pick in picks] == list(items)


def mask(table: Table, limits: Filter) -> Mask:
    """Which items a request allows, in the order of the table's items."""
    allowed = _allows(table, limits)
    return np.fromiter(map(allowed, range(len(table.items))), bool, len(table.items))


def propensities(table: Table, k: int, limits: Filter | None = None) -> NDArray[np.float64]:
    """P(item in slot), shape (filled slots, items); each slot sums to 1. Milliseconds under a filter."""
    if limits is None:
        return np.asarray(table.unfiltered(k)[1]).reshape(-1, len(table.items))
    key = (k, limits.excluded, frozenset(limits.eligible.items()))
    if key not in table.counted:
        if len(table.counted) >= REMEMBERED:
            table.counted.clear()
        allowed = mask(table, limits)
        table.counted[key] = _probabilities(table, allowed, slates(table, allowed, k))
    return table.counted[key]


def slates(table: Table, allowed: Mask, k: int) -> Indices:
    """What every row gives, shape (S, k'): k' < k when no more items are allowed under the merchant cap.

    The cap lets a set of items through if no merchant has too many: a partition matroid, in which every greedy
    choice ends equally long, so all rows of full length fill the same number of slots.
    """
    chosen, filled = _greedy(table, table.rows, allowed, k)
    short = np.flatnonzero(filled < k)
    if len(short) and not table.whole and filled.min() < k:
        again = np.stack([_drawn_again(table, row) for row in short.tolist()])
        chosen[short], filled[short] = _greedy(table, again, allowed, k)
    return chosen[:, : filled.max(initial=0)]


def _picks(table: Table, row: int, k: int, limits: Filter) -> list[Pick]:
    """What one row gives under a filter, and where it came from: for the path, where one row is all that is needed."""
    allowed = _allows(table, limits)
    chosen = _walk(table, table.rows[row].tolist(), allowed, k)
    if len(chosen) == k or table.whole:
        return [Pick(item, "table") for item in chosen]
    return [Pick(item, "fresh") for item in _walk(table, _drawn_again(table, row).tolist(), allowed, k)]


def _walk(table: Table, ranked: list[int], allowed: Callable[[int], bool], k: int) -> list[int]:
    chosen: list[int] = []
    held: dict[str, int] = {}
    for item in ranked:
        if len(chosen) == k:
            break
        if not allowed(item):
            continue
        if table.merchant_cap is not None and (merchant := table.merchants[item]):
            if held.get(merchant, 0) >= table.merchant_cap:
                continue
            held[merchant] = held.get(merchant, 0) + 1
        chosen.append(item)
    return chosen


def _allows(table: Table, limits: Filter) -> Callable[[int], bool]:
    """An attribute that the table does not know is had by no item: rather an empty slot than a forbidden item."""
    unknown = [""] * len(table.items)
    wanted = [(table.attributes.get(name, unknown), values - {""}) for name, values in limits.eligible.items()]
    items, excluded = table.items, limits.excluded

    def allowed(item: int) -> bool:
        return items[item] not in excluded and all(values[item] in among for values, among in wanted)

    return allowed


def _drawn_again(table: Table, row: int) -> Indices:
    believed = Beta(table.items, table.a, table.b)
    return draws.ranking(Policy(), believed, None, draws.generator(table.seed, row))


def _uniform(table: Table, rest: list[int], allowed: Mask, word: int) -> int:
    """One of all items that may stand beside the rest of the slate, by a uniform 64-bit number."""
    free = allowed.copy()
    free[rest] = False
    if table.merchant_cap is not None:
        held = np.bincount(table.owners[rest], minlength=int(table.owners.max()) + 1)
        free &= held[table.owners] < table.merchant_cap
    candidates = np.flatnonzero(free)
    return int(candidates[word * len(candidates) >> 64])


def _greedy(table: Table, rows: NDArray[np.generic], allowed: Mask, k: int) -> tuple[Indices, Indices]:
    """`_walk` for many rows at once: the slates (n, k), `_NOBODY` where unfilled, and how many places are filled."""
    n = len(rows)
    every = np.arange(n)
    chosen, filled = np.full((n, k), _NOBODY, np.intp), np.zeros(n, np.intp)
    capped = table.merchant_cap is not None
    held = np.zeros((n, int(table.owners.max(initial=-1)) + 1 if capped else 1), np.int16)
    for column in rows.T:
        if (filled == k).all():
            break
        item = column.astype(np.intp)
        takes = allowed[item] & (filled < k)
        if capped:
            takes &= held[every, table.owners[item]] < table.merchant_cap
            held[every, table.owners[item]] += takes
        chosen[every[takes], filled[takes]] = item[takes]
        filled += takes
    return chosen, filled


def _probabilities(table: Table, allowed: Mask, chosen: Indices) -> NDArray[np.float64]:
    """The formula at the top of this module, shape (k, items), from the slates of all rows."""
    n_rows, k = chosen.shape
    share = table.floor / k if k else 0.0
    counts = [np.bincount(chosen[:, slot], minlength=len(table.items)) / n_rows for slot in range(k)]
    chances = [(1 - share) * counts[r] + share * _floor_chances(table, allowed, chosen, r) for r in range(k)]
    return np.array(chances).reshape(k, len(table.items))


def _floor_chances(table: Table, allowed: Mask, chosen: Indices, slot: int) -> NDArray[np.float64]:
    """Mean over rows of 1{item may stand at `slot`} / (how many may), shape (items,).

    Counted from the other side: an item has the chance of every row less that of the rows where the rest of the slate
    blocks it, itself being there or its merchant having all that the cap allows.
    """
    rest = np.delete(chosen, slot, axis=1)
    owner = table.owners[rest]
    held = (owner[:, :, None] == owner[:, None, :]).sum(axis=2)  # by its owner, in the rest
    full = held >= table.merchant_cap if table.merchant_cap is not None else np.zeros_like(rest, bool)
    owned = np.bincount(table.owners[allowed], minlength=int(table.owners.max()) + 1)
    # Each of the `held` items of a full merchant stands for an equal part of all that the merchant has.
    blocked = np.where(full, owned[owner] / held, 1.0).sum(axis=1)
    weight = 1.0 / (allowed.sum() - np.rint(blocked))
    weights = np.broadcast_to(weight[:, None], rest.shape)
    itself = np.bincount(rest[~full], weights[~full], minlength=len(table.items))
    merchant = np.bincount(owner[full], (weights / held)[full], minlength=len(owned))
    return np.where(allowed, np.maximum(weight.sum() - itself - merchant[table.owners], 0.0), 0.0) / len(chosen)
