"""Is the loss of a guardrail surely smaller than its margin, at this look among many? One-sided, alpha not divided."""

from math import copysign, exp, log

from scipy.special import ndtri_exp

from experiments.reading.compared import Compared, few
from experiments.reading.plan import PlannedMetric
from experiments.reading.sequence import Course
from firstlight.kernel.withheld import Withheld
from firstlight.stats import finish, newcombe, welch
from firstlight.stats.finish import Readings
from firstlight.stats.guardrails import Guardrail, State
from firstlight.stats.tails import Evidence, Tail


def guarded(metric: PlannedMetric, readings: Readings, found: Compared, course: Course) -> Guardrail | Withheld:
    """By the readings in force, which have this comparison.

    The bar is control - sign·margin·|control|, with the control's own error counted.
    """
    evidence = _evidence(metric, readings, found)
    if isinstance(evidence, Withheld):
        return evidence
    n = sum(found.units)
    above, below = (_at_this_look(tail, n, course) for tail in (evidence.above(), evidence.below()))
    held, broken = (above, below) if metric.sign > 0 else (below, above)
    return Guardrail(_state(held, broken, course.alpha), held, broken)


def _evidence(metric: PlannedMetric, readings: Readings, found: Compared) -> Evidence | Withheld:
    assert found.pair is not None
    n_control, n_treatment = found.units
    control = finish.level(readings, found.row, of="control", n=n_control)
    treatment = finish.level(readings, found.row, of="treatment", n=n_treatment)
    if isinstance(control, Withheld):
        return control
    if isinstance(treatment, Withheld):
        return treatment
    factor = 1 - metric.sign * metric.margin * copysign(1.0, control.value)
    if found.kind == "proportion" and (shares := few(*found.pair)):
        return newcombe.evidence(*shares, factor=factor)
    return welch.evidence(control, treatment, factor=factor)


def _at_this_look(tail: Tail, n: int, course: Course) -> Tail:
    """A one-sided p with what every look before has spent: half the two-sided level of the same statistic."""
    if not course.is_sequential:
        return tail
    z = -float(ndtri_exp(tail.log10_p * log(10)))
    ln_p = course.ln_p(z, n) - log(2)
    return Tail.of_log(ln_p if z > 0 else log(1 - exp(ln_p)))


def _state(held: Tail, broken: Tail, alpha: float) -> State:
    if held.p < alpha:
        return State.NOT_WORSE
    return State.WORSE if broken.p < alpha else State.NOT_SETTLED
