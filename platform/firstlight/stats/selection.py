"""The winner's curse: what was chosen for looking large looks larger than it is."""

from dataclasses import dataclass
from math import exp, log, pi, sqrt

from scipy.special import log_ndtr, ndtri
from scipy.special import ndtr as _ndtr

from firstlight.stats.estimates import Estimate


@dataclass(frozen=True, slots=True)
class Shrunken:
    mean: float
    sd: float
    factor: float  # of the observed effect that is kept


def shrunken(estimate: float, se: float, prior_mean: float, prior_sd: float) -> Shrunken:
    """Posterior of a normal effect under a normal prior, such as past experiments give."""
    factor = prior_sd**2 / (prior_sd**2 + se**2)
    return Shrunken(factor * estimate + (1 - factor) * prior_mean, sqrt(factor) * se, factor)


def interval(found: Shrunken, confidence: float) -> Estimate:
    reach = float(ndtri((1 + confidence) / 2)) * found.sd
    return Estimate(found.mean, found.mean - reach, found.mean + reach)


def conditional(z: float, bound: float) -> float:
    """Maximum likelihood of the mean of Z, given that it was seen only because |Z| > `bound`; has the sign of `z`.

    Source: Zöllner, Pritchard (2007), Am. J. Hum. Genet. 80; Ghosh, Zou, Wright (2008), same journal 82.
    """
    if abs(z) <= bound:
        return z
    low, high = 0.0, abs(z)
    for _ in range(200):  # the score falls from above 0 at 0 to below 0 at |z|
        middle = (low + high) / 2
        low, high = (middle, high) if _score(middle, abs(z), bound) > 0 else (low, middle)
    return (low + high) / 2 * (1 if z > 0 else -1)


def exaggeration(power_: float, alpha: float = 0.05) -> float:
    """By how much a significant estimate overstates the effect on average, when the test has this power.

    Source: Gelman, Carlin (2014), Perspectives on Psychological Science 9 (type M error).
    """
    z = float(ndtri(1 - alpha / 2))
    low, high = 0.0, 40.0
    for _ in range(100):
        middle = (low + high) / 2
        reached = float(_ndtr(middle - z) + _ndtr(-middle - z))
        low, high = (middle, high) if reached < power_ else (low, middle)
    drift = (low + high) / 2
    above = drift * float(_ndtr(drift - z)) + _density(z - drift)
    below = -drift * float(_ndtr(-drift - z)) + _density(z + drift)
    return (above + below) / (drift * float(_ndtr(drift - z) + _ndtr(-drift - z)))


def _score(mean: float, z: float, bound: float) -> float:
    up, down = mean - bound, -mean - bound
    largest = max(float(log_ndtr(up)), float(log_ndtr(down)))
    seen = exp(float(log_ndtr(up)) - largest) + exp(float(log_ndtr(down)) - largest)
    slope = exp(-(up**2) / 2 - log(sqrt(2 * pi)) - largest) - exp(-(down**2) / 2 - log(sqrt(2 * pi)) - largest)
    return z - mean - slope / seen


def _density(x: float) -> float:
    return exp(-x * x / 2) / sqrt(2 * pi)
