"""What a campaign promised and what it delivered so far, off its own impressions in the ledger."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from math import inf
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from bandits.believing import Shelf
from bandits.models import Campaign, Posterior
from bandits.policies.pacing import Delivery, Promises, Vector

DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True, eq=False)
class Delivered:
    so_far: Delivery
    joined: Vector  # when each item joined the pool, in seconds of the epoch

    @property
    def arrays(self) -> dict[str, Vector]:
        """What the next step must know of this one."""
        return {"ever": self.so_far.ever, "joined": self.joined}

    @property
    def told(self) -> dict[str, Any]:
        today, expected = float(self.so_far.today.sum()), self.so_far.expected_today
        return {"ever": float(self.so_far.ever.sum()), "today": today, "expected_today": expected}


def promises(campaign: Campaign) -> Promises:
    return Promises(
        float(campaign.item_guarantee or 0),
        float(campaign.guarantee_days),
        campaign.item_cap or inf,
        float(campaign.merchant_share_cap),
        float(campaign.merchant_floor),
        campaign.daily_budget or inf,
    )


def delivery(campaign: Campaign, cells: pa.Table, shelf: Shelf, before: Posterior | None, at: datetime) -> Delivered:
    """Of the items of the shelf, in its order; `before` says what had been delivered at the last step."""
    own = cells.filter(pc.equal(cells["campaign"], campaign.key))
    ever, today = _shown(own, shelf), _shown(own.filter(pc.equal(own["day"], at.date())), shelf)
    joined = _held(before, "joined", shelf, at.timestamp())
    since = np.maximum(ever - _held(before, "ever", shelf, 0.0), 0.0)
    learned_at = datetime.fromisoformat(before.told["at"]) if before and "at" in before.told else at
    so_far = Delivery(
        shelf.items,
        shelf.merchants,
        (at.timestamp() - joined) / DAY.total_seconds(),
        ever,
        today,
        since,
        max((at - learned_at) / DAY, 0.0),
        _expected(own, at),
    )
    return Delivered(so_far, joined)


def _shown(own: pa.Table, shelf: Shelf) -> Vector:
    sums = own.group_by("item_id").aggregate([("trials", "sum")])
    found = dict(zip(sums["item_id"].to_pylist(), sums["trials_sum"].to_pylist(), strict=True))
    return np.array([found.get(item, 0.0) for item in shelf.items], np.float64)


def _held(before: Posterior | None, name: str, shelf: Shelf, otherwise: float) -> Vector:
    numbers = before.numbers if before else {}
    known = dict(zip(before.items, numbers[name].tolist(), strict=True)) if before and name in numbers else {}
    return np.array([known.get(item, otherwise) for item in shelf.items], np.float64)


def _expected(own: pa.Table, at: datetime) -> float:
    """Impressions of this day by its end: as many as yesterday, or as today goes on."""
    by_day = own.group_by("day").aggregate([("trials", "sum")])
    days = dict(zip(by_day["day"].to_pylist(), by_day["trials_sum"].to_pylist(), strict=True))
    begun = datetime.combine(at.date(), datetime.min.time(), at.tzinfo)
    passed = max((at - begun) / DAY, 1 / 24)
    return float(max(days.get((at - DAY).date(), 0.0), days.get(at.date(), 0.0) / passed))
