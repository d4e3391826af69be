"""Sums over hash buckets of units: what a bootstrap draws from, however many units there are."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import ibis
import numpy as np
from numpy.typing import NDArray

from firstlight.metrics import read
from firstlight.metrics.definitions import Definition
from firstlight.metrics.read import Exposures

DIGITS = 3  # of the md5 of a unit: 4,096 buckets, the same in every engine
Vector = NDArray[np.float64]
WITHOUT_SUMS = ("quantile",)


@dataclass(frozen=True, slots=True)
class Bucketed:
    """One metric in one arm."""

    n: Vector  # (B,) units in each bucket
    sums: Vector  # (B, 1 or 2) of value and denominator


def buckets(
    events: ibis.Table, definitions: Sequence[Definition], exposures: Exposures, caps: Mapping[str, float | None]
) -> dict[str, dict[str, Bucketed]]:
    """By metric and arm, of every metric that is a sum per unit; `caps` are those of the look, in the metric's unit.

    Of a metric that needs time to mature only the ripe units count, as in the look. The past is left out.
    """
    asked = [one for one in definitions if one.kind not in WITHOUT_SUMS]
    units = read.units(events, asked, exposures)
    rows = units.filter(units.arm.notnull())
    rows = rows.mutate(bucket=rows.unit.hexdigest("md5").substr(0, DIGITS))
    sums: dict[str, Any] = {}
    for i, one in enumerate(asked):
        ripe = rows.exposed_at <= exposures.end - timedelta(hours=one.ripe_after)
        sums[f"n{i}"] = ripe.sum()
        for name in _columns(one):
            value, cap = rows[name], caps.get(one.key) if name == one.key else None
            sums[f"{i}.{name}"] = (value if cap is None else ibis.least(value, cap)).sum(where=ripe)
    found = rows.group_by("arm", "bucket").aggregate(**sums).order_by("arm", "bucket").to_pyarrow()
    arms = np.array(found.column("arm").to_pylist())
    return {
        one.key: {
            arm: _bucketed(found.filter(arms == arm), f"n{i}", [f"{i}.{name}" for name in _columns(one)])
            for arm in exposures.arms
        }
        for i, one in enumerate(asked)
    }


def _columns(one: Definition) -> list[str]:
    return [one.key, f"{one.key}.denominator"] if one.kind in ("ratio", "funnel") else [one.key]


def _bucketed(rows: Any, n: str, sums: Sequence[str]) -> Bucketed:
    columns = [np.array(rows.column(name).to_pylist(), dtype=np.float64) for name in (n, *sums)]
    filled = np.nan_to_num(np.stack(columns, axis=1)) if rows.num_rows else np.zeros((0, 1 + len(sums)))
    return Bucketed(filled[:, 0], filled[:, 1:])
