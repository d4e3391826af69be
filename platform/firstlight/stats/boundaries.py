"""Bounds that hold at every time at once, for sums that are not quite normal.

Source: Howard, Ramdas, McAuliffe, Sekhon (2021), Ann. Stat. 49, arXiv:1810.08240; Waudby-Smith et al. (2021),
arXiv:2103.06476, for the asymptotic sequence on one side.
"""

from math import lgamma, log, sqrt

from scipy.special import betaln, gammainc

from firstlight.stats.bisection import edge
from firstlight.stats.estimates import Estimate
from firstlight.stats.mixtures import best_rho

LEAST = 1e-3  # of the mixture's spread over a Bernoulli's own, where the best one would be none


def normal_log_mixture(s: float, v: float, rho: float) -> float:
    """ln of the two-sided normal mixture of a sum `s` with variance `v`; the bound is where it reaches ln(1/alpha)."""
    return 0.5 * log(rho / (v + rho)) + s**2 / (2 * (v + rho))


def one_sided_tightness(planned_n: float, alpha: float) -> float:
    """r² of the one-sided sequence that is tightest at `planned_n` units: the two-sided one of twice alpha."""
    return 1 / best_rho(planned_n, 2 * alpha)


def one_sided(n: float, planned_n: float, alpha: float) -> float:
    """How many standard errors a one-sided asymptotic confidence sequence reaches at `n` units (eq. 134)."""
    wide = n * one_sided_tightness(planned_n, alpha)
    return sqrt(2 * (wide + 1) / wide * log(1 + sqrt(wide + 1) / (2 * alpha)))


def gamma_exponential(v: float, alpha: float, best_at: float, scale: float) -> float:
    """Bound on one side of a sum of variance `v` whose upper tail is sub-exponential with `scale`, as of revenue."""
    rho, square = best_rho(best_at, 2 * alpha), scale**2

    def mixed(a: float, x: float) -> float:
        return lgamma(a) + log(float(gammainc(a, x))) - a * log(x)

    start = mixed(rho / square, rho / square)

    def is_over(s: float) -> bool:
        moved = (scale * s + v) / square
        return mixed((v + rho) / square, moved + rho / square) - start + moved > log(1 / alpha)

    high = v
    while not is_over(high):
        high *= 2
    return edge(is_over, 0.0, high)


def bernoulli(successes: float, n: int, alpha: float, best_at: float) -> Estimate:
    """Confidence sequence of a share; tightest after `best_at` trials, exact for any number of looks."""
    value = successes / n

    def is_out(p: float) -> bool:
        return _beta_binomial(p, value, n, alpha, best_at) > log(1 / alpha)

    low = edge(lambda p: not is_out(p), 0.0, value) if value > 0 else 0.0
    high = edge(is_out, value, 1.0) if value < 1 else 1.0
    return Estimate(value, low, high)


def _beta_binomial(p: float, value: float, n: int, alpha: float, best_at: float) -> float:
    """ln of the mixture of likelihood ratios against `p`, over a Beta around it."""
    own = p * (1 - p)
    if own <= 0:
        return float("inf")
    r = max(best_rho(own * best_at, alpha) - own, LEAST * own)
    wins, losses = n * value, n * (1 - value)
    mixed = float(betaln(r / (1 - p) + wins, r / p + losses) - betaln(r / (1 - p), r / p))
    return mixed - wins * log(p) - losses * log(1 - p)
