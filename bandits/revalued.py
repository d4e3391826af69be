"""What a policy would have done in every choice of a log, and what a reward model expects of that.

All of it is linear in the floor, so it is counted once for the rows of a table, at floor 0 and 1. An item that was not
in the pool of a choice is no answer to it: a policy chooses among what there was, under the filter that there was.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from bandits import prefixes
from bandits.models import DrawTable
from bandits.policies import modelled
from bandits.policies.modelled import Chosen, Model
from bandits.prefixes import Ends
from bandits.recalled import Context, Recalled
from bandits.rivals import Base
from bandits.served import Mask, Table, mask

Vector = NDArray[np.float64]
Indices = NDArray[np.intp]


@dataclass(frozen=True, eq=False)
class Log:
    """The choices as numbers, with what two reward models say of them."""

    recalled: Recalled
    items: tuple[str, ...]  # all that are named anywhere
    pools: Mapping[int, frozenset[str]]

    @cached_property
    def places(self) -> dict[str, int]:
        return {item: place for place, item in enumerate(self.items)}

    @cached_property
    def chosen(self) -> Chosen:
        item = np.array([self.places[item] for item in self.recalled.items], np.intp)
        return Chosen(self.recalled.reward, self.recalled.slot, item)

    @cached_property
    def shape(self) -> tuple[int, int]:
        return max((one.k for one in self.recalled.contexts), default=0), len(self.items)

    @cached_property
    def blocks(self) -> Indices:
        """Of table versions, in the order of time."""
        return modelled.blocks(self.recalled.table)

    @cached_property
    def crossed(self) -> Model:
        return modelled.crossed(self.chosen, self.recalled.unit, self.shape)

    @cached_property
    def past(self) -> Model:
        return modelled.past(self.chosen, self.blocks, self.shape)

    @cached_property
    def by_context(self) -> list[Indices]:
        """The choices of each context."""
        context = self.recalled.context
        if not self.recalled.contexts:
            return []
        ends = np.searchsorted(np.sort(context), np.arange(1, len(self.recalled.contexts)))
        return np.split(np.argsort(context, kind="stable"), ends)

    def of(self, table: Table) -> Indices:
        """The places of a table's items here."""
        return np.array([self.places[item] for item in table.items], np.intp)


@dataclass(frozen=True, slots=True, eq=False)
class Revalued:
    """Of one way to choose, at both ends of the floor."""

    target: Ends  # (n,): its propensity of what was chosen
    crossed: Ends  # (n,): what the crossed model expects of it there
    past: Ends  # (n,): what the model of the past does
    shown: Ends  # (items,): how often it shows each item, per choice


def log_of(recalled: Recalled, bases: list[Base]) -> Log:
    tables = [table for base in bases for table in base.tables.values()]
    named = {*recalled.items, *(item for table in tables for item in table.items)}
    pools = {one.pool for one in recalled.contexts if one.pool is not None}
    rows = DrawTable.objects.filter(pk__in=pools).values_list("pk", "items")
    return Log(recalled, tuple(sorted(named)), {number: frozenset(items) for number, items in rows})


def revalue(log: Log, base: Base) -> Revalued:
    n = len(log.recalled.items)
    each = [(np.zeros((3, n)), np.zeros(len(log.items))) for _ in range(2)]
    for context, rows in zip(log.recalled.contexts, log.by_context, strict=True):
        table = base.table(context.segment)
        ends, places = prefixes.chances(table, allowed(log, table, context), context.k), log.of(table)
        for (numbers, shown), chances in zip(each, ends, strict=True):
            numbers[:, rows] = _read(log, rows, chances, places)
            slots = np.bincount(log.chosen.slot[rows], minlength=len(chances))[: len(chances)]
            shown[places] += slots @ chances / n
    (none, none_shown), (whole, whole_shown) = each
    target, crossed, past = (Ends(*pair) for pair in zip(none, whole, strict=True))
    return Revalued(target, crossed, past, Ends(none_shown, whole_shown))


def allowed(log: Log, table: Table, context: Context) -> Mask:
    """What the filter lets through of what was in the pool then."""
    found = mask(table, context.limits).copy()
    if context.pool is None:
        return found
    pool = log.pools[context.pool]
    found &= np.fromiter((item in pool for item in table.items), bool, len(table.items))
    return found


def _read(log: Log, rows: Indices, chances: Vector, places: Indices) -> Vector:
    """Target, crossed and past of these choices of one context, (3, rows); `chances` is (filled slots, table items)."""
    slot, found = log.chosen.slot[rows], np.zeros((3, len(rows)))
    filled = slot < len(chances)  # a filter may leave fewer items than there were slots
    wide = np.zeros((len(chances), len(log.items)))
    wide[:, places] = chances
    found[0, filled] = wide[slot[filled], log.chosen.item[rows][filled]]
    for line, model in enumerate((log.crossed, log.past), 1):
        expected = np.einsum("gsi,si->gs", model.rates[:, : len(chances), places], chances)
        found[line, filled] = expected[model.group[rows][filled], slot[filled]]
    return found
