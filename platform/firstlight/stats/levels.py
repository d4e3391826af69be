"""Where an arm stands on a metric: its mean or ratio, and how surely that is known."""

from dataclasses import dataclass
from math import sqrt

import numpy as np

from firstlight.kernel.moments import Moments
from firstlight.kernel.withheld import Reason, Withheld

# Rounding leaves a little spread in data that has none; real spread is never so small beside the mean.
ROUNDING = 1e-12


@dataclass(frozen=True, slots=True)
class Level:
    n: int  # units
    value: float  # metric unit
    variance: float  # of `value`, not of one unit: the standard error squared

    @property
    def standard_error(self) -> float:
        return sqrt(self.variance)


def mean(moments: Moments) -> Level | Withheld:
    """Of the first quantity, with the variance divided by n - 1, a proportion's too. Withheld under two units."""
    if moments.n < 2:
        return Withheld(Reason.TOO_FEW_UNITS)
    value, spread = float(moments.mean[0]), float(moments.covariance[0, 0])
    return Level(moments.n, value, _clean(spread, value**2) / moments.n)


def ratio(moments: Moments) -> Level | Withheld:
    """First quantity over the second, R = Σy/Σx, by the delta method: Var R = (Vy - 2R Cxy + R²Vx) / (n x̄²).

    Units are independent, the events of one unit need not be. Withheld under two units and when Σx is 0.
    Source: Deng, Knoblich, Lu (2018), arXiv:1803.06336.
    """
    if moments.n < 2:
        return Withheld(Reason.TOO_FEW_UNITS)
    top, bottom = map(float, moments.mean)
    if bottom == 0:
        return Withheld(Reason.NO_DENOMINATOR)
    value = top / bottom
    turn = np.array([1.0, -value])
    spread = float(turn @ moments.covariance @ turn)
    return Level(moments.n, value, _clean(spread, top**2) / (moments.n * bottom**2))


def _clean(spread: float, square: float) -> float:
    """Zero for a variance that is only rounding beside this squared mean."""
    return spread if spread > ROUNDING**2 * square else 0.0
