"""A quantile of units, or of events that come in units: its standard error from how steep the distribution is there.

The density is read off two quantiles around it, a confidence interval of the share below apart. Events of one unit are
not independent, so their share below is a ratio of two sums per unit. Source: Deng, Knoblich, Lu (2018),
arXiv:1803.06336, section 4.
"""

from math import sqrt

import numpy as np
from numpy.typing import NDArray
from scipy.special import bdtr

from firstlight.kernel.moments import Moments
from firstlight.kernel.withheld import Reason, Withheld
from firstlight.stats import levels
from firstlight.stats.estimates import Estimate
from firstlight.stats.levels import Level

NORMAL = 1.959963984540054  # standard errors that the two quantiles lie apart from the one between


def of_units(n: int, value: float, low: float, high: float, *, n_read: int | None = None) -> Level | Withheld:
    """Of `n` independent units; `low` and `high` are the quantiles at a 95 % interval of the share, for `n_read` units.

    Withheld under two units, or where the distribution has a step and no density.
    """
    if n < 2:
        return Withheld(Reason.TOO_FEW_UNITS)
    if high <= low:
        return Withheld(Reason.NO_DENSITY)
    spread = ((high - low) / (2 * NORMAL)) ** 2 * (n_read or n) / n
    return Level(n, value, spread * (n - 1) / n)


def of_events(n: int, value: float, low: float, high: float, *, at: float, below: Moments) -> Level | Withheld:
    """Of `n` events; `below` has per unit how many of its events are at most `value`, and how many it has."""
    if n < 2:
        return Withheld(Reason.TOO_FEW_UNITS)
    if high <= low:
        return Withheld(Reason.NO_DENSITY)
    share = levels.ratio(below)
    if isinstance(share, Withheld):
        return share
    density = sqrt(at * (1 - at) / n) / ((high - low) / (2 * NORMAL))
    return Level(n, value, share.variance / density**2 * (n - 1) / n)


def exact(values: NDArray[np.float64], at: float, confidence: float) -> Estimate | Withheld:
    """Quantile of units with the interval between two of them, by the binomial law: no density is needed.

    Withheld where the units are too few for an end. Source: Conover (1999), Practical Nonparametric Statistics, 3.2.
    """
    ordered, n, tail = np.sort(values), len(values), (1 - confidence) / 2
    below = bdtr(np.arange(n), n, at) if n else np.zeros(0)  # [k]: P(at most k units are under the quantile)
    low, high = np.flatnonzero(below <= tail), np.flatnonzero(1 - below <= tail)
    if not len(low) or not len(high):
        return Withheld(Reason.TOO_FEW_UNITS)
    return Estimate(float(np.quantile(ordered, at)), float(ordered[low[-1]]), float(ordered[high[0]]))
