"""What beliefs stand on, as it is stored beside them: priors with their data, slots, delays."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from bandits.evidence import Lens
from bandits.policies.priors import Level
from firstlight.kernel.withheld import Withheld

MOST = 200  # lines of priors: a marketplace has thousands of merchants
WHOLE_DAYS = (0.25, 0.5, 1, 2, 3, 7, 14, 30)


def told(lens: Lens, levels: Iterable[Level], at: datetime) -> dict[str, Any]:
    return {"at": at.isoformat(), "priors": _priors(levels), "positions": _positions(lens), "delays": _delays(lens)}


def _priors(levels: Iterable[Level]) -> list[dict[str, Any]]:
    """The scenario and those with most data."""
    rows = sorted(levels, key=lambda one: (one.level != "scenario", -one.trials))
    return [_level(one) for one in rows[:MOST]]


def _level(one: Level) -> dict[str, Any]:
    rate = {"withheld": one.rate.reason.value} if isinstance(one.rate, Withheld) else one.rate
    told = {name: getattr(one, name) for name in ("level", "name", "items", "trials", "mean", "strength")}
    return {**told, "rate": rate}


def _positions(lens: Lens) -> dict[str, Any]:
    if lens.examined is None:
        return {}
    if isinstance(lens.examined, Withheld):
        return {"withheld": lens.examined.reason.value}
    return {str(slot): {"value": one.value, "se": one.se, "n": one.n} for slot, one in lens.examined.items()}


def _delays(lens: Lens) -> dict[str, Any]:
    """Share of the rewards that have come so many days after the impression."""
    if lens.delays is None:
        return {}
    if isinstance(lens.delays, Withheld):
        return {"withheld": lens.delays.reason.value}
    window = lens.delays.window_hours
    days = [day for day in WHOLE_DAYS if day * 24 < window] + [window / 24]
    shares = lens.delays.arrived([day * 24 for day in days]).tolist()
    return {"n": lens.delays.n, "arrived": [{"days": d, "share": s} for d, s in zip(days, shares, strict=True)]}
