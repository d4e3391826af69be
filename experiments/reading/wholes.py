"""All units of every arm compared: metrics of one kind by one call."""

from collections import defaultdict
from collections.abc import Mapping

from experiments.reading.compared import Compared, compare
from experiments.reading.given import Totals
from experiments.reading.plan import Plan, PlannedMetric
from experiments.reading.preferring import preferred
from experiments.reading.sequence import Course
from firstlight.kernel.moments import Moments
from firstlight.stats.estimates import Comparison

At = tuple[str, str]  # metric, arm


def compared(plan: Plan, totals: Mapping[str, Totals], course: Course) -> dict[At, Compared]:
    """Of every metric; blank where nothing can be told."""
    alike: dict[tuple[str, int], list[At]] = defaultdict(list)
    found: dict[At, Compared] = {}
    for metric, arm in _asked(plan):
        if (blank := totals[metric.key].withheld) is not None:
            found[metric.key, arm] = Compared.blank(blank)
            continue
        if credits := totals[metric.key].credits:
            found[metric.key, arm] = preferred(credits[arm], course)
            continue
        alike[totals[metric.key].kind, totals[metric.key].covariates if plan.cuped else 0].append((metric.key, arm))
    for (kind, covariates), asked in alike.items():
        sides = [totals[key].arms if covariates else totals[key].bare for key, _ in asked]
        pairs = [(side[plan.control.key], side[arm]) for side, (_, arm) in zip(sides, asked, strict=True)]
        found |= zip(asked, compare(kind, pairs, course, covariates), strict=True)
    return found


def others(
    plan: Plan, totals: Mapping[str, Totals], cells: Mapping[str, Mapping[str, Moments]], course: Course
) -> dict[At, Comparison]:
    """The same on other moments (metric -> arm -> moments), where there are any: raw, as of one look."""
    alike: dict[str, list[At]] = defaultdict(list)
    for metric, arm in _asked(plan):
        if {plan.control.key, arm} <= cells.get(metric.key, {}).keys():
            alike[totals[metric.key].kind].append((metric.key, arm))
    found: dict[At, Comparison] = {}
    for kind, asked in alike.items():
        own = (0, 1) if kind == "ratio" else (0,)
        pairs = [(cells[key][plan.control.key].take(*own), cells[key][arm].take(*own)) for key, arm in asked]
        found |= zip(asked, (one.raw.fixed for one in compare(kind, pairs, course)), strict=True)
    return found


def _asked(plan: Plan) -> list[tuple[PlannedMetric, str]]:
    return [(metric, arm.key) for metric in plan.metrics for arm in plan.treatments]
