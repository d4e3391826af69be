"""Every health check of a look, from what was read."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from experiments import health
from experiments.reading.balance import Balance
from experiments.reading.given import Given
from experiments.reading.plan import Plan
from experiments.reading.rows import Row, p_of
from firstlight.stats.estimates import Estimate
from firstlight.stats.sample_ratio import sequential_p


def checks(plan: Plan, given: Given, rows: Sequence[Row], balanced: Balance, at: datetime) -> list[health.Check]:
    """Of an interleaving every unit meets both arms: there is no split, and no unit is in the wrong one."""
    if plan.type == "interleaving":
        return [_low_power(rows)]
    counts = [given.units.get(arm.key, 0) for arm in plan.arms]
    weights = [arm.weight for arm in plan.arms]
    days = [day for cells in given.metrics.values() for _, day in cells.by_day]
    until = plan.expects_units_until(at) - timedelta.resolution
    return [
        health.sample_ratio(counts, weights),
        health.sample_ratio_watched(sequential_p(counts, weights)),
        health.sample_ratio_segments(_by_segment(plan, given), weights),
        health.several_arms(sum(counts), given.mixed_units),
        health.exposures(days, until.astimezone(UTC).date()),
        health.pre_exposure(balanced.found),
        _covariates(rows, balanced),
        health.money({m.name: given.metrics[m.key].unpriced for m in plan.metrics if m.key in given.metrics}),
        _immature(given),
        _low_power(rows),
        health.outliers(_carried(plan, rows)),
    ]


def overlap(interactions: Sequence[Mapping[str, Any]], given: Given) -> health.Check:
    return health.overlap([(one["experiment"], one["p_adjusted"]) for one in interactions], list(given.crossed))


def _by_segment(plan: Plan, given: Given) -> dict[tuple[str, str], list[int]]:
    """Units of every segment; of segments of events a unit may be in several, and they tell nothing of the split."""
    found: dict[tuple[str, str], dict[str, int]] = defaultdict(dict)
    for cells in given.metrics.values():
        for (slice_, segment, arm), moments in cells.by_segment.items():
            if slice_ in given.slices_of_units:
                found[slice_, segment][arm] = moments.n
    return {at: [counts.get(arm.key, 0) for arm in plan.arms] for at, counts in found.items()}


def _covariates(rows: Sequence[Row], balanced: Balance) -> health.Check:
    names: Mapping[str, str] = {row.metric.key: row.metric.name for row in rows}
    saved = {
        row.metric.name: row.compared.variance_reduction
        for row in rows
        if row.compared.variance_reduction is not None and not row.adjusted_off
    }
    return health.covariates(saved, {names[key]: why for key, why in balanced.off.items() if key in names})


def _immature(given: Given) -> health.Check:
    """By the metric with most of them; some metrics count such units, others wait for them."""
    open_ = max((sum(cells.immature.values()) for cells in given.metrics.values()), default=0)
    return health.immature(open_, max(0, sum(given.units.values()) - open_))


def _low_power(rows: Sequence[Row]) -> health.Check:
    goal = next((row for row in rows if row.metric.role == "primary"), None)
    if goal is None:
        return health.low_power("", None, None, 0)
    prior = goal.posterior.prior if goal.posterior else None
    sd = prior.sd if prior and prior.kind == "history" else None
    return health.low_power(goal.metric.name, goal.detectable, sd, prior.n_past if prior else 0)


def _carried(plan: Plan, rows: Sequence[Row]) -> list[health.Carried]:
    """Goals with all units and without the top; both raw, at one look, so that only the units differ."""
    found = []
    for row in rows:
        whole, without = row.compared.raw.fixed, row.without_top
        if row.metric.role != "primary" or without is None:
            continue
        if isinstance(whole.lift, Estimate) and isinstance(without.lift, Estimate):
            apart = [(p if (p := p_of(one)) is not None else 1.0) < plan.alpha for one in (whole, without)]
            found.append(health.Carried(row.metric.name, row.arm.name, whole.lift.value, without.lift.value, *apart))
    return found
