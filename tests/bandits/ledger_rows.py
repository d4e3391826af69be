"""Ledger tables by hand: what a scenario showed of its items, and what came of it."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any, NamedTuple

import pyarrow as pa


class Cell(NamedTuple):
    """Impressions of one item within one hour."""

    item: str
    at: datetime
    trials: float
    clicks: float = 0
    campaign: str = ""  # "" for nobody's
    position: int = 1
    net: float = 0


TEXTS = ["item_id", "segment", "campaign", "arm", "source"]
SUMS = ["trials", "clicks", "carts", "orders", "net", "valued", "share", "inverse", "inverse_clicks"]
SCHEMA = pa.schema(
    [
        *((name, pa.string()) for name in TEXTS),
        ("position", pa.int32()),
        ("hour", pa.int32()),
        ("day", pa.date32()),
        *((name, pa.float64()) for name in [*SUMS, "log_mean", "log_m2"]),
    ]
)


def counts(cells: Iterable[Cell]) -> pa.Table:
    return pa.Table.from_pylist([_row(cell) for cell in cells], schema=SCHEMA)


def _row(cell: Cell) -> dict[str, Any]:
    return {
        "item_id": cell.item,
        "segment": "",
        "campaign": cell.campaign,
        "arm": "learned" if cell.campaign else "",
        "source": "table" if cell.campaign else "",
        "position": cell.position,
        "hour": cell.at.hour,
        "day": cell.at.date(),
        "trials": cell.trials,
        "clicks": cell.clicks,
        "carts": 0.0,
        "orders": cell.clicks,
        "net": cell.net,
        "valued": float(cell.net > 0) * cell.clicks,
        "log_mean": 0.0,
        "log_m2": 0.0,
        "share": 0.5 * cell.clicks,
        "inverse": 0.0,
        "inverse_clicks": 0.0,
    }
