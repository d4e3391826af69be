"""Difference of two means, or two ratios, of independent units by Welch's t test.

Assumes one planned look. Source: Welch (1947), Biometrika 34; degrees of freedom by Satterthwaite (1946).
"""

from math import sqrt

from firstlight.kernel.withheld import Reason, Withheld
from firstlight.stats import ratios, tails
from firstlight.stats.estimates import Comparison, Estimate
from firstlight.stats.levels import Level
from firstlight.stats.tails import Evidence


def compare(control: Level, treatment: Level, confidence: float, method: str = "welch") -> Comparison:
    """Everything withheld when neither arm varies; the lift by Fieller, with the difference's degrees of freedom."""
    found = evidence(control, treatment)
    if isinstance(found, Withheld):
        return Comparison(method, found, found, found)
    gap, errors = treatment.value - control.value, tails.quantile(confidence, found.df)
    half = errors * sqrt(control.variance + treatment.variance)
    return Comparison(
        method,
        Estimate(gap, gap - half, gap + half),
        ratios.lift(_reach(control, errors), _reach(treatment, errors)),
        found.either(),
    )


def evidence(control: Level, treatment: Level, *, factor: float = 1.0, offset: float = 0.0) -> Evidence | Withheld:
    """Of treatment - factor·control - offset. The control's own error counts: no percentage of it is known exactly."""
    scaled = Level(control.n, factor * control.value, factor**2 * control.variance)
    variance = scaled.variance + treatment.variance
    if variance == 0:
        return Withheld(Reason.NO_SPREAD)
    gap = treatment.value - scaled.value - offset
    return Evidence(gap / sqrt(variance), freedom(scaled, treatment))


def freedom(control: Level, treatment: Level) -> float:
    """Satterthwaite's degrees of freedom; a fraction as a rule."""
    shares = [level.variance / (control.variance + treatment.variance) for level in (control, treatment)]
    return 1 / sum(s * s / (level.n - 1) for s, level in zip(shares, (control, treatment), strict=True))


def _reach(level: Level, errors: float) -> ratios.Reach:
    return ratios.Reach(level.value, errors * level.standard_error, errors * level.standard_error)
