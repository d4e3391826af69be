"""All units of every arm compared: metrics of one kind by one call."""

from collections import defaultdict
from collections.abc import Mapping

from experiments.reading.compared import FAMILY, Compared, compare
from experiments.reading.given import Totals
from experiments.reading.plan import Plan, PlannedMetric
from experiments.reading.sequence import Course
from experiments.stats.estimates import Comparison
from firstlight.kernel.moments import Moments

At = tuple[str, str]  # metric, arm


def compared(plan: Plan, totals: Mapping[str, Totals], course: Course) -> dict[At, Compared]:
    """Of every metric; blank where nothing can be told."""
    alike: dict[tuple[str, int], list[At]] = defaultdict(list)
    found: dict[At, Compared] = {}
    for metric, arm in _asked(plan):
        if (blank := totals[metric.key].withheld) is not None:
            found[metric.key, arm] = Compared.blank(blank)
            continue
        alike[family(metric), totals[metric.key].covariates if plan.cuped else 0].append((metric.key, arm))
    for (kind, covariates), asked in alike.items():
        sides = [totals[key].arms if covariates else totals[key].bare for key, _ in asked]
        pairs = [(side[plan.control.key], side[arm]) for side, (_, arm) in zip(sides, asked, strict=True)]
        found |= zip(asked, compare(kind, pairs, course, covariates), strict=True)
    return found


def others(plan: Plan, cells: Mapping[str, Mapping[str, Moments]], course: Course) -> dict[At, Comparison]:
    """The same on other moments (metric -> arm -> moments), where there are any: raw, as of one look."""
    alike: dict[str, list[At]] = defaultdict(list)
    for metric, arm in _asked(plan):
        if {plan.control.key, arm} <= cells.get(metric.key, {}).keys():
            alike[family(metric)].append((metric.key, arm))
    found: dict[At, Comparison] = {}
    for kind, asked in alike.items():
        own = (0, 1) if kind == "ratio" else (0,)
        pairs = [(cells[key][plan.control.key].take(*own), cells[key][arm].take(*own)) for key, arm in asked]
        found |= zip(asked, (one.raw.fixed for one in compare(kind, pairs, course)), strict=True)
    return found


def family(metric: PlannedMetric) -> str:
    return FAMILY.get(metric.kind, metric.kind)


def _asked(plan: Plan) -> list[tuple[PlannedMetric, str]]:
    return [(metric, arm.key) for metric in plan.metrics for arm in plan.treatments]
