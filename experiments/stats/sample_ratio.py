"""Did the arms get the shares of units that they were planned to get? Pearson's chi-square."""

from collections.abc import Sequence

from scipy.special import chdtrc

from firstlight.kernel.withheld import Reason, Withheld

LEAST_EXPECTED = 5  # units in an arm, under which the chi-square law is no approximation


def p_value(observed: Sequence[int], weights: Sequence[float]) -> float | Withheld:
    """P of counts at least so uneven under the weights (any positive scale); withheld when an arm expects under 5."""
    total, scale = sum(observed), sum(weights)
    expected = [total * weight / scale for weight in weights]
    if min(expected) < LEAST_EXPECTED:
        return Withheld(Reason.NO_DATA if total == 0 else Reason.TOO_FEW_EXPECTED)
    square = sum((o - e) ** 2 / e for o, e in zip(observed, expected, strict=True))
    return float(chdtrc(len(observed) - 1, square))
