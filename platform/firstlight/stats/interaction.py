"""Two experiments over the same units: does an arm of one change what an arm of the other does?"""

from dataclasses import dataclass
from math import sqrt

from scipy.special import ndtr

from firstlight.kernel.moments import Moments
from firstlight.kernel.withheld import Withheld
from firstlight.stats import levels
from firstlight.stats.levels import Level


@dataclass(frozen=True, slots=True)
class Interaction:
    value: float  # (both - this alone) - (that alone - neither), in units of the metric
    se: float
    p: float  # two-sided, of none


def interaction(kind: str, neither: Moments, this: Moments, that: Moments, both: Moments) -> Interaction | Withheld:
    """Difference of differences over four cells of independent units; `kind` is proportion, mean or ratio.

    Source: Kohavi, Tang, Xu (2020), Trustworthy Online Controlled Experiments, chapter 4 (concurrent experiments).
    """
    found: list[Level] = []
    for cell in (neither, this, that, both):
        level = levels.ratio(cell) if kind == "ratio" else levels.mean(cell)
        if isinstance(level, Withheld):
            return level
        found.append(level)
    value = (found[3].value - found[2].value) - (found[1].value - found[0].value)
    se = sqrt(sum(level.variance for level in found))
    return Interaction(value, se, 2 * float(ndtr(-abs(value / se))) if se else 1.0)
