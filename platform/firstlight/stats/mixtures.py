"""Tests that may be watched at any time: normal mixtures, and beliefs about proportions.

Sources: Robbins (1970), Ann. Math. Stat. 41; Johari, Koomen, Pekelis, Walsh (2022), Operations Research 70 (mSPRT);
Howard, Ramdas, McAuliffe, Sekhon (2021), Ann. Stat. 49.
"""

from dataclasses import dataclass
from math import exp, log, sqrt

import numpy as np
from numpy.typing import NDArray
from scipy.special import betainc, betaln

from firstlight.stats.estimates import Estimate

Vector = NDArray[np.float64]
PANELS, NODES = 24, 24  # of Gauss-Legendre between the ends of the two Betas


@dataclass(frozen=True, slots=True)
class Watched:
    log_ratio: float  # of the mixture over no effect
    p: float  # always valid; the least so far is, too
    interval: Estimate


def msprt(effect: float, se: float, tau: float, alpha: float) -> Watched:
    """Effects normal around 0 with sd `tau` against none; `effect` and `se` in units of the metric."""
    variance, mixed = se**2, se**2 + tau**2
    ratio = 0.5 * log(variance / mixed) + effect**2 * tau**2 / (2 * variance * mixed)
    reach = sqrt(2 * variance * mixed / tau**2 * (log(1 / alpha) + 0.5 * log(mixed / variance)))
    return Watched(ratio, min(1.0, exp(-ratio)), Estimate(effect, effect - reach, effect + reach))


def normal_boundary(v: float, alpha: float, best_at: float) -> float:
    """Two-sided bound of a sum with variance `v`, tightest where the variance is `best_at`."""
    rho = best_rho(best_at, alpha)
    return sqrt((v + rho) * (log((v + rho) / rho) - 2 * log(alpha)))


def best_rho(best_at: float, alpha: float) -> float:
    """Of the mixture that is all but tightest at `best_at`: first terms of Lambert's W, Howard et al., eq. 3.7."""
    return best_at / (-2 * log(alpha) + log(1 - 2 * log(alpha)))


@dataclass(frozen=True, slots=True)
class Chances:
    """Of two proportions, independent Beta posteriors."""

    chance_to_win: float
    loss_of_shipping: float  # expected, absolute
    control: float  # posterior means
    treatment: float


def beta_binomial(
    control: tuple[int, int], treatment: tuple[int, int], prior: tuple[float, float] = (1.0, 1.0)
) -> Chances:
    """Each arm (successes, units). By quadrature over the control's posterior, whose tails are cut at 1e-16.

    P(t > c) = ∫ f_c(x) S_t(x) dx; E max(c - t, 0) = ∫ F_t(x) S_c(x) dx.
    """
    c, t = (_posterior(arm, prior) for arm in (control, treatment))
    x, weight = _quadrature(*_span(c, t))
    density = np.exp((c[0] - 1) * np.log(x) + (c[1] - 1) * np.log1p(-x) - betaln(*c))
    below_c, below_t = betainc(*c, x), betainc(*t, x)
    wins = float(weight @ (density * (1 - below_t)))
    loss = float(weight @ (below_t * (1 - below_c)))
    return Chances(min(1.0, max(0.0, wins)), loss, c[0] / sum(c), t[0] / sum(t))  # quadrature may err by 1e-11


def _posterior(arm: tuple[int, int], prior: tuple[float, float]) -> tuple[float, float]:
    successes, n = arm
    return prior[0] + successes, prior[1] + n - successes


def _span(c: tuple[float, float], t: tuple[float, float]) -> tuple[float, float]:
    """Where either has any mass: twelve standard deviations around its mean, inside (0, 1)."""
    ends = []
    for a, b in (c, t):
        mean, sd = a / (a + b), sqrt(a * b / ((a + b) ** 2 * (a + b + 1)))
        ends += [mean - 12 * sd, mean + 12 * sd]
    return max(min(ends), 0.0), min(max(ends), 1.0)


def _quadrature(low: float, high: float) -> tuple[Vector, Vector]:
    """Nodes and weights of equal panels."""
    points, weights = np.polynomial.legendre.leggauss(NODES)
    edges = np.linspace(low, high, PANELS + 1)
    half = (edges[1] - edges[0]) / 2
    middles = (edges[:-1] + edges[1:]) / 2
    return (middles[:, None] + half * points).ravel(), np.tile(half * weights, PANELS)
