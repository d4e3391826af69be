"""Rows of the lake, as short as a test can say them."""

from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import msgspec
import pyarrow as pa
import uuid_utils

from firstlight.lake import table
from firstlight.lake.models import Batch
from firstlight.lake.schema import EVENTS

ITEMS = ("sku-1", "sku-2", "sku-3", "sku-4", "sku-5")


def row(kind: str, at: datetime, **fields: Any) -> dict[str, Any]:
    naive = at.replace(tzinfo=None)
    return {"event_id": str(uuid_utils.uuid7()), "type": kind, "at": naive, "day": naive.date(), "batch": 1, **fields}


def write(*rows: dict[str, Any], batch: int = 1) -> None:
    table.append(batch, pa.Table.from_pylist([one | {"batch": batch} for one in rows], schema=EVENTS))


def slot(place: int, campaign: str = "new-arrivals") -> dict[str, Any]:
    return {
        "position": 2 * place + 1,
        "item_id": ITEMS[place],
        "campaign": campaign,
        "table": 55,
        "row": 812,
        "propensity": 0.0421 / (place + 1),
        "source": "floor" if place == 2 else "table",
    }


def decision(trace: str, at: datetime, *, slots: int = 3, **fields: Any) -> dict[str, Any]:
    told = {
        "attributes": {"country": "IN", "platform": "android"},
        "eligible": {"category": ["dress"]},
        "exclude_items": ["sku-9"],
        "parameters": {"ranker": "din", "recall.i2i.quota": 120},
        "objectives": {"weights": {"user": 0.6, "merchant": 0.15, "platform": 0.25}, "source": "default", "version": 0},
        "journey_stage": "browsing",
        "floors": {"new-arrivals": 0.05},
    }
    known = {"trace_id": trace, "scenario": "home_feed", "user_id": "u-81", "snapshot": 812}
    met = [{"experiment": "ranker-din", "variant": "din", "phase": 1}]
    given = {"assignments": met, "discovery": [slot(i) for i in range(slots)]}
    return row("decision", at, **known, **given, properties=msgspec.json.encode(told).decode(), **fields)


def whole(trace: str, at: datetime) -> list[dict[str, Any]]:
    """A decision with three slots, and what a shopper did with them and with two items of the recommender."""

    def event(kind: str, seconds: float, item: int, **more: Any) -> dict[str, Any]:
        here = {"trace_id": trace, "scenario": "home_feed", "user_id": "u-81", "item_id": ITEMS[item]}
        return row(kind, at + timedelta(seconds=seconds), **here, **more)

    def seen(seconds: float, item: int, source: str, score: float) -> dict[str, Any]:
        return event("impression", seconds, item, recall_source=source, ranker="din", score=score, position=item + 1)

    paid = {"value": Decimal("1250.00"), "currency": "INR", "order_id": "o-5"}
    return [
        decision(trace, at),
        seen(0.4, 0, "i2i", 0.71),
        seen(0.4, 1, "c2i", 0.66),
        seen(0.9, 3, "hot", 0.31),
        seen(1.2, 4, "retargeting", 0.12),
        event("click", 4, 0),
        event("click", 9, 3),
        event("cart", 61, 0),
        row("visit", at + timedelta(seconds=0.1), trace_id=trace, scenario="home_feed", user_id="u-81"),
        event("order", 312, 0, **paid),
    ]


def arrived(batch: int, at: datetime) -> None:
    """The ledger says that this batch was drawn up then."""
    Batch.objects.create(number=batch, from_xact=batch, to_xact=batch + 1, committed_at=at, n_events=1)
    Batch.objects.filter(number=batch).update(drawn_at=at)
