"""Paths as JSON holds them. Names: docs/api.md, GET /api/v1/scenarios/{key}/paths/. Pure."""

from collections.abc import Mapping
from typing import Any

from firstlight.kernel.moments import Moments
from firstlight.kernel.withheld import Reason, Withheld
from firstlight.stats.estimates import Estimate
from firstlight.tracing.asking import Found
from firstlight.tracing.lifts import Lift
from firstlight.tracing.paths import Arm, Counts, Path

Json = dict[str, Any]
NOTES = {
    "effect": "Counted over all units of an arm: an effect of the experiment.",
    "description": "Within a path that the arm itself sends items to: other items and people, so no effect.",
}


def plain(found: Found) -> Json:
    reading, asked = found.reading, found.asked
    total = sum(counts.impressions for counts in reading.paths.values())
    return {
        "scenario": asked.scenario.key,
        "start": asked.window.start,
        "end": asked.window.end,
        "by": asked.by,
        "experiment": asked.experiment.key if asked.experiment else None,
        "phase": asked.experiment.phase if asked.experiment else None,
        "control": found.control or None,
        "confidence": found.confidence if asked.experiment else None,
        "mixed_units": reading.mixed,
        "paths": [_path(path) | _counts(counts, total) for path, counts in reading.paths.items()],
        "arms": [_arm(name, arm) for name, arm in reading.arms.items()],
        "lifts": [lift(one) for one in found.lifts],
    }


def lift(one: Lift) -> Json:
    told = one.comparison
    return _path(one.path) | {
        "arm": one.arm,
        "measure": one.measure.key,
        "nature": one.measure.nature,
        "difference": estimate(told.difference),
        "lift": estimate(told.lift),
        "p": {"withheld": told.tail.reason.value} if isinstance(told.tail, Withheld) else told.tail.p,
    }


def estimate(value: Estimate | Withheld) -> Json:
    if isinstance(value, Withheld):
        return {"withheld": value.reason.value}
    return {"value": value.value, "low": value.low, "high": value.high}


def rate(part: float, whole: float) -> float | dict[str, str]:
    return part / whole if whole else {"withheld": Reason.NO_DENOMINATOR.value}


def sums(moments: Moments) -> list[int]:
    """Impressions, clicks, orders, and impressions of all paths, of the whole arm."""
    return [round(one) for one in moments.mean * moments.n]


def _path(path: Path) -> Json:
    return {"recall_source": path.recall_source or None, "ranker": path.ranker or None, "is_rest": path.is_rest}


def _counts(counts: Counts, total: int) -> Json:
    return {"units": counts.units, **_rates(counts.impressions, counts.clicks, counts.orders, total)}


def _arm(name: str, arm: Arm) -> Json:
    return {"arm": name, "units": arm.units, "paths": [*_of(arm.by_path)]}


def _of(by_path: Mapping[Path, Moments]) -> list[Json]:
    return [_path(path) | _rates(*sums(moments)) for path, moments in by_path.items()]


def _rates(impressions: int, clicks: int, orders: int, total: int) -> Json:
    return {
        "impressions": impressions,
        "clicks": clicks,
        "orders": orders,
        "exposure_share": rate(impressions, total),
        "click_rate": rate(clicks, impressions),
        "order_rate": rate(orders, clicks),
    }
