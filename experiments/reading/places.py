"""Each scenario by itself, and what the same units did in the scenarios of the test, elsewhere, and over all."""

from typing import Any

from experiments.reading import stored
from experiments.reading.given import Given
from experiments.reading.parts import parts
from experiments.reading.plan import Plan
from experiments.reading.sequence import Course
from firstlight.stats import spillover

Json = dict[str, Any]


def scenarios(plan: Plan, given: Given, course: Course) -> list[Json]:
    """Of every scenario that has events of the metric. All units count, whether or not they came by."""
    cells = {key: one.by_scenario for key, one in given.metrics.items()}
    return [
        {"scenario": part.part, "metric": part.metric.key, "arm": part.arm, **stored.both(one.raw.fixed)}
        for part, one in parts(plan, cells, course, {}).items()
    ]


def spilled(plan: Plan, given: Given) -> list[Json]:
    """Of means: local + spill-over = global, as shares of the control's global mean. A ratio has no such sum."""
    asked = [
        (metric, arm.key, joint[plan.control.key], joint[arm.key])
        for metric in plan.metrics
        if metric.kind == "mean" and metric.key in given.metrics and (joint := given.metrics[metric.key].joint)
        for arm in plan.treatments
        if {plan.control.key, arm.key} <= joint.keys()
    ]
    found = spillover.split([c for *_, c, _ in asked], [t for *_, t in asked], plan.confidence)
    return [
        {
            "metric": metric.key,
            "arm": arm,
            "local": stored.interval(one.local),
            "global": stored.interval(one.whole),
            "spill_over": stored.interval(one.spill_over),
        }
        for (metric, arm, *_), one in zip(asked, found, strict=True)
    ]
