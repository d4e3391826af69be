"""How evenly a campaign spreads its impressions over items or merchants. Pure.

Those that were never shown count as well: a campaign that shows one of a hundred items is not fair to the one.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from firstlight.kernel.withheld import Reason, Withheld

Vector = NDArray[np.float64]

TOP = 0.1  # share of the items that the head is made of


@dataclass(frozen=True, slots=True)
class Spread:
    n: int  # of items or merchants, shown or not
    n_shown: int
    gini: float  # 0: all alike, towards 1: one has all
    top_share: float  # of the impressions, that go to the tenth with the most
    entropy: float  # nats
    evenness: float  # entropy over its most, ln n: 1 when all have alike; 1 for a single one

    @property
    def coverage(self) -> float:
        """Share that was shown at all."""
        return self.n_shown / self.n


def spread(impressions: Vector) -> Spread | Withheld:
    """One entry for each that could have been shown. Withheld before the first impression."""
    n, total = len(impressions), float(impressions.sum())
    if total <= 0:
        return Withheld(Reason.NO_DATA)
    entropy = _entropy(impressions / total)
    return Spread(
        n,
        int((impressions > 0).sum()),
        gini(impressions),
        top_share(impressions),
        entropy,
        entropy / float(np.log(n)) if n > 1 else 1.0,
    )


def gini(impressions: Vector) -> float:
    """Mean absolute difference of two drawn at random over twice the mean, of a vector with a positive sum.

    >>> gini(np.array([1.0, 2, 3, 4])), gini(np.array([0.0, 0, 0, 1]))
    (0.25, 0.75)
    """
    ordered = np.sort(impressions)
    n = len(ordered)
    ranks = 2 * np.arange(1, n + 1) - n - 1
    return float(ranks @ ordered / (n * ordered.sum()))


def top_share(impressions: Vector, share: float = TOP) -> float:
    """What the head has of all impressions; it is at least one, rounded up."""
    head = max(1, int(np.ceil(share * len(impressions))))
    return float(np.sort(impressions)[-head:].sum() / impressions.sum())


def _entropy(shares: Vector) -> float:
    held = shares[shares > 0]
    return float(-(held @ np.log(held)))


@dataclass(frozen=True, slots=True)
class Got:
    """One merchant: what it got, and what the campaign promised it."""

    merchant: str
    n_items: int
    impressions: float
    share: float  # of the campaign's impressions
    floor: float  # least share it is to have; 0: none promised
    cap: float  # most share it may have; 1: no limit

    @property
    def is_floor_met(self) -> bool:
        return self.share >= self.floor

    @property
    def is_cap_kept(self) -> bool:
        return self.share <= self.cap


def by_merchant(
    impressions: Mapping[str, float], merchants: Mapping[str, str], *, floor: float, cap: float
) -> list[Got] | Withheld:
    """Most impressions first; `impressions` and `merchants` by item, `floor` is what all merchants share alike.

    Items without a merchant are left out, as floors and caps do. Withheld before the first impression.
    """
    got: dict[str, float] = {}
    items: dict[str, int] = {}
    for item, merchant in merchants.items():
        if merchant:
            got[merchant] = got.get(merchant, 0.0) + impressions.get(item, 0.0)
            items[merchant] = items.get(merchant, 0) + 1
    total = sum(impressions.get(item, 0.0) for item in merchants)
    if total <= 0 or not got:
        return Withheld(Reason.NO_DATA)
    each = floor / len(got)
    rows = [Got(m, items[m], seen, seen / total, each, cap) for m, seen in got.items()]
    return sorted(rows, key=lambda row: (-row.impressions, row.merchant))


def floors_met(rows: Sequence[Got]) -> int:
    """How many merchants have what they were promised."""
    return sum(row.is_floor_met for row in rows)
