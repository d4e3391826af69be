"""What is known of every item that may leave a campaign's pool: its belief, its bar, its record, and what follows.

The bar is that of the campaign, or the median of what is shown anyway (`bandits.policies.bars`). Incumbents are items
outside of the pool with enough impressions that no campaign gave them: what an item earns in a slot that somebody
reserved for it says little of the ordinary pool. Who graduated is an incumbent once the ordinary pool shows it; who was
retired is none, whatever shows it.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from math import inf
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from bandits import learning, ledgers, pool, standing, viewing
from bandits.models import Campaign, Outcome, Posterior
from bandits.policies import bars, beliefs, graduation
from bandits.policies.bars import Bar, Bars, Incumbents
from bandits.policies.beliefs import Beliefs
from bandits.policies.graduation import Decisions, Record, Rule
from firstlight.catalog.models import Item
from firstlight.kernel.withheld import Reason, Withheld


@dataclass(frozen=True, slots=True, eq=False)
class Weighed:
    """At one time, by one posterior; arrays in the order of `beliefs.items`."""

    posterior: int  # number
    rule: Rule
    beliefs: Beliefs
    in_pool: graduation.Mask
    bars: tuple[Bar, ...]
    record: Record
    rewarded: graduation.Vector  # sum of the known rewards
    decisions: Decisions

    @property
    def nearest(self) -> list[int]:
        """The undecided items of the pool, the one likeliest to be better than its bar first."""
        stays = self.in_pool & ~self.decisions.graduate & ~self.decisions.retire
        order = np.argsort(-self.decisions.chance_in, kind="stable")
        return [int(i) for i in order if stays[i]]

    def evidence(self, places: Sequence[int]) -> list[dict[str, Any]]:
        """All that the decisions about these items stand on, as JSON holds it."""
        if not places:
            return []
        chosen = [*places]  # of these alone: an interval of money takes milliseconds
        arrays = {name: values[chosen] for name, values in self.beliefs.arrays().items()}
        few = beliefs.of(self.beliefs.kind, [self.beliefs.items[i] for i in chosen], arrays)
        numbers = zip(chosen, few.mean.tolist(), *(end.tolist() for end in few.interval()), strict=True)
        return [self._evidence(*row) for row in numbers]

    def _evidence(self, i: int, mean: float, low: float, high: float) -> dict[str, Any]:
        return {
            "posterior": self.posterior,
            "chance": float(self.decisions.chance_in[i]),
            "chance_to_stay": float(self.decisions.chance_out[i]),
            "bar": float(self.decisions.bar_in[i]),
            "bar_to_stay": float(self.decisions.bar_out[i]),
            "bar_from": self.bars[i].origin,
            "incumbents": self.bars[i].n_incumbents,
            "impressions": float(self.record.impressions[i]),
            "rewards": float(self.rewarded[i]),
            "mean": mean,
            "low": low,
            "high": high,
            "age_hours": float(self.record.age_hours[i]),
            "reversals": int(self.record.n_reversals[i]),
            "because": graduation.why(self.rule, self.decisions, i),
        }


def weigh(campaign: Campaign, *, at: datetime, cells: pa.Table | None = None) -> Weighed | Withheld:
    """By the newest posterior of all traffic; withheld before the first, and where there is no bar.

    `cells` are those of `seen`, for who has them already.
    """
    row = learning.newest(campaign)
    if row is None:
        return Withheld(Reason.NO_DATA)
    found = looked_at(campaign, row, at) if cells is None else cells
    categories = dict(pool.items(campaign).values_list("key", "category__key"))
    known = bars_of(campaign, found, set(categories))
    if isinstance(known, Withheld):
        return known
    believed, rule = row.beliefs, rule_of(campaign)
    own = tuple(known.of(categories.get(item) or "") for item in believed.items)
    record, rewarded = _record(campaign, found, believed.items, at)
    decided = graduation.decisions(rule, believed, np.array([bar.value for bar in own]), record)
    inside = np.array([item in categories for item in believed.items], dtype=np.bool_)
    return Weighed(row.number, rule, believed, inside, own, record, rewarded, decided)


def seen(campaign: Campaign, at: datetime) -> pa.Table | None:
    """The cells of the scenario as the newest posterior looked at them; None before the first."""
    row = learning.newest(campaign)
    return None if row is None else looked_at(campaign, row, at)


def looked_at(campaign: Campaign, row: Posterior, at: datetime) -> pa.Table:
    """What the ledger has of the scenario, as this campaign looks at it."""
    attribution = timedelta(hours=campaign.attribution_hours)
    money = viewing.REWARDED[campaign.reward] if viewing.is_money(campaign) else ""
    view = standing.View(campaign.key, viewing.mix(campaign), money, attribution, standing.examined(row.told), at)
    return standing.cells(ledgers.read(ledgers.of(campaign), (at - ledgers.HISTORY).date()), view)


def rule_of(campaign: Campaign) -> Rule:
    return Rule(
        float(campaign.graduate_at),
        float(campaign.retire_at),
        campaign.least_impressions,
        campaign.least_age_hours,
        campaign.item_cap or inf,
    )


def bars_of(campaign: Campaign, found: pa.Table, in_pool: set[str]) -> Bars | Withheld:
    if campaign.bar is not None:
        return bars.given(float(campaign.bar))
    rows = standing.earned(found, found["organic"])
    rows = rows.filter(pc.greater_equal(rows["impressions"], campaign.least_impressions))
    retired = campaign.outcomes.filter(kind=Outcome.Kind.RETIRED, reversed_at=None).values_list("item", flat=True)
    outside = pc.invert(pc.is_in(rows["item_id"], pa.array([*in_pool, *retired], rows["item_id"].type)))
    rows = rows.filter(outside)
    keys = rows["item_id"].to_pylist()
    category = dict(Item.objects.filter(key__in=keys).values_list("key", "category__key"))
    numbers = (rows[name].to_numpy() for name in ("examined", "successes", "worth"))
    return bars.medians(Incumbents([category.get(key) or "" for key in keys], *numbers))


def _record(
    campaign: Campaign, found: pa.Table, items: tuple[str, ...], at: datetime
) -> tuple[Record, graduation.Vector]:
    """Of each item, and the sum of its known rewards."""
    own = pa.array(items, pa.string())
    found = found.filter(pc.is_in(found["item_id"], own))  # a scenario may have a hundred times as many
    stands = standing.by_item(found)
    at_first = _taken(stands, "first_at", own).to_numpy(zero_copy_only=False)
    age = (np.datetime64(at.replace(tzinfo=None)) - at_first) / np.timedelta64(1, "h")
    impressions, spent = (_numbers(stands, name, own) for name in ("impressions", "spent"))
    rewarded, times = _numbers(standing.earned(found), "worth", own), np.zeros(len(items))
    place = {item: i for i, item in enumerate(items)}
    again = impressions.copy()
    taken_back = campaign.outcomes.exclude(reversed_at=None).order_by("reversed_at").values_list("item", "reversed_at")
    latest = {item: when for item, when in taken_back if when and item in place}
    for item, n in Counter(item for item, _ in taken_back if item in place).items():
        times[place[item]] = n
    for item, new in standing.since(found, latest).items():
        again[place[item]] = new
    return Record(impressions, spent, np.nan_to_num(age), times, again), rewarded


def _numbers(table: pa.Table, name: str, items: pa.Array) -> graduation.Vector:
    """0 for items that the table does not have."""
    found: graduation.Vector = pc.fill_null(_taken(table, name, items), 0.0).to_numpy()
    return found


def _taken(table: pa.Table, name: str, items: pa.Array) -> Any:
    places = pc.index_in(items, value_set=table["item_id"].combine_chunks())
    return table[name].combine_chunks().take(places)
