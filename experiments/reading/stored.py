"""Findings as the JSON of `Look.results`: docs/methods.md describes it."""

from collections.abc import Mapping, Sequence
from typing import Any

from experiments import findings
from experiments.health import Check
from experiments.reading.belief import Posterior
from experiments.reading.compared import Ways
from experiments.reading.given import Totals
from experiments.reading.plan import Plan, PlannedArm, PlannedMetric
from experiments.reading.rows import Row, finding, p_of
from firstlight.kernel.moments import Moments
from firstlight.kernel.withheld import Withheld
from firstlight.metrics.read.values import Cells
from firstlight.stats import comparison
from firstlight.stats.estimates import Comparison, Estimate
from firstlight.stats.guardrails import Guardrail, State
from firstlight.stats.levels import Level

Json = dict[str, Any]


def interval(found: Estimate | Withheld) -> Json:
    if isinstance(found, Withheld):
        return {"withheld": found.reason.value}
    return {"value": found.value, "low": found.low, "high": found.high}


def both(found: Comparison) -> Json:
    return {"difference": interval(found.difference), "lift": interval(found.lift)}


def compared(found: Comparison) -> Json:
    return {**both(found), "p": p_of(found)}


def ways(found: Ways | None) -> Json | None:
    if found is None:
        return None
    return {"fixed": compared(found.fixed), "sequential": compared(found.sequential) if found.sequential else None}


def metric(metric: PlannedMetric, plan: Plan, totals: Totals, cells: Cells | None, rows: Sequence[Row]) -> Json:
    return {
        "metric": metric.key,
        "name": metric.name,
        "role": metric.role,
        "kind": metric.kind,
        "direction": metric.direction,
        "objective": metric.objective,
        "margin": metric.margin,
        "cap": cells.cap if cells else None,
        "arms": [arm(one, metric, totals.bare[one.key]) for one in plan.arms],
        "estimates": [estimate(row, cells.immature if cells else {}) for row in rows],
    }


def arm(arm: PlannedArm, metric: PlannedMetric, moments: Moments) -> Json:
    """A quantile has no sum behind it."""
    sums = [moments.n * float(mean) for mean in moments.mean]
    denominator = sums[1] if len(sums) == 2 else None
    per = moments.n if denominator is None else denominator
    level = comparison.level("mean" if denominator is None else "ratio", moments)
    return {
        "arm": arm.key,
        "units": moments.n,
        "mean": sums[0] / per if per else None,
        "numerator": None if metric.kind == "quantile" else sums[0],
        "denominator": denominator,
        "standard_error": None if isinstance(level, Withheld) else level.standard_error,
    }


def estimate(row: Row, immature: Mapping[str, int]) -> Json:
    found, tail = row.found, row.found.tail
    return {
        "arm": row.arm.key,
        **compared(found),
        "log10_p": None if isinstance(tail, Withheld) else tail.log10_p,
        "p_adjusted": row.p_adjusted,
        "method": found.method,
        "guardrail": _guarded(row),
        "readings": {"raw": ways(row.compared.raw), "adjusted": ways(row.compared.adjusted)},
        "in_force": row.in_force,
        "adjusted_off": row.adjusted_off,
        "variance_reduction": row.compared.variance_reduction,
        "simultaneous": _simultaneous(row.simultaneous),
        "bayes": _bayes(row),
        "others": {name: _plain(found) for name, found in row.others.items()},
        "shrunken": interval(row.shrunken) if row.shrunken else None,
        "detectable": row.detectable,
        "site_wide": interval(row.site_wide),
        "uncapped": compared(row.uncapped) if row.uncapped else None,
        "without_top": compared(row.without_top) if row.without_top else None,
        "immature": dict(immature),
    }


def _plain(found: Any) -> Any:
    return interval(found) if isinstance(found, Estimate | Withheld) else found


def _simultaneous(found: Comparison | None) -> Json | None:
    return both(found) if found else None


def _bayes(row: Row) -> Json | None:
    if row.posterior is None or row.flat is None:
        return None
    flat = _posterior(row.flat)
    return {**_posterior(row.posterior), "prior": row.posterior.prior.stored(), "flat": flat}


def _posterior(found: Posterior) -> Json:
    return {
        "chance_to_win": found.chance_to_win,
        "expected_loss": found.expected_loss,
        "mean": found.mean,
        "low": found.low,
        "high": found.high,
    }


def _guarded(row: Row) -> Json | None:
    if row.guardrail is None:
        return None
    sentence = findings.guardrail_words(finding(row))
    if isinstance(row.guardrail, Withheld):
        return {"state": State.NOT_SETTLED.value, "p": None, "sentence": sentence}
    assert isinstance(row.guardrail, Guardrail)
    return {"state": row.guardrail.state.value, "p": row.guardrail.held.p, "sentence": sentence}


def check(one: Check) -> Json:
    """`passed` is null where it could not be made."""
    passed = one.passed if one.is_made else None
    return {"check": one.check, "passed": passed, "p": one.p, "sentence": one.sentence}


def level(found: Level | Withheld) -> float | None:
    return None if isinstance(found, Withheld) else found.value


def plan(plan: Plan, planned_n: float | None) -> Json:
    return {
        "analysis": plan.analysis,
        "spending": plan.spending,
        "planned_days": plan.planned_days,
        "planned_units": plan.planned_units,
        "planned_n": planned_n,
        "alpha": plan.alpha,
        "correction": plan.correction,
        "prior": plan.prior,
        "cuped": plan.cuped,
        "type": plan.type,
        "phase": plan.phase,
        "shipped_arm": plan.shipped_arm,
    }
