"""By days since exposure: does the effect fade (novelty) or grow (primacy)?"""

from collections import defaultdict
from collections.abc import Mapping
from typing import Any

from experiments.reading import stored
from experiments.reading.compared import Compared
from experiments.reading.given import Given
from experiments.reading.parts import Part, parts
from experiments.reading.plan import Plan
from experiments.reading.sequence import Course
from firstlight.console import words
from firstlight.kernel.withheld import Withheld
from firstlight.stats import trend
from firstlight.stats.trend import Trend

Json = dict[str, Any]


def ages(plan: Plan, given: Given, course: Course) -> tuple[list[Json], list[Json]]:
    """(the lift of each day of age, the trend through them), as stored. A day counts units that lived through it."""
    cells = {key: one.by_age for key, one in given.metrics.items()}
    found = sorted(parts(plan, cells, course, {}).items(), key=lambda one: int(one[0].part))
    told = [
        {"metric": part.metric.key, "arm": part.arm, "age": part.part, **stored.both(one.raw.fixed)}
        for part, one in found
    ]
    groups: dict[tuple[str, str], dict[Part, Compared]] = defaultdict(dict)
    for part, one in found:
        groups[part.metric.key, part.arm][part] = one
    return told, [line for several in groups.values() if (line := _trend(plan, several)) is not None]


def _trend(plan: Plan, several: Mapping[Part, Compared]) -> Json | None:
    """Of the differences, whose errors do not hang on the control's level of that day."""
    points = []
    for part, one in several.items():
        readings, i = one.readings(adjusted=False), one.row
        if readings is not None:
            points.append((float(part.part), float(readings.difference[i]), float(readings.se[i]) ** 2))
    days, effects, variances = ([point[i] for point in points] for i in range(3))
    found = trend.trend(days, effects, variances, plan.alpha)
    if isinstance(found, Withheld):
        return None
    part = next(iter(several))
    arm = next(arm.name for arm in plan.arms if arm.key == part.arm)
    about = {"metric": part.metric.key, "arm": part.arm, "slope": found.slope, "p": found.p}
    return {**about, "kind": found.course.value, "sentence": _sentence(part.metric.name, arm, found)}


def _sentence(metric: str, arm: str, found: Trend) -> str:
    told = {
        "novelty": f"The effect on “{metric}” in {arm} fades with the days since exposure: novelty",
        "primacy": f"The effect on “{metric}” in {arm} grows with the days since exposure: units get used to it",
        "none": f"The effect on “{metric}” in {arm} shows no trend over the days since exposure",
    }
    return f"{told[found.course.value]} ({words.p_value(found.p)})."
