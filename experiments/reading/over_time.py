"""How the goals settled: all units that had come by the end of each day, compared as in the whole."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from itertools import accumulate
from typing import Any

from experiments.reading import stored
from experiments.reading.compared import Compared, compare
from experiments.reading.given import Given, Totals
from experiments.reading.plan import Plan
from experiments.reading.sequence import Course, daily
from firstlight.kernel.moments import Moments


def days(plan: Plan, given: Given, totals: Mapping[str, Totals], course: Course, off: Mapping[str, str]) -> list[Any]:
    """One entry for every goal, treatment and day. Its sequence is that of a plan which looks at the end of each."""
    found = []
    for metric in plan.goals:
        if metric.kind != "quantile" and metric.key in given.metrics:
            whole = totals[metric.key]
            covariates = whole.covariates if plan.cuped and metric.key not in off else 0
            so_far = _so_far(plan, given.metrics[metric.key].by_day, whole.width + covariates)
            found += _of(plan, metric.key, so_far, course, (whole.kind, covariates))
    return found


def _so_far(plan: Plan, by_day: Mapping[tuple[str, date], Moments], columns: int) -> dict[date, dict[str, Moments]]:
    """day -> arm -> all that had come by its end."""
    when, blank = sorted({day for _, day in by_day}), Moments.empty(columns)
    kept = {at: moments.take(*range(columns)) for at, moments in by_day.items()}
    sums = {arm.key: list(accumulate(kept.get((arm.key, day), blank) for day in when)) for arm in plan.arms}
    return {day: {arm: several[i] for arm, several in sums.items()} for i, day in enumerate(when)}


def _of(
    plan: Plan,
    metric: str,
    so_far: Mapping[date, Mapping[str, Moments]],
    course: Course,
    asked: tuple[str, int],  # kind, covariates
) -> list[dict[str, Any]]:
    (kind, covariates), found = asked, []
    for (day, arms), looked in zip(so_far.items(), _courses(plan, so_far, course), strict=True):
        pairs = [(arms[plan.control.key], arms[arm.key]) for arm in plan.treatments]
        for arm, one in zip(plan.treatments, compare(kind, pairs, looked, covariates), strict=True):
            about = {"day": day.isoformat(), "metric": metric, "arm": arm.key, "units": arms[arm.key].n}
            found.append({**about, **_told(one)})
    return found


def _courses(plan: Plan, so_far: Mapping[date, Mapping[str, Moments]], course: Course) -> list[Course]:
    """The last day is this look; a day before asks what a look at its end would have asked."""
    ends = [min(datetime.combine(day, time(), UTC) + timedelta(days=1), course.at) for day in so_far]
    units = [sum(moments.n for moments in arms.values()) for arms in so_far.values()]
    shares = [plan.information(end, n) for end, n in zip(ends, units, strict=True)]
    return [*(replace(course, z=z) for z in daily(plan, shares)[:-1]), course][: len(so_far)]


def _told(found: Compared) -> dict[str, Any]:
    """Adjusted where that is possible; what each interval is worth stands beside it."""
    ways = found.adjusted or found.raw
    sequential = ways.sequential
    return {
        "lift": stored.interval(ways.fixed.lift),
        "difference": stored.interval(ways.fixed.difference),
        "sequential": None
        if sequential is None
        else {"lift": stored.interval(sequential.lift), "difference": stored.interval(sequential.difference)},
    }
