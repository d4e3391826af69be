"""How much of a policy the tables that made the log could have shown, and how far its weights spread over time.

Told by a few tables of each block of versions, without a filter: reading all of them would take minutes.
"""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bandits import parts, prefixes
from bandits.models import Campaign
from bandits.policies.evaluation import Log as Weighed
from bandits.recalled import SENDER
from bandits.revalued import Log
from bandits.rivals import Base
from bandits.served import Table

Vector = NDArray[np.float64]

PER_BLOCK = 3  # tables that speak for a block of versions: those that chose most


@dataclass(frozen=True, slots=True, eq=False)
class Witness:
    """A table, and how many choices of its block it speaks for."""

    table: Table
    block: int
    n_choices: int


@dataclass(frozen=True, slots=True, eq=False)
class Support:
    """Of one policy."""

    share: float  # of what it shows that the log could have shown
    spread: Vector  # (n,): E[w^2] of the block of each choice


def reader(campaign: Campaign) -> Callable[[int], Table]:
    """Tables by number, as the campaign would serve them; each read once."""
    known: dict[int, Table] = {}

    def table(number: int) -> Table:
        if number not in known:
            known[number] = next(iter(parts.of_tables(campaign, [number]).tables.values()))
        return known[number]

    return table


def witnesses(log: Log, read: Callable[[int], Table]) -> list[Witness]:
    found = []
    for block in range(int(log.blocks.max(initial=-1)) + 1):
        chose = Counter(number for number in log.recalled.table[log.blocks == block].tolist() if number != SENDER)
        found += [Witness(read(number), block, n) for number, n in chose.most_common(PER_BLOCK)]
    return found


def supports(log: Log, base: Base, seen: Sequence[Witness], asked: Mapping[str, Weighed]) -> dict[str, Support]:
    """Of each policy of the base; `asked` are its weights by name. A block that no table speaks for is told by them."""
    k = log.shape[0]
    each = [(one, *_both(base.table(one.table.segment), one.table, k)) for one in seen]
    return {name: _support(log, each, floor, asked[name]) for name, floor in base.floors.items()}


def _both(asked: Table, logged: Table, k: int) -> tuple[prefixes.Ends, Vector]:
    """What both show of the items of the table that chose, (slots, its items)."""
    chances = prefixes.chances(logged, logged.everything, k).at(logged.floor)
    pool = np.fromiter((item in logged.indices for item in asked.items), bool, len(asked.items))
    ends = prefixes.chances(asked, asked.everything & pool, k)
    place = np.array([asked.indices.get(item, -1) for item in logged.items], np.intp)
    none, whole = (_moved(side, place, chances.shape) for side in ends)
    return prefixes.Ends(none, whole), chances


def _moved(chances: Vector, place: NDArray[np.intp], shape: tuple[int, ...]) -> Vector:
    moved = np.zeros(shape)
    filled = min(len(chances), shape[0])
    moved[:filled, place >= 0] = chances[:filled][:, place[place >= 0]]
    return moved


def _support(
    log: Log, each: Sequence[tuple[Witness, prefixes.Ends, Vector]], floor: float, weighed: Weighed
) -> Support:
    n_blocks = int(log.blocks.max(initial=-1)) + 1
    spread, spoken, share, total = np.zeros(n_blocks), np.zeros(n_blocks), 0.0, 0.0
    for one, ends, chances in each:
        target, could = ends.at(floor), chances > 0
        squares = np.divide(target**2, chances, out=np.zeros_like(target), where=could)
        spread[one.block] += one.n_choices * float(squares.sum()) / max(len(chances), 1)
        spoken[one.block] += one.n_choices
        share += one.n_choices * float(target[could].sum()) / (float(target.sum()) or 1.0)
        total += one.n_choices
    seen = np.bincount(log.blocks, weighed.weight**2, n_blocks) / np.maximum(
        np.bincount(log.blocks, minlength=n_blocks), 1
    )
    found = np.where(spoken > 0, spread / np.maximum(spoken, 1), seen)
    return Support(share / total if total else 1.0, np.maximum(found, 1e-12)[log.blocks])
