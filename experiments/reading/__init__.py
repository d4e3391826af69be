"""From the moments of every arm to all that a look stores. Pure.

plan + what was read -> comparisons -> health checks -> verdict -> the JSON of `Look.results`
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from experiments import verdict
from experiments.reading import over_time, places, stored
from experiments.reading.ages import ages
from experiments.reading.balance import balance
from experiments.reading.checks import checks, overlap
from experiments.reading.given import Given, Totals, totals
from experiments.reading.growing import grown
from experiments.reading.interests import objectives
from experiments.reading.overlapping import interactions
from experiments.reading.plan import Plan, PlannedArm, PlannedMetric
from experiments.reading.rows import Row, finding, rows
from experiments.reading.segments import segments
from experiments.reading.sequence import Course, course

__all__ = ["VERSION", "Given", "Plan", "PlannedArm", "PlannedMetric", "read"]

VERSION = 2  # of the form of the results; looks without one are older


def read(plan: Plan, given: Given, *, at: datetime) -> dict[str, Any]:
    """`Look.results` without the query's text, the definitions and the basis."""
    whole = {metric.key: totals(plan, metric, given) for metric in plan.metrics}
    units = sum(given.units.get(arm.key, 0) for arm in plan.arms)
    here = course(plan, given, units, at)
    balanced = balance(plan, whole)
    found = rows(plan, whole, given, here, balanced.off)
    crossed = interactions(plan, given, whole)
    failed = [*checks(plan, given, found, balanced, at), overlap(crossed, given)]
    decided = verdict.decide(
        [finding(row) for row in found], failed, _progress(plan, here, units, at), plan.confidence, plan.question
    )
    return {
        "version": VERSION,
        "unit": plan.unit,
        "control": plan.control.key,
        "arms": [
            {"key": arm.key, "name": arm.name, "weight": arm.weight, "units": given.units.get(arm.key, 0)}
            for arm in plan.arms
        ],
        "window": {"start": plan.window.start.isoformat(), "end": plan.window.end.isoformat()},
        "mixed_units": given.mixed_units,
        "confidence": plan.confidence,
        "analysis": ANALYSES[plan.analysis],
        "plan": stored.plan(plan, here.planned_n),
        "health": [stored.check(one) for one in failed],
        "metrics": _metrics(plan, whole, given, found),
        "daily": over_time.days(plan, given, whole, here, balanced.off),
        **_parts(plan, given, here, found, balanced.off),
        "interactions": crossed,
        "sequence": _sequence(given, here, found),
        "verdict": {
            "kind": decided.kind.value,
            "sentence": decided.sentence,
            "reasons": [*decided.reasons, *_settled(plan, at)],
        },
    }


def _settled(plan: Plan, at: datetime) -> list[str]:
    if plan.settled_at is None or plan.stopped_at or at <= plan.settled_at:
        return []
    return [f"Read as of the end of its plan: units that came after {plan.settled_at:%-d %B %Y, %H:%M} do not count."]


def _parts(
    plan: Plan, given: Given, here: Course, found: Sequence[Row], off: Mapping[str, str]
) -> dict[str, list[dict[str, Any]]]:
    by_segment, heterogeneity = segments(plan, given, here, off)
    by_age, trends = ages(plan, given, here)
    return {
        "segments": by_segment,
        "heterogeneity": heterogeneity,
        "scenarios": places.scenarios(plan, given, here),
        "spill_over": places.spilled(plan, given),
        "growth": grown(plan, given),
        "objectives": objectives(plan, found, given.weights),
        "ages": by_age,
        "trends": trends,
    }


ANALYSES = {"group_sequential": "group sequential", "always_valid": "always valid", "fixed": "fixed horizon"}


def _metrics(plan: Plan, whole: Mapping[str, Totals], given: Given, found: Sequence[Row]) -> list[dict[str, Any]]:
    return [
        stored.metric(
            metric,
            plan,
            whole[metric.key],
            given.metrics.get(metric.key),
            [row for row in found if row.metric is metric],
        )
        for metric in plan.metrics
    ]


def _progress(plan: Plan, here: Course, units: int, at: datetime) -> verdict.Progress:
    share = min(1.0, units / plan.planned_units) if plan.planned_units else 1.0
    return verdict.Progress(
        plan.days(at), plan.planned_days, plan.stopped_at is not None, here.is_sequential, plan.least_days, share
    )


def _sequence(given: Given, here: Course, found: Sequence[Row]) -> list[dict[str, Any]]:
    """Every look at this phase: what it asked for, and where each goal stood."""
    goals = [row for row in found if row.metric.role == "primary"]
    this = {"number": here.number, "at": here.at.isoformat(), "information": here.information, "z": here.z}
    return [
        *given.sequence,
        *({**this, "metric": row.metric.key, "arm": row.arm.key, "statistic": row.statistic} for row in goals),
    ]
