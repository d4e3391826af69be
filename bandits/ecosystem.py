"""Who gets what of a campaign: how evenly it spreads its impressions, and whether merchants get what was promised."""

from dataclasses import asdict
from datetime import datetime, timedelta
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from bandits import pool, weighing
from bandits.models import Campaign
from bandits.policies import fairness
from firstlight.catalog.models import Item
from firstlight.kernel.withheld import Withheld

Json = dict[str, Any]


def spread(campaign: Campaign, *, at: datetime, cells: pa.Table | None = None) -> Json:
    """As JSON holds it: spread over items and merchants since the start, and each merchant's share of yesterday.

    Floors and caps hold by the UTC day, so they are held against the last whole one. `cells` are those of
    `weighing.seen`, for who has them already.
    """
    found = weighing.seen(campaign, at) if cells is None else cells
    ever, yesterday = _shown(found, None), _shown(found, at.date() - timedelta(days=1))
    merchants = _merchants(campaign, [*ever])
    floor, cap = float(campaign.merchant_floor), float(campaign.merchant_share_cap)
    by_day = fairness.by_merchant(yesterday, merchants, floor=floor, cap=cap)
    whole = fairness.by_merchant(ever, merchants, floor=floor, cap=cap)
    everybody = [] if isinstance(whole, Withheld) else [one.impressions for one in whole]
    return {
        "day": (at.date() - timedelta(days=1)).isoformat(),
        "items": plain(fairness.spread(np.array([ever.get(item, 0.0) for item in merchants]))),
        "merchants": plain(fairness.spread(np.array(everybody))),
        "yesterday": _rows(by_day),
        "ever": _rows(whole),
        "floors_met": 0 if isinstance(by_day, Withheld) else fairness.floors_met(by_day),
    }


def plain(found: fairness.Spread | Withheld) -> Json:
    if isinstance(found, Withheld):
        return {"withheld": found.reason.value}
    return {**asdict(found), "coverage": found.coverage}


def _rows(found: list[fairness.Got] | Withheld) -> list[Json]:
    """Empty before the first impression."""
    if isinstance(found, Withheld):
        return []
    return [{**asdict(row), "floor_met": row.is_floor_met, "cap_kept": row.is_cap_kept} for row in found]


def _shown(cells: pa.Table | None, day: Any) -> dict[str, float]:
    """Impressions of each item by the campaign, on one UTC day or ever."""
    if cells is None:
        return {}
    own = cells.filter(cells["ours"])
    if day is not None:
        own = own.filter(pc.equal(pc.cast(own["at"], pa.date32()), pa.scalar(day, pa.date32())))
    sums = own.group_by("item_id").aggregate([("trials", "sum")])
    return dict(zip(sums["item_id"].to_pylist(), sums["trials_sum"].to_pylist(), strict=True))


def _merchants(campaign: Campaign, shown: list[str]) -> dict[str, str]:
    """Of every item in the pool or shown before: its merchant, "" for none."""
    now = pool.items(campaign).values_list("key", "merchant__key")
    before = Item.objects.filter(key__in=shown).values_list("key", "merchant__key")
    return {key: merchant or "" for key, merchant in [*now, *before]}
