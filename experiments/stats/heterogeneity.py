"""Do segments differ at all? And if so, each one's effect, drawn towards the whole as far as its own data are thin."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import sqrt

import numpy as np
from scipy.special import chdtrc, ndtri

from experiments.stats.estimates import Estimate
from firstlight.kernel.withheld import Reason, Withheld


@dataclass(frozen=True, slots=True)
class Heterogeneity:
    q: float  # Cochran's
    p: float
    i2: float  # share of the spread that is no chance
    whole: float  # mean effect, weighted by precision
    whole_se: float
    tau2: float  # variance of true effects (DerSimonian and Laird)
    random: float  # mean effect when segments truly differ
    random_se: float


def test(effects: Sequence[float], variances: Sequence[float]) -> Heterogeneity | Withheld:
    """Cochran's Q over independent segments; withheld under two. Sources: Cochran (1954); DerSimonian, Laird (1986)."""
    if len(effects) < 2:
        return Withheld(Reason.TOO_FEW_SEGMENTS)
    x, w = np.asarray(effects, dtype=float), 1 / np.asarray(variances, dtype=float)
    whole = float(w @ x / w.sum())
    q, df = float(w @ (x - whole) ** 2), len(x) - 1
    tau2 = max(0.0, (q - df) / float(w.sum() - (w @ w) / w.sum()))
    v = 1 / (1 / w + tau2)
    return Heterogeneity(
        q,
        float(chdtrc(df, q)),
        max(0.0, (q - df) / q) if q > 0 else 0.0,
        whole,
        float(w.sum() ** -0.5),
        tau2,
        float(v @ x / v.sum()),
        float(v.sum() ** -0.5),
    )


def shrunken(effects: Sequence[float], variances: Sequence[float], confidence: float) -> list[Estimate]:
    """Empirical Bayes: each segment's posterior under effects that are normal around their mean.

    Where segments do not differ beyond chance, all are the whole. The mean's own error is counted.
    Source: Morris (1983), JASA 78.
    """
    found = test(effects, variances)
    if isinstance(found, Withheld):
        z = float(ndtri((1 + confidence) / 2))
        return [Estimate(x, x - z * sqrt(v), x + z * sqrt(v)) for x, v in zip(effects, variances, strict=True)]
    return [_drawn(x, v, found, confidence) for x, v in zip(effects, variances, strict=True)]


def _drawn(x: float, variance: float, found: Heterogeneity, confidence: float) -> Estimate:
    own = found.tau2 / (found.tau2 + variance)
    middle = own * x + (1 - own) * found.random
    reach = float(ndtri((1 + confidence) / 2)) * sqrt(own * variance + ((1 - own) * found.random_se) ** 2)
    return Estimate(middle, middle - reach, middle + reach)
