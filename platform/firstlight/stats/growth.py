"""Where growth of value per unit comes from: visits x conversion x orders per buyer x value per order x kept.

The lift is a product of factors, so its logarithm is a sum of theirs, exactly; each factor's share of the lift is its
share of that logarithm. Intervals by the delta method from one covariance, so that they belong together.
Sources: Ang (2005), Energy Policy 33 (logarithmic mean Divisia index); Deng, Knoblich, Lu (2018) for the errors.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import exp, log, sqrt

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri

from firstlight.kernel.moments import Moments
from firstlight.kernel.withheld import Reason, Withheld
from firstlight.stats.estimates import Estimate

Vector = NDArray[np.float64]
FACTORS = ("visits", "conversion", "orders per buyer", "value per order", "kept after refunds")


@dataclass(frozen=True, slots=True)
class Growth:
    total: Estimate  # lift of net value per unit
    factors: tuple[tuple[str, Estimate], ...]  # in the order of FACTORS; their values sum to the total


def split(control: Moments, treatment: Moments, confidence: float) -> Growth | Withheld:
    """Quantities per unit: visits, 1 if it bought, orders, gross value, net value.

    Withheld under two units, or where a mean is not over 0.
    """
    if min(control.n, treatment.n) < 2:
        return Withheld(Reason.TOO_FEW_UNITS)
    if min(*control.mean, *treatment.mean) <= 0:
        return Withheld(Reason.NO_FACTOR)
    logs = np.log(treatment.mean) - np.log(control.mean)  # of every quantity
    covariance = _of_logs(control) + _of_logs(treatment)
    lift = float(np.expm1(logs[-1]))
    mean = lift / logs[-1] if abs(logs[-1]) > 1e-12 else 1.0  # logarithmic mean of 1 and 1 + lift
    z = float(ndtri((1 + confidence) / 2))
    factors = tuple((name, _share(row, logs, covariance, mean, z)) for name, row in zip(FACTORS, STEPS, strict=True))
    return Growth(_share(STEPS.sum(axis=0), logs, covariance, mean, z), factors)


# Row j turns the logs of the quantities into the log of factor j: quantity j over the one before.
STEPS: Vector = np.eye(5) - np.eye(5, k=-1)


def _of_logs(moments: Moments) -> Vector:
    scaled: Vector = moments.covariance / np.outer(moments.mean, moments.mean) / moments.n
    return scaled


def _share(row: Vector, logs: Vector, covariance: Vector, mean: float, z: float) -> Estimate:
    """mean(total) x log(factor), and how both move with the means."""
    part, total = float(row @ logs), float(logs[-1])
    slope = mean * row
    slope[-1] += part * _mean_slope(total)
    reach = z * sqrt(max(float(slope @ covariance @ slope), 0.0))
    value = float(mean * part)
    return Estimate(value, value - reach, value + reach)


def _mean_slope(total: float) -> float:
    """d/dx (exp(x) - 1)/x."""
    if abs(total) < 1e-5:
        return 0.5 + total / 3
    return (exp(total) * (total - 1) + 1) / total**2


def lmdi(before: Sequence[float], after: Sequence[float]) -> list[float]:
    """Of a product of factors: what each adds to the difference of the products, without a rest.

    >>> [round(x, 6) for x in lmdi((1000, 0.02, 50), (1200, 0.018, 55))]
    [198.967956, -114.980186, 104.01223]
    """
    y0, y1 = float(np.prod(before)), float(np.prod(after))
    weight = y0 if y0 == y1 else (y1 - y0) / log(y1 / y0)
    return [weight * log(b / a) for a, b in zip(before, after, strict=True)]
