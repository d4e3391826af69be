"""Did the arms get the shares of units that they were planned to get? Once, and as often as anybody looks."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import exp, log

from scipy.special import gammaln

from firstlight.kernel.withheld import Reason, Withheld
from firstlight.stats import tails
from firstlight.stats.tails import Tail

LEAST_EXPECTED = 5  # units in an arm, under which the chi-square law is no approximation


def p_value(observed: Sequence[int], weights: Sequence[float]) -> float | Withheld:
    """P of counts at least so uneven under the weights (any positive scale); withheld when an arm expects under 5."""
    total, scale = sum(observed), sum(weights)
    expected = [total * weight / scale for weight in weights]
    if min(expected) < LEAST_EXPECTED:
        return Withheld(Reason.NO_DATA if total == 0 else Reason.TOO_FEW_EXPECTED)
    return uneven(observed, weights).tail.p


@dataclass(frozen=True, slots=True)
class Uneven:
    square: float  # Pearson's chi-square, or G
    tail: Tail


def uneven(observed: Sequence[int], weights: Sequence[float], *, by_likelihood: bool = False) -> Uneven:
    """Counts against the shares of the weights; `by_likelihood` takes G = 2 Σ o ln(o/e). There must be units."""
    total, scale = sum(observed), sum(weights)
    pairs = [(o, total * weight / scale) for o, weight in zip(observed, weights, strict=True)]
    if by_likelihood:
        square = 2 * sum(o * log(o / e) for o, e in pairs if o)
    else:
        square = sum((o - e) ** 2 / e for o, e in pairs)
    return Uneven(square, tails.chi_square(square, len(observed) - 1))


def sequential_p(observed: Sequence[int], weights: Sequence[float], concentration: float = 10_000.0) -> float:
    """P that may be asked after every unit: the inverse of a Bayes factor against any other shares, over 1 cut to 1.

    A Dirichlet prior around the planned shares, as strong as `concentration` units: strong ones see small faults best.
    The smallest p so far still keeps its promise. Source: Lindon, Malek (2022), NeurIPS, arXiv:2011.03567.
    """
    return min(1.0, exp(-log_bayes_factor(observed, weights, concentration)))


def log_bayes_factor(observed: Sequence[int], weights: Sequence[float], concentration: float) -> float:
    """ln P(counts in their order | shares drawn from the Dirichlet) - ln P(counts | planned shares)."""
    scale, n = sum(weights), sum(observed)
    shares = [weight / scale for weight in weights]
    priors = [concentration * share for share in shares]
    mixed = float(gammaln(concentration) - gammaln(concentration + n))
    mixed += sum(float(gammaln(a + o) - gammaln(a)) for a, o in zip(priors, observed, strict=True))
    return mixed - sum(o * log(share) for o, share in zip(observed, shares, strict=True))
