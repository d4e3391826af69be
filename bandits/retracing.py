"""How one row of a draw table became the slots of one page, step by step. Pure: the same values give the same story.

The row is drawn again from its own seed, so the scores are those that decided, whenever it is asked.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from bandits import slots
from bandits.policies import beliefs, draws
from bandits.policies.beliefs import Beliefs, Vector
from bandits.policies.policy import scores
from bandits.served import Filter, Table, mask

SHOWN = 20  # items of the row that are told, and whatever was chosen further down


@dataclass(frozen=True, slots=True)
class Step:
    """One item of the row, best first."""

    rank: int  # in the row, from 1
    item: str
    score: float  # what was drawn or believed, and its pace
    mean: float  # of what was believed then, with its 95 % interval
    low: float
    high: float
    slot: int | None  # from 0: the place that the row gave it
    skipped: str  # why it got none while there were free ones; else empty


@dataclass(frozen=True, slots=True)
class Retraced:
    row: int
    steps: tuple[Step, ...]
    n_allowed: int
    floor_drawn: float  # in [0, 1): below the floor, one slot is drawn at random
    floor_slot: int | None  # which, from 0
    instead_of: str  # what the row would have shown there
    turned_by: int | None  # places, round the allowed items; None: not a uniform table


def retraced(table: Table, trace_id: str, k: int, limits: Filter | None) -> Retraced:
    """What happened for this trace; `slots.choose` tells what came of it."""
    row_word, floor_word, slot_word, _ = slots.coins(table.campaign, table.number, trace_id)
    row, allowed = row_word * table.n_rows >> 64, mask(table, limits)
    steps = tuple(_steps(table, row, k, limits))
    n_filled = sum(step.slot is not None for step in steps)
    taken = slot_word * n_filled >> 64 if n_filled and floor_word < table.floor * 2**64 else None
    return Retraced(
        row,
        steps,
        int(allowed.sum()),
        floor_word / 2**64,
        taken,
        next((step.item for step in steps if step.slot is not None and step.slot == taken), ""),
        slots.turn(table.campaign, table.number, trace_id) * int(allowed.sum()) >> 64 if table.is_even else None,
    )


def _steps(table: Table, row: int, k: int, limits: Filter | None) -> Iterator[Step]:
    score = scores(table.policy, table.beliefs, table.pace, draws.generator(table.seed, row))
    chosen = list(_chosen(table, draws.best(score).tolist(), k, limits))
    told = [one for one in chosen if one[0] <= SHOWN or one[2] is not None]
    mean, low, high = _believed(table.beliefs, [item for _, item, _, _ in told])
    for place, (rank, item, slot, skipped) in enumerate(told):
        numbers = (float(score[item]), float(mean[place]), float(low[place]), float(high[place]))
        yield Step(rank, table.items[item], *numbers, slot, skipped)


def _chosen(
    table: Table, ranked: Sequence[int], k: int, limits: Filter | None
) -> Iterator[tuple[int, int, int | None, str]]:
    """(rank, item, slot, why not) down the row, as far as anybody asks."""
    allowed, held, slot = mask(table, limits), dict[str, int](), 0
    for rank, item in enumerate(ranked, start=1):
        if slot == k and rank > SHOWN:
            return
        merchant = table.merchants[item]
        full = table.merchant_cap is not None and merchant and held.get(merchant, 0) >= table.merchant_cap
        if slot == k:
            yield rank, item, None, ""
        elif not allowed[item]:
            yield rank, item, None, _forbidden(table, item, limits) if rank <= SHOWN else "not asked for"
        elif full:
            yield rank, item, None, f"{merchant} has {held[merchant]} on the page, as many as a merchant may"
        else:
            held[merchant] = held.get(merchant, 0) + 1
            yield rank, item, slot, ""
            slot += 1


def _forbidden(table: Table, item: int, limits: Filter | None) -> str:
    if limits is None or table.items[item] in limits.excluded:
        return "excluded from the page"
    for name, values in limits.eligible.items():
        if not mask(table, Filter({name: values}))[item]:
            return f"not of the {name} asked for"
    return "excluded from the page"


def _believed(believed: Beliefs, places: Sequence[int]) -> tuple[Vector, Vector, Vector]:
    """Mean and 95 % interval of some items: of money the interval is dear."""
    at = np.array(places, np.intp)
    some = beliefs.of(
        believed.kind, [believed.items[i] for i in places], {n: values[at] for n, values in believed.arrays().items()}
    )
    return some.mean, *some.interval()
