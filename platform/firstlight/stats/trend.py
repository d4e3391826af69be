"""Does the effect change with the days since exposure? Novelty wears off, primacy grows."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from math import sqrt

import numpy as np
from scipy.special import ndtr

from firstlight.kernel.withheld import Reason, Withheld

LEAST = 4  # days, under which a line through them says nothing


class Course(StrEnum):
    NOVELTY = "novelty"  # the effect falls towards 0 or beyond
    PRIMACY = "primacy"  # it grows
    NONE = "none"


@dataclass(frozen=True, slots=True)
class Trend:
    slope: float  # change of the effect per day since exposure
    se: float
    p: float  # two-sided, of no change
    start: float  # effect on the first day, by the line
    course: Course


def trend(
    ages: Sequence[float], effects: Sequence[float], variances: Sequence[float], alpha: float
) -> Trend | Withheld:
    """Weighted least squares of the daily effects on age; the days' own variances are taken as known.

    Days of the same units are not independent: the variances are those of separate days, so the p is of a trend beyond
    day-to-day noise, read as a warning and not as a proof.
    """
    if len(ages) < LEAST:
        return Withheld(Reason.TOO_FEW_DAYS)
    design = np.column_stack([np.ones(len(ages)), np.asarray(ages, dtype=float)])
    weights = 1 / np.asarray(variances, dtype=float)
    inverse = np.linalg.inv(design.T @ (weights[:, None] * design))
    start, slope = (float(x) for x in inverse @ (design.T @ (weights * np.asarray(effects, dtype=float))))
    error = sqrt(float(inverse[1, 1]))
    p = 2 * float(ndtr(-abs(slope / error)))
    return Trend(slope, error, p, start, _course(slope, start, p, alpha))


def _course(slope: float, start: float, p: float, alpha: float) -> Course:
    if p >= alpha:
        return Course.NONE
    return Course.NOVELTY if slope * start < 0 else Course.PRIMACY
