"""Whole slates of the decision log, with the chance of each under the table that made it and under another policy."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bandits import prefixes
from bandits.policies.slates import Chances, Pages
from bandits.prefixes import Ends
from bandits.recalled import Context, Page
from bandits.revalued import Log, allowed
from bandits.rivals import Base
from bandits.served import Indices, Table, mask

Vector = NDArray[np.float64]

MOST_PAGES = 20_000  # the newest
MOST_TABLES = 60  # that made most of them
NOT_READ = "page has other slots, or its table is not among those read"
OTHER = "propensity of a page does not come out as it was logged"
EXACT = 1e-9  # a propensity counted again is the logged one; else the floor was another one then


@dataclass(frozen=True, slots=True, eq=False)
class Group:
    """Pages of one table and one context."""

    pages: tuple[Page, ...]
    context: Context
    logged: Chances


@dataclass(frozen=True, slots=True, eq=False)
class Paged:
    """n pages of k slots, group by group."""

    groups: tuple[Group, ...]
    reward: Vector  # (n, k)
    unit: NDArray[Any]  # (n,)
    logged: Chances
    left_out: Mapping[str, int]  # pages, by why


def paged(log: Log, read: Callable[[int], Table]) -> Paged:
    """Pages with as many slots as most have, whose chances come out as they were logged."""
    whole = _alike(log.recalled.pages)
    parted: dict[tuple[int, object], list[Page]] = {}
    for page in whole:
        parted.setdefault((page.decision.table, page.context.key), []).append(page)
    groups = [_group(read(number), pages) for (number, _), pages in parted.items()]
    kept = tuple(group for group in groups if group.pages)
    pages = [page for group in kept for page in group.pages]
    k = len(pages[0].rewards) if pages else 0
    return Paged(
        kept,
        np.array([page.rewards for page in pages], np.float64).reshape(len(pages), k),
        np.array([page.decision.unit for page in pages], object),
        Chances(*(_stacked([getattr(g.logged, name) for g in kept], k) for name in ("slots", "prefixes"))),
        +Counter({NOT_READ: len(log.recalled.pages) - len(whole), OTHER: len(whole) - len(pages)}),
    )


def valued(paged: Paged, log: Log, base: Base, floors: Sequence[float]) -> list[Pages]:
    """Under this way to choose, at each floor."""
    ends = [_target(log, base, group) for group in paged.groups]
    k = paged.reward.shape[1]
    return [
        Pages(
            paged.reward,
            paged.logged,
            Chances(*(_stacked([side[i].at(floor) for side in ends], k) for i in range(2))),
        )
        for floor in floors
    ]


def _alike(pages: Sequence[Page]) -> list[Page]:
    k = Counter(len(page.rewards) for page in pages).most_common(1)
    whole = [page for page in pages if len(page.rewards) == k[0][0]] if k else []
    newest = sorted(whole, key=lambda page: page.decision.table)[-MOST_PAGES:]
    tables = {number for number, _ in Counter(page.decision.table for page in newest).most_common(MOST_TABLES)}
    return [page for page in newest if page.decision.table in tables]


def _group(table: Table, pages: Sequence[Page]) -> Group:
    """Those that come out as logged."""
    context, k = pages[0].context, len(pages[0].rewards)
    chosen, open_ = _places(table, pages), mask(table, context.limits)
    slots, fronts = _chances(table, open_, chosen, k)
    counted, front = slots.at(table.floor), fronts.at(table.floor)
    said = np.array([page.decision.chances for page in pages], np.float64)
    same = np.flatnonzero((np.abs(counted - said) <= EXACT).all(axis=1) & (front > 0).all(axis=1))
    kept = tuple(pages[i] for i in same.tolist())
    return Group(kept, context, Chances(counted[same], front[same]))


def _target(log: Log, base: Base, group: Group) -> tuple[Ends, Ends]:
    table = base.table(group.context.segment)
    chosen = _places(table, group.pages)
    return _chances(table, allowed(log, table, group.context), chosen, chosen.shape[1])


def _chances(table: Table, open_: Any, chosen: Indices, k: int) -> tuple[Ends, Ends]:
    """Of each item in its slot, and of the slots up to it; (n, k) each."""
    ends = prefixes.chances(table, open_, k)
    slots = [_read(side, chosen) for side in ends]
    return Ends(*slots), prefixes.prefixes(table, open_, chosen)


def _read(chances: Vector, chosen: Indices) -> Vector:
    found = np.zeros(chosen.shape)
    for slot in range(min(len(chances), chosen.shape[1])):
        found[:, slot] = np.where(chosen[:, slot] >= 0, chances[slot, chosen[:, slot]], 0.0)
    return found


def _places(table: Table, pages: Sequence[Page]) -> Indices:
    return np.array([[table.indices.get(item, -1) for item in page.decision.items] for page in pages], np.intp)


def _stacked(parts: Sequence[Vector], k: int) -> Vector:
    return np.concatenate(parts) if parts else np.empty((0, k))
