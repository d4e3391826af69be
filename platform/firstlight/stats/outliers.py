"""A few units with very large values: capped at a quantile of both arms together, or left out to see what they carry.

Sources: Dixon (1960), Ann. Math. Stat. 31 (winsorising); Kohavi, Tang, Xu (2020), chapter 19.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from firstlight.kernel.withheld import Reason, Withheld
from firstlight.stats.estimates import Estimate

Vector = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Capped:
    at: float  # metric unit
    control: Vector
    treatment: Vector
    units: int  # that were cut


def cap(control: Vector, treatment: Vector, quantile: float) -> Capped | Withheld:
    """At a quantile (linear, type 7) of the units of both arms: two bars would make a difference by themselves."""
    both = np.concatenate([control, treatment])
    if not len(both):
        return Withheld(Reason.NO_DATA)
    bar = float(np.quantile(both, quantile))
    return Capped(bar, np.minimum(control, bar), np.minimum(treatment, bar), int((both > bar).sum()))


def carries(whole: Estimate | Withheld, without_top: Estimate | Withheld) -> bool:
    """Is it the top units that make the result? Clear with them, and without them not clear, or the other way round."""
    return _sign(whole) != 0 and _sign(without_top) != _sign(whole)


def _sign(found: Estimate | Withheld) -> int:
    if isinstance(found, Withheld):
        return 0
    return (found.low > 0) - (found.high < 0)
