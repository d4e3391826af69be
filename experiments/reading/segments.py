"""Do segments differ at all? Then each one's effect, drawn in towards the whole. Never raw p-values of subgroups."""

from collections import defaultdict
from collections.abc import Mapping
from math import expm1, log1p
from typing import Any

from experiments.reading import stored
from experiments.reading.compared import Compared
from experiments.reading.given import Given
from experiments.reading.parts import Part, parts
from experiments.reading.plan import Plan
from experiments.reading.sequence import Course
from firstlight.console import words
from firstlight.kernel.withheld import Reason, Withheld
from firstlight.stats import heterogeneity
from firstlight.stats.estimates import Estimate
from firstlight.stats.heterogeneity import Heterogeneity
from firstlight.stats.multiplicity import benjamini_hochberg
from firstlight.stats.newcombe import FEW

Json = dict[str, Any]
Group = tuple[str, str, str]  # slice, metric, arm


def segments(plan: Plan, given: Given, course: Course, off: Mapping[str, str]) -> tuple[list[Json], list[Json]]:
    """(estimates, tests of their sameness), as stored."""
    cells = {key: one.by_segment for key, one in given.metrics.items()}
    groups: dict[Group, dict[Part, Compared]] = defaultdict(dict)
    for part, one in parts(plan, cells, course, off).items():
        groups[part.part[0], part.metric.key, part.arm][part] = one
    drawn = {group: _drawn(plan, several) for group, several in groups.items()}
    told = [
        _told(part, one, drawn[group].get(part)) for group, several in groups.items() for part, one in several.items()
    ]
    return told, _tests(plan, groups)


def _known(several: Mapping[Part, Compared]) -> dict[Part, tuple[float, float]]:
    """ln(1 + lift) and its variance, of the segments where enough units carry the metric.

    A lift's own error grows with it, by which low ones would weigh most; the error of its logarithm hardly does.
    """
    found = {part: one.lift for part, one in several.items() if one.carriers >= FEW}
    return {
        part: (log1p(lift[0]), lift[1] / (1 + lift[0]) ** 2)
        for part, lift in found.items()
        if lift is not None and lift[0] > -1
    }


def _drawn(plan: Plan, several: Mapping[Part, Compared]) -> dict[Part, Estimate]:
    known = _known(several)
    effects, variances = [lift for lift, _ in known.values()], [variance for _, variance in known.values()]
    drawn = heterogeneity.shrunken(effects, variances, plan.confidence)
    return {part: Estimate(*map(expm1, (x.value, x.low, x.high))) for part, x in zip(known, drawn, strict=True)}


def _told(part: Part, one: Compared, drawn: Estimate | None) -> Json:
    ways = one.adjusted or one.raw
    slice_, segment = part.part
    return {
        "slice": slice_,
        "segment": segment,
        "metric": part.metric.key,
        "arm": part.arm,
        "units": dict(zip(("control", "treatment"), one.units, strict=True)),
        **stored.both(ways.fixed),
        "shrunken": stored.interval(drawn or Withheld(Reason.TOO_FEW_CARRY)),
        "levels": {"control": stored.level(one.control), "treatment": stored.level(one.treatment)},
    }


def _tests(plan: Plan, groups: Mapping[Group, Mapping[Part, Compared]]) -> list[Json]:
    """Cochran's Q of every slice, metric and treatment with two segments or more, corrected for their number."""
    found: list[tuple[Group, Heterogeneity]] = []
    for group, several in groups.items():
        known = _known(several).values()
        test = heterogeneity.test([lift for lift, _ in known], [variance for _, variance in known])
        if not isinstance(test, Withheld):
            found.append((group, test))
    corrected = benjamini_hochberg([test.p for _, test in found])
    names = {metric.key: metric.name for metric in plan.metrics} | {arm.key: arm.name for arm in plan.arms}
    return [
        {
            "slice": slice_,
            "metric": metric,
            "arm": arm,
            "q": test.q,
            "p": test.p,
            "p_adjusted": p,
            "sentence": _sentence(slice_, names[metric], names[arm], p, plan.alpha),
        }
        for ((slice_, metric, arm), test), p in zip(found, corrected, strict=True)
    ]


def _sentence(slice_: str, metric: str, arm: str, p: float, alpha: float) -> str:
    if p < alpha:
        return f"The lift of “{metric}” in {arm} differs by {slice_} ({words.p_value(p)})."
    return f"No sign that the lift of “{metric}” in {arm} differs by {slice_} ({words.p_value(p)})."
