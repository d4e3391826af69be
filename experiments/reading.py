"""From the moments of every arm to all that a look stores. Pure.

plan + moments -> comparisons -> health checks -> verdict -> the JSON of `Look.results`
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import reduce
from itertools import accumulate
from operator import add
from typing import TYPE_CHECKING, Any

from experiments import findings, health, verdict
from experiments.findings import Finding
from experiments.stats import comparison, guardrails
from experiments.stats.estimates import Comparison, Estimate
from experiments.stats.guardrails import Guardrail
from experiments.stats.multiplicity import holm
from firstlight.kernel.moments import Moments
from firstlight.kernel.windows import Window
from firstlight.kernel.withheld import Withheld

if TYPE_CHECKING:
    from experiments.models import Arm, Experiment, ExperimentMetric

ByDay = Mapping[tuple[str, date], Moments]  # (arm, UTC day of first exposure)


@dataclass(frozen=True, slots=True)
class PlannedArm:
    key: str
    name: str
    weight: float  # share of the units

    @classmethod
    def of(cls, arm: "Arm") -> "PlannedArm":
        return cls(arm.key, arm.name or arm.key, float(arm.weight))


@dataclass(frozen=True, slots=True)
class PlannedMetric:
    key: str
    name: str
    role: str  # primary, secondary or guardrail
    kind: str  # proportion, mean or ratio
    direction: str  # increase or decrease: what is wanted
    objective: str
    margin: float  # of a guardrail, as a share of the control

    @classmethod
    def of(cls, one: "ExperimentMetric") -> "PlannedMetric":
        metric = one.metric
        return cls(
            metric.key, metric.name, one.role, metric.kind, metric.direction, metric.objective, float(one.margin)
        )

    @property
    def sign(self) -> int:
        return 1 if self.direction == "increase" else -1


@dataclass(frozen=True, slots=True)
class Plan:
    arms: tuple[PlannedArm, ...]  # control first
    metrics: tuple[PlannedMetric, ...]
    confidence: float
    started_at: datetime
    planned_days: int
    unit: str  # column of the event table
    window: Window  # of exposures that were read
    stopped_at: datetime | None = None

    @classmethod
    def of(cls, experiment: "Experiment", window: Window) -> "Plan":
        """Of a started one, as it stands in the database."""
        assert experiment.started_at is not None
        return cls(
            tuple(PlannedArm.of(arm) for arm in experiment.arms.order_by("position")),
            tuple(PlannedMetric.of(one) for one in experiment.measured.select_related("metric").order_by("pk")),
            float(experiment.confidence),
            experiment.started_at,
            experiment.planned_days,
            experiment.unit,
            window,
            experiment.stopped_at,
        )

    @property
    def control(self) -> PlannedArm:
        return self.arms[0]


@dataclass(frozen=True, slots=True)
class Row:
    """One metric in one treatment."""

    metric: PlannedMetric
    arm: PlannedArm
    found: Comparison
    guardrail: Guardrail | Withheld | None
    p_adjusted: float | None = None


def read(
    plan: Plan, measured_units: Mapping[str, int], mixed_units: int, by_day: Mapping[str, ByDay], *, at: datetime
) -> dict[str, Any]:
    """`Look.results` without the query's text. `by_day` is by metric; an arm without units may be missing."""
    totals = {metric.key: _totals(plan, metric, by_day.get(metric.key, {})) for metric in plan.metrics}
    rows = _adjusted([row for metric in plan.metrics for row in _rows(plan, metric, totals[metric.key])])
    checks = _checks(plan, measured_units, mixed_units, by_day, at)
    decided = verdict.decide([_finding(row) for row in rows], checks, _progress(plan, at), plan.confidence)
    return {
        "unit": plan.unit,
        "control": plan.control.key,
        "arms": [
            {"key": arm.key, "name": arm.name, "weight": arm.weight, "units": measured_units.get(arm.key, 0)}
            for arm in plan.arms
        ],
        "window": {"start": plan.window.start.isoformat(), "end": plan.window.end.isoformat()},
        "mixed_units": mixed_units,
        "confidence": plan.confidence,
        "analysis": "fixed horizon",
        "health": [{"check": c.check, "passed": c.passed, "p": c.p, "sentence": c.sentence} for c in checks],
        "metrics": [_metric(plan, m, totals[m.key], [r for r in rows if r.metric is m]) for m in plan.metrics],
        "daily": [day for m in plan.metrics if m.role == "primary" for day in _daily(plan, m, by_day.get(m.key, {}))],
        "verdict": {"kind": decided.kind.value, "sentence": decided.sentence, "reasons": list(decided.reasons)},
    }


def _totals(plan: Plan, metric: PlannedMetric, by_day: ByDay) -> dict[str, Moments]:
    return {arm.key: _sum(metric, [m for (key, _), m in by_day.items() if key == arm.key]) for arm in plan.arms}


def _sum(metric: PlannedMetric, moments: Sequence[Moments]) -> Moments:
    return reduce(add, moments, Moments.empty(2 if metric.kind == "ratio" else 1))


def _rows(plan: Plan, metric: PlannedMetric, totals: Mapping[str, Moments]) -> list[Row]:
    control = totals[plan.control.key]
    return [
        Row(
            metric,
            arm,
            comparison.compare(metric.kind, control, totals[arm.key], plan.confidence),
            _guardrail(plan, metric, control, totals[arm.key]),
        )
        for arm in plan.arms[1:]
    ]


def _guardrail(plan: Plan, metric: PlannedMetric, control: Moments, treatment: Moments) -> Guardrail | Withheld | None:
    if metric.role != "guardrail":
        return None
    return guardrails.judge(
        metric.kind, control, treatment, sign=metric.sign, margin=metric.margin, confidence=plan.confidence
    )


def _adjusted(rows: Sequence[Row]) -> list[Row]:
    """With the p of the goals corrected for how many comparisons decide."""
    tails = {i: row.found.tail for i, row in enumerate(rows) if row.metric.role == "primary"}
    raw = {i: tail.p for i, tail in tails.items() if not isinstance(tail, Withheld)}
    corrected = dict(zip(raw, holm(list(raw.values())), strict=True))
    return [Row(row.metric, row.arm, row.found, row.guardrail, corrected.get(i)) for i, row in enumerate(rows)]


def _finding(row: Row) -> Finding:
    metric, found = row.metric, row.found
    p = row.p_adjusted if metric.role == "primary" else _p(found)
    return Finding(
        metric.name,
        row.arm.name,
        metric.role,
        metric.sign,
        metric.margin,
        found.difference,
        found.lift,
        p,
        row.guardrail,
    )


def _checks(
    plan: Plan, units: Mapping[str, int], mixed: int, by_day: Mapping[str, ByDay], at: datetime
) -> list[health.Check]:
    counts = [units.get(arm.key, 0) for arm in plan.arms]
    days = [day for days in by_day.values() for _, day in days]
    planned_end = plan.started_at + timedelta(days=plan.planned_days)
    until = min(at, planned_end, plan.stopped_at or at) - timedelta.resolution
    return [
        health.sample_ratio(counts, [arm.weight for arm in plan.arms]),
        health.several_arms(sum(counts), mixed),
        health.exposures(days, until.astimezone(UTC).date()),
    ]


def _progress(plan: Plan, at: datetime) -> verdict.Progress:
    run = min(at, plan.stopped_at or at) - plan.started_at
    return verdict.Progress(run / timedelta(days=1), plan.planned_days, plan.stopped_at is not None)


def _metric(plan: Plan, metric: PlannedMetric, totals: Mapping[str, Moments], rows: Sequence[Row]) -> dict[str, Any]:
    return {
        "metric": metric.key,
        "name": metric.name,
        "role": metric.role,
        "kind": metric.kind,
        "direction": metric.direction,
        "objective": metric.objective,
        "margin": metric.margin,
        "arms": [_arm(arm, metric, totals[arm.key]) for arm in plan.arms],
        "estimates": [_estimate(row) for row in rows],
    }


def _arm(arm: PlannedArm, metric: PlannedMetric, moments: Moments) -> dict[str, Any]:
    sums = [moments.n * float(mean) for mean in moments.mean]
    denominator = sums[1] if metric.kind == "ratio" else None
    per = moments.n if denominator is None else denominator
    level = comparison.level(metric.kind, moments)
    return {
        "arm": arm.key,
        "units": moments.n,
        "mean": sums[0] / per if per else None,
        "numerator": sums[0],
        "denominator": denominator,
        "standard_error": None if isinstance(level, Withheld) else level.standard_error,
    }


def _estimate(row: Row) -> dict[str, Any]:
    found, tail = row.found, row.found.tail
    return {
        "arm": row.arm.key,
        "difference": _interval(found.difference),
        "lift": _interval(found.lift),
        "p": _p(found),
        "log10_p": None if isinstance(tail, Withheld) else tail.log10_p,
        "p_adjusted": row.p_adjusted,
        "method": found.method,
        "guardrail": _guarded(row),
    }


def _p(found: Comparison) -> float | None:
    return None if isinstance(found.tail, Withheld) else found.tail.p


def _interval(found: Estimate | Withheld) -> dict[str, Any]:
    if isinstance(found, Withheld):
        return {"withheld": found.reason.value}
    return {"value": found.value, "low": found.low, "high": found.high}


def _guarded(row: Row) -> dict[str, Any] | None:
    if row.guardrail is None:
        return None
    sentence = findings.guardrail_words(_finding(row))
    if isinstance(row.guardrail, Withheld):
        return {"state": guardrails.State.NOT_SETTLED.value, "p": None, "sentence": sentence}
    return {"state": row.guardrail.state.value, "p": row.guardrail.held.p, "sentence": sentence}


def _daily(plan: Plan, metric: PlannedMetric, by_day: ByDay) -> list[dict[str, Any]]:
    """All units that had come by the end of each day, compared as in the whole."""
    days = sorted({day for _, day in by_day})
    blank = _sum(metric, [])
    so_far = {arm.key: [*accumulate(by_day.get((arm.key, day), blank) for day in days)] for arm in plan.arms}
    return [
        {"day": day.isoformat(), "metric": metric.key, "arm": arm.key, "units": treatment.n}
        | _so_far(comparison.compare(metric.kind, control, treatment, plan.confidence))
        for arm in plan.arms[1:]
        for day, control, treatment in zip(days, so_far[plan.control.key], so_far[arm.key], strict=True)
    ]


def _so_far(found: Comparison) -> dict[str, Any]:
    return {"lift": _interval(found.lift), "difference": _interval(found.difference)}
