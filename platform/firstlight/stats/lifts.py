"""Lifts by other intervals than Fieller's: the delta method, and a control that is taken as known.

Fieller is the default, for it agrees with the test of the difference. These are there by choice, and to compare with
tools that use them. That on the logarithm is `ratios.log_lift`. Source: Oehlert (1992), The American Statistician 46.
"""

from dataclasses import dataclass
from math import inf, sqrt

from firstlight.kernel.withheld import Reason, Withheld
from firstlight.stats import tails, welch
from firstlight.stats.estimates import Estimate
from firstlight.stats.levels import Level
from firstlight.stats.tails import Evidence, Tail


@dataclass(frozen=True, slots=True)
class Lift:
    estimate: Estimate  # 0.05 is +5 %
    se: float
    df: float
    tail: Tail  # two-sided, of no lift


def delta(control: Level, treatment: Level, confidence: float, *, df: float | None = None) -> Lift | Withheld:
    """(t - c)/|c| ± errors by the delta method; `df` by Welch unless given (inf: normal). Withheld when c is 0."""
    if control.value == 0:
        return Withheld(Reason.UNBOUNDED_LIFT)
    ratio = treatment.value / control.value
    se = sqrt(treatment.variance + ratio**2 * control.variance) / abs(control.value)
    return around(
        (treatment.value - control.value) / abs(control.value), se, _freedom(control, treatment, df), confidence
    )


def around(value: float, se: float, df: float, confidence: float) -> Lift | Withheld:
    """A lift with a symmetric interval."""
    if se == 0:
        return Withheld(Reason.NO_SPREAD)
    reach = tails.quantile(confidence, df) * se
    return Lift(Estimate(value, value - reach, value + reach), se, df, Evidence(value / se, df).either())


def of_known_control(
    control: Level, treatment: Level, confidence: float, *, df: float | None = None
) -> Lift | Withheld:
    """The difference over a control taken as known, to compare only: it covers 88.6 % for 95 at a lift of +50 %."""
    if control.value == 0:
        return Withheld(Reason.UNBOUNDED_LIFT)
    scale = abs(control.value)
    se = sqrt(control.variance + treatment.variance) / scale
    return around((treatment.value - control.value) / scale, se, _freedom(control, treatment, df), confidence)


def _freedom(control: Level, treatment: Level, df: float | None) -> float:
    if df is not None:
        return df
    return welch.freedom(control, treatment) if control.variance + treatment.variance else inf
