"""Where a lift of value per unit comes from: visits, conversion, orders per buyer, value per order, what is kept."""

from typing import Any

from experiments.reading import stored
from experiments.reading.given import Given
from experiments.reading.plan import Plan
from firstlight.kernel.withheld import Withheld
from firstlight.stats import growth

Json = dict[str, Any]


def grown(plan: Plan, given: Given) -> list[Json]:
    """Of every treatment; the factors sum to the total exactly. Withheld where a factor is nothing in an arm."""
    control = given.growth.get(plan.control.key)
    if control is None:
        return []
    return [
        _told(arm.key, growth.split(control, given.growth[arm.key], plan.confidence))
        for arm in plan.treatments
        if arm.key in given.growth
    ]


def _told(arm: str, found: growth.Growth | Withheld) -> Json:
    if isinstance(found, Withheld):
        return {"arm": arm, "total": stored.interval(found), "factors": []}
    factors = [{"factor": name, **stored.interval(share)} for name, share in found.factors]
    return {"arm": arm, "total": stored.interval(found.total), "factors": factors}
