"""Units that come in clusters: merchants with their items, scenarios with their hours. The cluster is what varies.

Sources: Liang, Zeger (1986), Biometrika 73 (sandwich); Bell, McCaffrey (2002), Survey Methodology 28 (CR2); Bojinov,
Simchi-Levi, Zhao (2023), Management Science 69, for switchbacks.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from firstlight.kernel.moments import Moments
from firstlight.kernel.withheld import Reason, Withheld
from firstlight.stats import levels, welch
from firstlight.stats.estimates import Comparison
from firstlight.stats.levels import Level

Vector = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Arm:
    sums: Vector  # (G,) of the metric, per cluster
    n: Vector  # (G,) units, per cluster


def means(control: Vector, treatment: Vector, confidence: float) -> Comparison:
    """Each cluster counts once: Welch on cluster means. Of windows of a switchback, of clusters of about one size."""
    found = [levels.mean(Moments.of(np.asarray(arm, dtype=float))) for arm in (control, treatment)]
    return _compared(found[0], found[1], confidence, "cluster means")


def robust(control: Arm, treatment: Arm, confidence: float, *, corrected: str = "CR2") -> Comparison:
    """Each unit counts once, errors by cluster: `corrected` is CR0, CR1 or CR2; degrees of freedom count clusters."""
    n = float(control.n.sum() + treatment.n.sum())
    g = len(control.n) + len(treatment.n)
    wide = g / (g - 1) * (n - 1) / (n - 2) if corrected == "CR1" and g > 1 and n > 2 else 1.0
    found = [_level(arm, corrected, wide) for arm in (control, treatment)]
    return _compared(found[0], found[1], confidence, corrected)


def _level(arm: Arm, corrected: str, wide: float) -> Level | Withheld:
    """The mean over units, with the sandwich variance; CR2 makes up for residuals that the fit made too small."""
    if len(arm.n) < 2:
        return Withheld(Reason.TOO_FEW_CLUSTERS)
    total = float(arm.n.sum())
    mean = float(arm.sums.sum()) / total
    rest = arm.sums - mean * arm.n
    share = arm.n / total if corrected == "CR2" else np.zeros(len(arm.n))
    return Level(len(arm.n), mean, wide * float((rest**2 / (1 - share)).sum()) / total**2)


def _compared(control: Level | Withheld, treatment: Level | Withheld, confidence: float, method: str) -> Comparison:
    for one in (control, treatment):
        if isinstance(one, Withheld):
            return Comparison(method, one, one, one)
    assert isinstance(control, Level) and isinstance(treatment, Level)
    return welch.compare(control, treatment, confidence, method)
