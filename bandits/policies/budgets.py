"""Which promise of a campaign binds now, in words."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from bandits.policies.pacing import Delivery, Pace, Promises, at_most, is_spent


@dataclass(frozen=True, slots=True)
class Budget:
    name: str  # guarantee, item_cap, merchant_share, merchant_floor, daily_budget
    sentence: str
    binds: bool  # it changes what the next table shows


def binding(pace: Pace, promises: Promises, delivered: Delivery) -> tuple[Budget, ...]:
    """One for each promise that was made, those that bind first."""
    told = [budget for tell in TOLD for budget in tell(pace, promises, delivered)]
    return tuple(sorted(told, key=lambda budget: not budget.binds))


def _guarantee(pace: Pace, promises: Promises, delivered: Delivery) -> Iterator[Budget]:
    if not promises.guarantee:
        return
    behind = int((pace.guarantee > 0).sum())
    missed = int(((delivered.age_days >= promises.days) & (delivered.ever < promises.guarantee)).sum())
    promise = f"{promises.guarantee:,.0f} impressions within {_days(promises.days)}"
    told = f"{behind:,} of {_items(len(pace.items))} are behind their guarantee of {promise} and are pushed."
    late = f" {missed:,} did not get them in time." if missed else ""
    yield Budget("guarantee", (told if behind else f"Every item is on the way to {promise}.") + late, behind > 0)


def _item_cap(pace: Pace, promises: Promises, delivered: Delivery) -> Iterator[Budget]:
    if np.isinf(promises.item_cap):
        return
    full = int((delivered.ever + at_most(pace.reach) > promises.item_cap).sum())
    told = f"{full:,} of {_items(len(pace.items))} reached {promises.item_cap:,.0f} impressions and rest."
    free = f"No item has reached its cap of {promises.item_cap:,.0f} impressions."
    yield Budget("item_cap", told if full else free, full > 0)


def _merchant_share(pace: Pace, promises: Promises, delivered: Delivery) -> Iterator[Budget]:
    if promises.merchant_share >= 1:
        return
    held = _merchants(delivered, pace.price > 0)
    cap = f"{promises.merchant_share:.0%} of a day's impressions"
    told = f"The cap of {cap} holds back {_listed(held)}."
    yield Budget("merchant_share", told if held else f"No merchant is near the cap of {cap}.", bool(held))


def _merchant_floor(pace: Pace, promises: Promises, delivered: Delivery) -> Iterator[Budget]:
    if not promises.merchant_floor:
        return
    pushed = _merchants(delivered, pace.floor > 0)
    floor = f"an equal part of {promises.merchant_floor:.0%} of the impressions"
    told = f"To get {floor}, {_listed(pushed)} {'is' if len(pushed) == 1 else 'are'} pushed."
    yield Budget("merchant_floor", told if pushed else f"Every merchant gets {floor} unaided.", bool(pushed))


def _daily_budget(pace: Pace, promises: Promises, delivered: Delivery) -> Iterator[Budget]:
    if np.isinf(promises.daily_budget):
        return
    spent = float(delivered.today.sum())
    done = is_spent(promises, delivered, pace.reach)
    used = f"{spent:,.0f} of {promises.daily_budget:,.0f} impressions of today are used"
    yield Budget("daily_budget", f"{used}; nothing is shown until tomorrow." if done else f"{used}.", done)


TOLD = (_guarantee, _item_cap, _merchant_share, _merchant_floor, _daily_budget)


def _merchants(delivered: Delivery, where: np.ndarray) -> list[str]:
    return sorted({name for name, there in zip(delivered.merchants, where.tolist(), strict=True) if there and name})


def _listed(names: Sequence[str], most: int = 5) -> str:
    """
    >>> _listed(["a", "b", "c"], 2)
    'a, b and 1 more'
    """
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more


def _items(n: int) -> str:
    return f"{n:,} item" + ("" if n == 1 else "s")


def _days(days: float) -> str:
    return f"{days:g} day" + ("" if days == 1 else "s")
