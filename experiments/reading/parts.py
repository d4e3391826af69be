"""Parts of the units or of what they did, compared as the whole is: segments, scenarios, days since exposure."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from experiments.reading.compared import Compared, compare
from experiments.reading.given import family
from experiments.reading.plan import Plan, PlannedMetric
from experiments.reading.sequence import Course
from firstlight.kernel.moments import Moments

COLUMNS = ("value", "denominator")


class Part(NamedTuple):
    """One treatment in one part of one metric."""

    metric: PlannedMetric
    part: Any  # (slice, segment), scenario or age
    arm: str


def parts(
    plan: Plan, cells: Mapping[str, Mapping[Any, Moments]], course: Course, off: Mapping[str, str]
) -> dict[Part, Compared]:
    """`cells` of a metric are keyed (*part, arm), all by one call for each kind and number of columns.

    Of a part that an arm has no unit in there is nothing. Read as of one look: nothing is decided on a part.
    """
    alike: dict[tuple[str, int, int], list[tuple[Part, tuple[Moments, Moments]]]] = defaultdict(list)
    for part, pair in _asked(plan, cells):
        own = 2 if part.metric.kind in ("ratio", "funnel") else 1
        k = len(pair[0].mean) if plan.cuped and part.metric.key not in off else own
        kind = family(part.metric, COLUMNS[:own])
        alike[kind, k, own].append((part, (_first(pair[0], k), _first(pair[1], k))))
    found: dict[Part, Compared] = {}
    for (kind, k, own), asked in alike.items():
        compared = compare(kind, [pair for _, pair in asked], course.alone(), k - own)
        found |= zip((part for part, _ in asked), compared, strict=True)
    return found


def _asked(plan: Plan, cells: Mapping[str, Mapping[Any, Moments]]) -> Iterable[tuple[Part, tuple[Moments, Moments]]]:
    for metric in plan.metrics:
        if metric.kind == "quantile":  # a quantile of the whole is none of its parts
            continue
        own = cells.get(metric.key, {})
        for *part, arm in own:
            if arm != plan.control.key and (control := own.get((*part, plan.control.key))) is not None:
                yield Part(metric, part[0] if len(part) == 1 else tuple(part), arm), (control, own[*part, arm])


def _first(moments: Moments, k: int) -> Moments:
    return moments if len(moments.mean) == k else moments.take(*range(k))
