"""What users, merchants and the platform gain, the criterion that weighs them, and which arms none beats in all."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from math import sqrt
from typing import Any

from scipy.special import ndtri

from experiments.reading import stored
from experiments.reading.plan import Plan
from experiments.reading.rows import Row
from firstlight.kernel.withheld import Reason, Withheld
from firstlight.stats import criterion
from firstlight.stats.criterion import Gain
from firstlight.stats.estimates import Estimate

Json = dict[str, Any]
INTERESTS = ("user", "merchant", "platform")


def objectives(plan: Plan, rows: Sequence[Row], weights: Mapping[str, float]) -> list[Json]:
    """Of every treatment, by the lifts of goals and guardrails turned the wanted way. `weights`: of the scenario.

    The control gains nothing against itself, and stands among the arms that a treatment has to beat.
    """
    gains = {arm.key: _gains([row for row in rows if row.arm is arm]) for arm in plan.treatments}
    told = {key: found for key, found in gains.items() if found}
    if not told:
        return []
    shared = set.intersection(*(set(found) for found in told.values()))
    values = {key: {name: found[name].value for name in shared} for key, found in told.items()}
    front = criterion.pareto({plan.control.key: dict.fromkeys(shared, 0.0), **values})
    return [
        {
            "arm": arm.key,
            "interests": {name: _interval(told[arm.key].get(name), plan.confidence) for name in INTERESTS},
            "criterion": _criterion(told[arm.key], weights, plan.confidence),
            "pareto": arm.key in front,
        }
        for arm in plan.treatments
        if arm.key in told
    ]


def _gains(rows: Sequence[Row]) -> dict[str, Gain]:
    found: dict[str, list[Gain]] = defaultdict(list)
    for row in rows:
        if row.metric.role != "secondary" and (lift := row.compared.lift) is not None:
            found[row.metric.objective].append(Gain(row.metric.sign * lift[0], sqrt(lift[1])))
    return {name: gain for name, several in found.items() if (gain := criterion.interest(several))}


def _interval(gain: Gain | None, confidence: float) -> Json:
    if gain is None:
        return stored.interval(Withheld(Reason.NO_METRIC))
    reach = float(ndtri((1 + confidence) / 2)) * gain.se
    return stored.interval(Estimate(gain.value, gain.value - reach, gain.value + reach))


def _criterion(gains: Mapping[str, Gain], weights: Mapping[str, float], confidence: float) -> Json:
    return stored.interval(criterion.criterion(gains, weights, confidence) or Withheld(Reason.NO_METRIC))
