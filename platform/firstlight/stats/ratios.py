"""Interval of a ratio of two independent estimates from how far each may reach: Fieller's theorem and its kin."""

from dataclasses import dataclass
from math import exp, inf, sqrt

from firstlight.kernel.withheld import Reason, Withheld
from firstlight.stats.estimates import Estimate
from firstlight.stats.tails import quantile


@dataclass(frozen=True, slots=True)
class Reach:
    """An estimate and how far its interval goes below and above it; both not negative."""

    value: float
    below: float
    above: float

    def turned(self) -> "Reach":
        return Reach(-self.value, self.above, self.below)


def lift(control: Reach, treatment: Reach) -> Estimate | Withheld:
    """Relative change of the treatment, (t - c)/|c|, as all r for which t = (1 + r) c is not refused.

    With symmetric reaches this is Fieller's interval, with those of a score interval MOVER-R. Either leaves out 0
    exactly when the interval of the difference with the same reaches does. Withheld when c may be 0: no end then.
    Sources: Fieller (1954), J. R. Stat. Soc. B 16; Donner and Zou (2012), Stat. Methods Med. Res. 21.
    """
    if control.value < 0:
        return _turned(lift(control.turned(), treatment.turned()))
    if control.below >= control.value:
        return Withheld(Reason.UNBOUNDED_LIFT)
    c, t = control.value, treatment.value
    low = _root(c, t, control.above, treatment.below)
    high = -_root(c, -t, control.below, treatment.above)
    return Estimate(t / c - 1, low - 1, high - 1)


def log_lift(
    control: tuple[float, float], treatment: tuple[float, float], confidence: float, *, df: float = inf
) -> Estimate | Withheld:
    """By choice: symmetric on the logarithm, of (level, its variance) of two independent arms.

    Withheld unless both are over 0.

    Source: Katz, Baptista, Azen, Pike (1978), Biometrics 34.
    """
    (c, c_variance), (t, t_variance) = control, treatment
    if min(c, t) <= 0:
        return Withheld(Reason.UNBOUNDED_LIFT)
    reach = quantile(confidence, df) * sqrt(c_variance / c**2 + t_variance / t**2)
    return Estimate(t / c - 1, t / c * exp(-reach) - 1, t / c * exp(reach) - 1)


def _turned(found: Estimate | Withheld) -> Estimate | Withheld:
    """(t - c)/c of both negated is the same as before; over |c| its sign turns."""
    return found if isinstance(found, Withheld) else Estimate(-found.value, -found.high, -found.low)


def _root(c: float, t: float, a: float, b: float) -> float:
    """The r at which t - rc, falling in r, equals √(b² + r²a²)."""
    square, product = c * c - a * a, t * c
    reach = sqrt(max(0.0, product * product - square * (t * t - b * b)))
    # Two ways to write it; the one that does not subtract near equals.
    return (t * t - b * b) / (product + reach) if product > 0 else (product - reach) / square
