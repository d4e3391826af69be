"""Every metric in every treatment, with all that a look tells of it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from math import copysign, sqrt

from experiments.findings import Finding
from experiments.reading import beside, wholes
from experiments.reading.belief import Posterior, posterior
from experiments.reading.compared import Compared, Ways, as_normal
from experiments.reading.given import Given, Totals
from experiments.reading.guarding import guarded
from experiments.reading.plan import Plan, PlannedArm, PlannedMetric
from experiments.reading.prior import FLAT, prior_of
from experiments.reading.sequence import Course
from experiments.reading.wholes import At
from firstlight.kernel.withheld import Reason, Withheld
from firstlight.stats import dilution, multiplicity
from firstlight.stats.estimates import Comparison, Estimate
from firstlight.stats.finish import Readings
from firstlight.stats.guardrails import Guardrail
from firstlight.stats.tails import LN10

POWER = 0.8416212335729143  # standard errors that 80 % power adds
NOT_CHOSEN = "switched off in the plan"
NOT_READ = "what units did before exposure was not read"
TOO_FEW = "too few successes or failures for it"


@dataclass(frozen=True, slots=True)
class Row:
    """One metric in one treatment."""

    metric: PlannedMetric
    arm: PlannedArm
    compared: Compared
    adjusted_off: str  # why the raw reading is in force; empty when the adjusted one is
    guardrail: Guardrail | Withheld | None = None
    p_adjusted: float | None = None  # of goals, for how many comparisons decide
    simultaneous: Comparison | None = None  # of goals: intervals that hold all at once
    posterior: Posterior | None = None
    flat: Posterior | None = None
    detectable: float | None = None  # lift that the planned end finds four times in five
    uncapped: Comparison | None = None  # raw, one look
    without_top: Comparison | None = None  # likewise, without the top 0.1 % of units
    others: beside.Json = field(default_factory=lambda: beside.NOTHING)  # the same by methods that do not decide
    site_share: float | None = None  # what exposed units bring of the whole site's metric

    @property
    def ways(self) -> Ways:
        return self.compared.adjusted if self.compared.adjusted and not self.adjusted_off else self.compared.raw

    @property
    def readings(self) -> Readings | None:
        return self.compared.readings(adjusted=not self.adjusted_off)

    @property
    def found(self) -> Comparison:
        return self.ways.in_force

    @property
    def in_force(self) -> str:
        """adjusted.sequential"""
        return f"{'raw' if self.adjusted_off else 'adjusted'}.{'sequential' if self.ways.sequential else 'fixed'}"

    @property
    def p(self) -> float | None:
        return p_of(self.found)

    @property
    def statistic(self) -> float | None:
        """Standard errors from no difference, of the reading in force."""
        tail, difference = self.ways.fixed.tail, self.found.difference
        if isinstance(tail, Withheld) or isinstance(difference, Withheld):
            return None
        return copysign(as_normal(tail.log10_p * LN10), difference.value)

    @property
    def shrunken(self) -> Estimate | None:
        """The lift as it is to be expected among lifts as large as the past ones: winners overstate theirs."""
        found = self.posterior
        return Estimate(found.mean, found.low, found.high) if found and found.prior.sd is not None else None

    @property
    def site_wide(self) -> Estimate | Withheld:
        """The lift of everybody's metric, of whom only some are ever exposed."""
        if self.site_share is None or isinstance(self.found.lift, Withheld):
            return self.found.lift if isinstance(self.found.lift, Withheld) else Withheld(Reason.NOT_READ)
        return dilution.diluted(self.found.lift, self.site_share)


def p_of(found: Comparison) -> float | None:
    return None if isinstance(found.tail, Withheld) else found.tail.p


def finding(row: Row) -> Finding:
    metric, found = row.metric, row.found
    p = row.p_adjusted if metric.role == "primary" else row.p
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


def rows(plan: Plan, totals: Mapping[str, Totals], given: Given, course: Course, off: Mapping[str, str]) -> list[Row]:
    """`off`: metrics that are not adjusted, and why."""
    compared = wholes.compared(plan, totals, course)
    found = [
        Row(metric, arm, one, _off(plan, one, off.get(metric.key, "")), site_share=given.site_shares.get(metric.key))
        for metric in plan.metrics
        for arm in plan.treatments
        if (one := compared.get((metric.key, arm.key)))
    ]
    believed = [_believed(plan, row, given, course) for row in found]
    uncapped, top = (
        wholes.others(plan, totals, {key: getattr(cells, of) for key, cells in given.metrics.items()}, course)
        for of in ("uncapped", "top")
    )
    return _together(plan, _beside(believed, uncapped, top), totals, course)


def _off(plan: Plan, found: Compared, unbalanced: str) -> str:
    """Why it is not adjusted."""
    if not plan.cuped:
        return NOT_CHOSEN
    if found.adjusted is None:
        return TOO_FEW if found.finished and found.finished.adjusted else NOT_READ
    return unbalanced


def _believed(plan: Plan, row: Row, given: Given, course: Course) -> Row:
    """With what is believed of it, what it could still find, and whether it keeps its margin."""
    guards = row.metric.role == "guardrail"
    if row.readings is None:
        return replace(row, guardrail=_blank(row)) if guards else row
    i, prior = row.compared.row, prior_of(plan, row.metric, given.past)
    return replace(
        row,
        posterior=posterior(prior, row.metric, row.readings, i, plan.confidence),
        flat=posterior(FLAT, row.metric, row.readings, i, plan.confidence),
        detectable=_detectable(row, course),
        others=beside.others(row, course, plan.confidence),
        guardrail=guarded(row.metric, row.readings, row.compared, course) if guards else None,
    )


def _blank(row: Row) -> Withheld:
    difference = row.found.difference
    return difference if isinstance(difference, Withheld) else Withheld(Reason.NO_DATA)


def _detectable(row: Row, course: Course) -> float | None:
    """The error shrinks with the root of the data still to come."""
    i, readings, raw = row.compared.row, row.readings, row.compared.readings(adjusted=False)
    if readings is None or raw is None or raw.control[i] == 0 or course.information <= 0:
        return None
    error = float(readings.se[i]) / abs(float(raw.control[i]))
    return (course.last_z + POWER) * error / sqrt(course.growth)


def _beside(found: Sequence[Row], uncapped: Mapping[At, Comparison], top: Mapping[At, Comparison]) -> list[Row]:
    """With what they are without the cap, and without the top of the units."""
    at = [(row.metric.key, row.arm.key) for row in found]
    return [replace(row, uncapped=uncapped.get(k), without_top=top.get(k)) for row, k in zip(found, at, strict=True)]


def _together(plan: Plan, found: Sequence[Row], totals: Mapping[str, Totals], course: Course) -> list[Row]:
    """With the p of the goals corrected for how many comparisons decide, and intervals that hold all at once."""
    known = {i: p for i, row in enumerate(found) if row.metric.role == "primary" and (p := row.p) is not None}
    corrected = dict(zip(known, multiplicity.CORRECTIONS[plan.correction](list(known.values())), strict=True))
    each = course.of_each(multiplicity.simultaneous(plan.alpha, plan.n_goals))
    wide = wholes.compared(replace(plan, metrics=plan.goals), totals, each)
    return [
        replace(row, p_adjusted=corrected.get(i), simultaneous=_same_way(row, wide.get((row.metric.key, row.arm.key))))
        for i, row in enumerate(found)
    ]


def _same_way(row: Row, wide: Compared | None) -> Comparison | None:
    if wide is None:
        return None
    return (wide.adjusted if wide.adjusted and not row.adjusted_off else wide.raw).in_force
