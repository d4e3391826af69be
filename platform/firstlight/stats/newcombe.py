"""Difference of two proportions with few successes or failures, where a normal interval misses far too often.

Newcombe's interval joins the two Wilson score intervals; the p-value is the level at which it just touches the null
hypothesis, so that interval and p never disagree.
Sources: Wilson (1927), JASA 22; Newcombe (1998), Stat. Med. 17, method 10.
"""

from collections.abc import Callable
from dataclasses import dataclass
from math import copysign, hypot, inf, sqrt

from firstlight.stats import ratios, tails
from firstlight.stats.estimates import Comparison, Estimate
from firstlight.stats.tails import Evidence

FEW = 10  # successes or failures under which this goes before Welch
FARTHEST = 1e6  # standard errors


@dataclass(frozen=True, slots=True)
class Share:
    n: int  # units, at least one
    successes: float  # from 0 to n

    @property
    def value(self) -> float:
        return self.successes / self.n

    @property
    def is_small(self) -> bool:
        return min(self.successes, self.n - self.successes) < FEW

    def reach(self, z: float) -> ratios.Reach:
        """Wilson's interval at z standard errors, as distances; never outside of 0 to 1."""
        p, square = self.value, z * z
        middle = (p + square / (2 * self.n)) / (1 + square / self.n)
        half = z * sqrt(p * (1 - p) / self.n + square / (4 * self.n**2)) / (1 + square / self.n)
        return ratios.Reach(p, max(0.0, min(p, p - middle + half)), max(0.0, min(1 - p, middle + half - p)))


def compare(control: Share, treatment: Share, confidence: float) -> Comparison:
    """Never withholds the difference: two arms without a success are an answer too."""
    z = tails.quantile(confidence, inf)
    c, t = control.reach(z), treatment.reach(z)
    gap = t.value - c.value
    difference = Estimate(gap, gap - hypot(t.below, c.above), gap + hypot(t.above, c.below))
    return Comparison("newcombe", difference, ratios.lift(c, t), evidence(control, treatment).either())


def evidence(control: Share, treatment: Share, *, factor: float = 1.0) -> Evidence:
    """Of treatment - factor·control: the z, with its sign, at which the interval just touches 0."""
    gap = treatment.value - factor * control.value

    def is_apart(z: float) -> bool:
        c, t = control.reach(z), treatment.reach(z)
        reach = hypot(t.below, factor * c.above) if gap > 0 else hypot(t.above, factor * c.below)
        return abs(gap) > reach

    return Evidence(copysign(_last(is_apart), gap), inf)


def _last(holds: Callable[[float], bool]) -> float:
    """The greatest z for which it holds, by doubling and bisection; it holds up to one point and not beyond."""
    low, high = 0.0, 1.0
    while holds(high) and high < FARTHEST:
        low, high = high, 2 * high
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if holds(middle) else (low, middle)
    return low
