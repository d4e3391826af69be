"""What requests are answered from: a draw table with all that decides by it, and what a request allows. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bandits.policies import draws
from bandits.policies.beliefs import Beliefs, Vector
from bandits.policies.policy import Policy

Indices = NDArray[np.intp]
Mask = NDArray[np.bool_]
Attribute = Sequence[str] | Sequence[Sequence[str]]  # one value per item, or several: tags
NONE: Indices = np.empty(0, np.intp)
PLAIN = Policy()


@dataclass(frozen=True, slots=True)
class Filter:
    """What a request allows: every named attribute has one of the values listed, and the item is not excluded."""

    eligible: Mapping[str, frozenset[str]] = field(default_factory=dict)  # {"category": {"dress"}, "merchant": {…}}
    excluded: frozenset[str] = frozenset()

    @property
    def key(self) -> tuple[frozenset[str], frozenset[tuple[str, frozenset[str]]]]:
        return self.excluded, frozenset(self.eligible.items())


@dataclass(frozen=True, eq=False)
class Table:
    """A draw table with all that decides by it. A value: what is kept for speed is made once, from the fields."""

    campaign: str
    number: int  # of the table, never used twice
    seed: int
    items: tuple[str, ...]
    merchants: tuple[str, ...]  # in the order of `items`; "" is nobody, whom no cap binds
    categories: tuple[str, ...]
    beliefs: Beliefs  # that the rows were drawn from
    rows: draws.Rows | NDArray[np.uint16]  # places of fewer than 65,536 items fit into half of the memory
    floor: float
    merchant_cap: int | None
    segment: str = ""
    arm: str = "learned"
    attributes: Mapping[str, Attribute] = field(default_factory=dict)  # {"country": …, "tags": …}, as `items`
    policy: Policy = PLAIN
    pace: Vector | None = None  # -inf: not served by this table

    @property
    def n_rows(self) -> int:
        return len(self.rows)

    @property
    def is_even(self) -> bool:
        """Every item alike in every slot, exactly: rows of a uniform policy are turned by each trace."""
        return self.policy.kind == "uniform" and self.merchant_cap is None

    @cached_property
    def whole(self) -> bool:
        """Whether every row ranks every item that is served."""
        return bool(self.rows.shape[1] >= self.everything.sum())

    @cached_property
    def everything(self) -> Mask:
        """What this table serves at all."""
        return np.ones(len(self.items), bool) if self.pace is None else ~np.isneginf(self.pace)

    @cached_property
    def owners(self) -> Indices:
        """Merchant of each item as a number; an item of nobody has an owner of its own."""
        numbers: dict[str, int] = {}
        names = (merchant or f"\0{index}" for index, merchant in enumerate(self.merchants))
        return np.fromiter((numbers.setdefault(name, len(numbers)) for name in names), np.intp, len(self.items))

    @cached_property
    def indices(self) -> dict[str, int]:
        return {item: index for index, item in enumerate(self.items)}

    @cached_property
    def holders(self) -> dict[str, dict[str, Indices]]:
        """For each attribute asked for so far, its values and who has them."""
        return {}

    @cached_property
    def prepared(self) -> dict[int, Any]:
        """For each number of slots asked so far without a filter: what the rows choose, and propensities."""
        return {}

    @cached_property
    def counted(self) -> dict[object, NDArray[np.float64]]:
        """Propensities of some filters asked for lately."""
        return {}


def mask(table: Table, limits: Filter | None) -> Mask:
    """Which items a request allows, in the order of the table's items.

    An attribute that the table does not know is had by no item: rather an empty slot than a forbidden item.
    """
    if limits is None:
        return table.everything
    allowed = table.everything.copy()
    for name, values in limits.eligible.items():
        held = _held(table, name)
        among = np.zeros(len(allowed), bool)
        for value in values:
            among[held.get(value, NONE)] = True
        allowed &= among
    if limits.excluded:
        allowed[[index for item in limits.excluded if (index := table.indices.get(item)) is not None]] = False
    return allowed


def most_filled(table: Table, allowed: Mask, k: int) -> int:
    """How many of `k` slots can be filled under the merchant cap.

    The cap lets a set of items through if no merchant has too many: a partition matroid, in which every greedy
    choice ends equally long, whatever the ranking.
    """
    if table.merchant_cap is None:
        return min(k, int(allowed.sum()))
    owned = np.bincount(table.owners[allowed], minlength=1)
    return min(k, int(np.minimum(owned, table.merchant_cap).sum()))


def _held(table: Table, name: str) -> Mapping[str, Indices]:
    if name not in table.holders:
        table.holders[name] = _holders(_attribute(table, name))
    return table.holders[name]


def _attribute(table: Table, name: str) -> Attribute:
    return {"category": table.categories, "merchant": table.merchants}.get(name) or table.attributes.get(name, ())


def _holders(attribute: Attribute) -> dict[str, Indices]:
    places: dict[str, list[int]] = {}
    for index, value in enumerate(attribute):
        for one in (value,) if isinstance(value, str) else value:
            places.setdefault(one, []).append(index)
    return {value: np.array(held, np.intp) for value, held in places.items() if value}
