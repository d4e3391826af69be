"""How far weights are cut (Switch-DR) or shrunk (DRos): where the estimated bound on the mean squared error is least.

The bound is (empirical Bernstein bound on the bias)^2 + variance, as Su et al. (2020), ICML, section 5, tune: the bias
of changed weights w' is E[(w - w')(r - q)], which the log estimates, and the bound of Maurer and Pontil (2009), COLT,
holds for its estimate with probability 1 - `DELTA`. Unchanged weights have no bias, so what is chosen is never bounded
worse than DR itself.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bandits.policies.evaluation import Log, cut, shrunk

Vector = NDArray[np.float64]

DELTA = 0.05
CUTS = (0.5, 0.75, 0.9, 0.95, 0.99, 1.0)  # quantiles of the weights; the last cuts nothing
STRENGTHS = tuple(10.0**power for power in range(-4, 5))  # times the largest weight squared; the last shrinks nothing


@dataclass(frozen=True, slots=True)
class Tuned:
    most: float  # tau of Switch-DR: weights above it are not used
    strength: float  # lambda of DRos


def tuned(log: Log, q: Vector, expected: Vector) -> Tuned:
    """The best of the candidates; of equals the one that changes the weights least."""
    w = log.weight
    cuts = sorted({float(most) for most in np.quantile(w, CUTS)}, reverse=True)
    strengths = [float(w.max()) ** 2 * times for times in reversed(STRENGTHS)]
    return Tuned(
        min(cuts, key=lambda most: mse_bound(log, q, expected, cut(w, most))),
        min(strengths, key=lambda strength: mse_bound(log, q, expected, shrunk(w, strength))),
    )


def mse_bound(log: Log, q: Vector, expected: Vector, changed: Vector) -> float:
    """Of the doubly robust estimate with `changed` weights; rewards squared. Rows are taken as independent."""
    residual = log.reward - q
    variance = float((expected + changed * residual).var(ddof=1)) / len(residual)
    return bernstein((log.weight - changed) * residual) ** 2 + variance


def bernstein(values: Vector) -> float:
    """|mean| is at most this in all but `DELTA` of samples (two-sided); values range as far as they were seen to."""
    n, spread = len(values), float(np.ptp(values))
    rare = np.log(4 / DELTA)
    slack = np.sqrt(2 * float(values.var(ddof=1)) * rare / n) + 7 * spread * rare / (3 * (n - 1))
    return float(abs(values.mean()) + slack)
