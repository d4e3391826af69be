"""The policies that a campaign is compared with: each a draw table for every segment, and a floor.

What another reward would have been learned to like is drawn from beliefs about that reward, of the same pool.
"""

import copy
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime

import numpy as np

from bandits import learning, parts, tables, viewing
from bandits.models import Campaign, Reward
from bandits.policies import draws
from bandits.policies.policy import Policy
from bandits.served import Table

FLOORS = (0.0, 0.01, 0.1, 0.2)
TIES = 64  # rows of the greedy table: they differ only where means are equal
OTHERS = {
    Reward.CLICK: "learned on clicks",
    Reward.ORDER: "learned on orders",
    Reward.NET_VALUE: "learned on net value",
}


@dataclass(frozen=True, slots=True, eq=False)
class Base:
    """One way to choose, at any floor."""

    name: str
    tables: Mapping[str, Table]  # by segment; "" is of all traffic
    floors: Mapping[str, float]  # the policies that are asked about, with the floor of each

    def table(self, segment: str) -> Table:
        return self.tables.get(segment) or self.tables[""]


def bases(campaign: Campaign, *, at: datetime) -> list[Base]:
    """None before its first table."""
    running = parts.present(campaign)
    if running is None:
        return []
    present = {segment: table for (arm, segment), table in running.tables.items() if arm == "learned"}
    floor = float(campaign.floor)
    others = {f"floor {other:.0%}": other for other in FLOORS if other != floor}
    return [
        Base("present", present, {"present table": floor, **others}),
        Base("uniform", {"": _uniform(present[""])}, {"uniform": 0.0}),
        Base("greedy", {segment: _greedy(table) for segment, table in present.items()}, {"greedy": 0.0}),
        *_learned_otherwise(campaign, present[""], at),
    ]


def _uniform(table: Table) -> Table:
    """Every item alike in every slot, exactly; no merchant is capped."""
    return replace(table, policy=Policy("uniform"), pace=None, merchant_cap=None)


def _greedy(table: Table) -> Table:
    """The best by what is believed on the average; what no table may serve now stays out."""
    how = Policy("greedy")
    shut = None if table.pace is None else np.where(np.isneginf(table.pace), -np.inf, 0.0)
    rows = draws.table(how, table.beliefs, shut, draws.generators(table.seed, TIES), len(table.items))
    return replace(table, policy=how, pace=shut, rows=rows)


def _learned_otherwise(campaign: Campaign, table: Table, at: datetime) -> Iterator[Base]:
    """Thompson sampling on another reward, where that is not what the campaign learns on."""
    mine = viewing.mix(campaign)
    for reward, name in OTHERS.items():
        other = _with_reward(campaign, reward)
        if viewing.mix(other) != mine:
            yield Base(name, {"": _drawn(table, other, at)}, {name: float(campaign.floor)})


def _with_reward(campaign: Campaign, reward: Reward) -> Campaign:
    other = copy.copy(campaign)
    other.reward = reward
    return other


def _drawn(table: Table, other: Campaign, at: datetime) -> Table:
    """As `other` would draw it now, from what the ledger has; nothing it promised is made good by a pace."""
    known = learning.known_of(other, at)
    believed, how = learning.posteriors(known, None)[0].beliefs, tables.policy_of(other, "learned")
    return replace(
        table,
        items=known.shelf.items,
        merchants=known.shelf.merchants,
        categories=known.shelf.categories,
        attributes={"country": [item.country for item in known.items], "tags": [item.tags for item in known.items]},
        beliefs=believed,
        rows=draws.table(how, believed, None, draws.generators(table.seed), tables.depth(other, known.items)),
        policy=how,
        pace=None,
    )
