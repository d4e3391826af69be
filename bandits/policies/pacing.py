"""Budgets and fairness: what is added to the scores of items so that everybody gets what was promised.

For each promise a multiplier in units of reward, moved by how far delivery was off since the last table:

    lambda <- [lambda + eta (target(t) - delivered(t))]+

and score = draw + guarantee + floor of its merchant - price of its merchant's share. The multipliers are constant
within a table, so propensities stay counts. What is used up (an item's cap, a merchant's part of the day, the day's
budget) is closed by -inf from the next table on: an eligibility change, never a change inside one.

Source: the virtual queues of Neely (2010), "Stochastic Network Optimization", chapter 4; Balseiro, Lu and Mirrokni
(2023), Operations Research 71, for mirror descent on budgets.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from bandits.policies.beliefs import Beliefs

Vector = NDArray[np.float64]

EARLY = 0.9  # share of its days within which a guarantee is planned, so that what is behind then is made up in time
SLACK = 0.05  # of a guarantee: who is so far behind its plan scores as the best do; it is planned higher by twice that
STEEP = 6.0  # a merchant's multiplier grows by the scale in so small a part of the day if it gets nothing of its floor
DRAWS = 16  # of which the scale is the mean
FREED = 0.25  # least part of the traffic that is reckoned to stay where it was when items close
LONGEST = 1 / 24  # days that a table is reckoned to be in force: the hours that learning was down are no measure
MARGIN = 1.1  # of a merchant's floor that is aimed at, and its inverse of a cap: multipliers answer late


@dataclass(frozen=True, slots=True)
class Promises:
    """What a campaign promises; the default promises nothing."""

    guarantee: float = 0.0  # impressions that every item gets …
    days: float = 7.0  # … within so many days of joining the pool
    item_cap: float = np.inf  # impressions of one item, ever
    merchant_share: float = 1.0  # of the campaign's impressions of a day, at most to one merchant
    merchant_floor: float = 0.0  # of them, at least to all merchants alike
    daily_budget: float = np.inf  # impressions of the campaign a UTC day


@dataclass(frozen=True, slots=True, eq=False)
class Delivery:
    """What became of the promises up to now; vectors in the order of `items`, all in impressions of this campaign."""

    items: Sequence[str]
    merchants: Sequence[str]  # "" is nobody, to whom nothing is promised
    age_days: Vector  # since the item joined the pool
    ever: Vector
    today: Vector  # of this UTC day
    since: Vector  # the last table was made; part of `ever`, and of `today` unless midnight lies between
    days_since: float  # the last table was made
    expected_today: float  # impressions of the campaign by the end of this day, as far as can be foreseen


@dataclass(frozen=True, slots=True, eq=False)
class Pace:
    """The multipliers of one table, per item and in units of reward; a merchant's stand at each of its items."""

    items: tuple[str, ...]
    guarantee: Vector
    floor: Vector
    price: Vector
    closed: Vector  # 1 where the item is not served by this table
    reach: Vector  # impressions that it gets while one table is in force, as far as seen

    @property
    def total(self) -> Vector:
        """What `draws.table` adds to the scores. Who is behind a guarantee pays no price: what is owed goes first."""
        price = np.where(self.guarantee > 0, 0.0, self.price)
        return np.where(self.closed > 0, -np.inf, self.guarantee + self.floor - price)

    def arrays(self) -> dict[str, Vector]:
        return {name: getattr(self, name) for name in NAMES}


NAMES = ("guarantee", "floor", "price", "closed", "reach")


def of(items: Sequence[str], arrays: Mapping[str, Vector]) -> Pace:
    """From what `Pace.arrays` gave."""
    return Pace(tuple(items), **{name: arrays[name] for name in NAMES})


def none(items: Sequence[str]) -> Pace:
    """No pace: before the first table, and for who joins."""
    return Pace(tuple(items), **{name: np.zeros(len(items)) for name in NAMES})


def scale_of(beliefs: Beliefs) -> float:
    """What the best item of a joint draw is worth on average: who has so much more leads. 1 if there are no items.

    The seed is fixed, as this is a number and not a choice: the same beliefs give the same scale. (Quantiles of money
    take a thousand times as long.)
    """
    rng = np.random.default_rng(0)
    return float(np.mean([beliefs.draw(rng).max(initial=0.0) for _ in range(DRAWS)])) or 1.0


def next_pace(before: Pace | None, promises: Promises, delivered: Delivery, scale: float) -> Pace:
    """The pace of the next table, from that of the last one and what was delivered under it.

    `scale` turns impressions into reward (`scale_of`). Items of `before` are found by their key, merchants by any of
    their items.
    """
    held = _carried(before or none(()), delivered)
    # A closed item would get again what it got; what one table gave by chance is not forgotten at the next.
    usual = delivered.since * LONGEST / max(delivered.days_since, LONGEST)
    reach = np.where(held.closed > 0, held.reach, np.maximum(usual, held.reach / 2))
    return replace(
        held,
        guarantee=_risen(held.guarantee, scale * _behind(promises, delivered)),
        floor=_risen(held.floor, scale * STEEP * _under_floor(promises, delivered)),
        price=_risen(held.price, scale * STEEP * _over_share(promises, delivered)),
        closed=_used_up(promises, delivered, reach).astype(float),
        reach=reach,
    )


def at_most(reach: Vector) -> Vector:
    """What a count of such a mean hardly passes: four standard errors of it more."""
    return np.asarray(reach + 4 * np.sqrt(reach))


def _risen(multiplier: Vector, step: Vector) -> Vector:
    return np.maximum(multiplier + step, 0.0)


def _carried(before: Pace, delivered: Delivery) -> Pace:
    place = {item: index for index, item in enumerate(before.items)}
    at = np.array([place.get(item, -1) for item in delivered.items], int)
    own = {name: _picked(getattr(before, name), at) for name in NAMES}
    joint = {name: _shared(own[name], delivered.merchants) for name in ("floor", "price")}
    return Pace(tuple(delivered.items), **{**own, **joint})


def _picked(values: Vector, at: NDArray[np.int_]) -> Vector:
    return np.where(at >= 0, np.append(values, 0.0)[at], 0.0)


def _shared(values: Vector, merchants: Sequence[str]) -> Vector:
    """The multiplier of a merchant at all its items, those that joined included."""
    _, owner = np.unique(np.asarray(merchants, str), return_inverse=True)
    most = np.zeros(owner.max(initial=-1) + 1)
    np.maximum.at(most, owner, values)
    return most[owner]


def plan(promises: Promises, age_days: Vector) -> Vector:
    """Impressions that an item of this age should have: a straight line that ends early and high (`EARLY`, `SLACK`)."""
    return (1 + 2 * SLACK) * promises.guarantee * np.clip(age_days / (EARLY * promises.days), 0.0, 1.0)


def _behind(promises: Promises, delivered: Delivery) -> Vector:
    """(target - delivered) since the last table, as shares of the slack.

    An item that is ahead of its plan has no target until the plan catches up, so lambda / eta is just by how much it is
    behind, whenever and however often tables are made.
    """
    if not promises.guarantee:
        return np.zeros(len(delivered.items))
    before = delivered.ever - delivered.since
    planned = plan(promises, np.maximum(delivered.age_days - delivered.days_since, 0.0))
    target = np.maximum(plan(promises, delivered.age_days) - np.maximum(planned, before), 0.0)
    return (target - delivered.since) / (SLACK * promises.guarantee)


def _of_merchants(values: Vector, merchants: Sequence[str]) -> Vector:
    """The sum over a merchant's items, at each of them."""
    _, owner = np.unique(np.asarray(merchants, str), return_inverse=True)
    return np.bincount(owner, values).astype(np.float64)[owner]


def _named(delivered: Delivery) -> NDArray[np.bool_]:
    return np.array([name != "" for name in delivered.merchants], bool)


def _under_floor(promises: Promises, delivered: Delivery) -> Vector:
    """(target - delivered) of merchants since the last table, as a share of what a whole day promises them."""
    named = _named(delivered)
    n_merchants = len(set(delivered.merchants) - {""})
    if not promises.merchant_floor or not n_merchants or not delivered.expected_today:
        return np.zeros(len(named))
    share = min(MARGIN * promises.merchant_floor, 1.0) / n_merchants
    short = share * delivered.since.sum() - _of_merchants(delivered.since, delivered.merchants)
    return np.where(named, short / (share * delivered.expected_today), 0.0)


def _over_share(promises: Promises, delivered: Delivery) -> Vector:
    """(delivered - target) of merchants since the last table, as a share of what a whole day allows them."""
    if promises.merchant_share >= 1 or not delivered.expected_today:
        return np.zeros(len(delivered.items))
    share = promises.merchant_share / MARGIN
    over = _of_merchants(delivered.since, delivered.merchants) - share * delivered.since.sum()
    return np.where(_named(delivered), over / (share * delivered.expected_today), 0.0)


def _used_up(promises: Promises, delivered: Delivery, reach: Vector) -> NDArray[np.bool_]:
    """Who would pass a cap while the next table is in force, and what others leave free when they close with it."""
    first = _over(promises, delivered, reach)
    freed = reach[first].sum() / max(float(reach.sum()), 1.0)
    return first | _over(promises, delivered, reach / max(1 - freed, FREED))


def _over(promises: Promises, delivered: Delivery, reach: Vector) -> NDArray[np.bool_]:
    expected = max(delivered.expected_today, float(delivered.today.sum()))
    quota = min(expected, promises.daily_budget) * promises.merchant_share
    merchant = _of_merchants(delivered.today, delivered.merchants) + at_most(_of_merchants(reach, delivered.merchants))
    capped = delivered.ever + at_most(reach) > promises.item_cap
    over = _named(delivered) & (promises.merchant_share < 1) & (merchant > quota)
    return capped | over | is_spent(promises, delivered, reach)


def is_spent(promises: Promises, delivered: Delivery, reach: Vector) -> bool:
    """Whether the next table would pass the budget of the day. One is served every day, however much it reaches."""
    today = float(delivered.today.sum())
    return today > 0 and today + float(at_most(reach.sum())) > promises.daily_budget
