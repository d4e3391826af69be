"""Two samples without trust in their tails: ranks, and means without the ends.

Sources: Brunner and Munzel (2000), Biometrical J. 42; Yuen (1974), Biometrika 61.
"""

from math import sqrt

import numpy as np
from numpy.typing import NDArray

from firstlight.kernel.withheld import Reason, Withheld
from firstlight.stats import welch
from firstlight.stats.estimates import Comparison
from firstlight.stats.levels import Level
from firstlight.stats.tails import Evidence

Vector = NDArray[np.float64]


def brunner_munzel(control: Vector, treatment: Vector) -> Evidence | Withheld:
    """Does a treated unit have more than a control unit as often as less? Ties count half; variances may differ."""
    n, m = len(treatment), len(control)
    if min(n, m) < 2:
        return Withheld(Reason.TOO_FEW_UNITS)
    joint = _ranks(np.concatenate([treatment, control]))
    spreads, means = [], []
    for own, shared in ((treatment, joint[:n]), (control, joint[n:])):
        inner = _ranks(own)
        away = shared - inner - shared.mean() + (len(own) + 1) / 2
        spreads.append(float(away @ away) / (len(own) - 1))
        means.append(float(shared.mean()))
    a, b = n * spreads[0], m * spreads[1]
    if a + b == 0:
        return Withheld(Reason.NO_SPREAD)
    df = (a + b) ** 2 / (a**2 / (n - 1) + b**2 / (m - 1))
    return Evidence(n * m * (means[0] - means[1]) / (n + m) / sqrt(a + b), df)


def _ranks(values: Vector) -> Vector:
    """From 1; ties share the mean of theirs."""
    _, place, count = np.unique(values, return_inverse=True, return_counts=True)
    ends = count.cumsum()
    found: Vector = (ends - (count - 1) / 2)[place]
    return found


def yuen(control: Vector, treatment: Vector, trim: float, confidence: float) -> Comparison:
    """Means without the lowest and highest `trim` share of each arm; withheld when too little is left."""
    c, t = trimmed(control, trim), trimmed(treatment, trim)
    if isinstance(c, Withheld) or isinstance(t, Withheld):
        blank = Withheld(Reason.TOO_FEW_UNITS)
        return Comparison("yuen", blank, blank, blank)
    return welch.compare(c, t, confidence, "yuen")


def yuen_evidence(control: Vector, treatment: Vector, trim: float) -> Evidence | Withheld:
    c, t = trimmed(control, trim), trimmed(treatment, trim)
    if isinstance(c, Withheld) or isinstance(t, Withheld):
        return Withheld(Reason.TOO_FEW_UNITS)
    return welch.evidence(c, t)


def trimmed(values: Vector, trim: float) -> Level | Withheld:
    """Trimmed mean with the variance of the winsorised sample; its `n` is the units that are left."""
    ordered = np.sort(np.asarray(values, dtype=np.float64))
    n, cut = len(ordered), int(trim * len(ordered))
    left = n - 2 * cut
    if left < 2:
        return Withheld(Reason.TOO_FEW_UNITS)
    winsorised = np.clip(ordered, ordered[cut], ordered[n - cut - 1])
    variance = float(winsorised.var(ddof=1)) * (n - 1) / (left * (left - 1))
    return Level(left, float(ordered[cut : n - cut].mean()), variance)
