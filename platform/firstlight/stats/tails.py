"""Probabilities far out: p-values with their decimal logarithm, which stays finite where p itself is 0 in a float."""

from dataclasses import dataclass
from math import exp, inf, lgamma, log, log1p

from scipy.special import betaln, chdtrc, log_ndtr, stdtr, stdtrit

LN10 = log(10)
# Below this SciPy's tail is near the smallest float; the continued fraction has no such end.
SMALL = 1e-280


@dataclass(frozen=True, slots=True)
class Tail:
    p: float  # 0.0 where a float ends, about 1e-308
    log10_p: float

    @classmethod
    def of_log(cls, ln_p: float) -> "Tail":
        return cls(exp(ln_p), ln_p / LN10)


@dataclass(frozen=True, slots=True)
class Evidence:
    """A statistic that is Student-t when there is nothing; infinite `df` is the normal law."""

    statistic: float  # standard errors from the null hypothesis, with its sign
    df: float

    def above(self) -> Tail:
        """P of one at least so high."""
        return upper(self.statistic, self.df)

    def below(self) -> Tail:
        """P of one at least so low."""
        return upper(-self.statistic, self.df)

    def either(self) -> Tail:
        """P of one at least so far on either side."""
        one = upper(abs(self.statistic), self.df)
        return Tail(min(1.0, 2 * one.p), min(0.0, one.log10_p + log(2) / LN10))


def upper(t: float, df: float) -> Tail:
    """P(T > t) of Student's t; `df` may be infinite (normal) and need not be whole."""
    if df == inf:
        return Tail.of_log(float(log_ndtr(-t)))
    p = float(stdtr(df, -t))
    return Tail(p, log(p) / LN10) if p > SMALL else Tail.of_log(_ln_far(t, df) - log(2))


def quantile(confidence: float, df: float) -> float:
    """Half-width, in standard errors, of a two-sided interval."""
    return float(stdtrit(df, (1 + confidence) / 2))


def chi_square(square: float, df: float) -> Tail:
    """P of one at least so large."""
    p = float(chdtrc(df, square))
    return Tail(p, log(p) / LN10) if p > SMALL else Tail.of_log(_ln_far_square(square / 2, df / 2))


def _ln_far_square(x: float, a: float) -> float:
    """ln Q(a, x) by its continued fraction, from x far over a on. Source: DLMF 8.9.2, by Lentz's method."""
    step = x + 1 - a
    c, d = 1 / 1e-300, 1 / step
    value = d
    for i in range(1, 10_000):
        step += 2
        turn = -i * (i - a)
        d, c = 1 / (turn * d + step), step + turn / c
        value *= c * d
        if abs(c * d - 1) < 1e-15:
            break
    return -x + a * log(x) - lgamma(a) + log(value)


def _ln_far(t: float, df: float) -> float:
    """ln P(|T| > t) = ln I_x(df/2, 1/2) at x = df / (df + t²), by its continued fraction.

    Source: DLMF 8.17.22; x is small enough there that a few terms do.
    """
    a, b = df / 2, 0.5
    ratio = t * t / df
    x = 1 / (1 + ratio)
    ln_front = -a * log1p(ratio) + b * log(ratio * x) - log(a) - float(betaln(a, b))
    return ln_front - log(_fraction(a, b, x))


def _fraction(a: float, b: float, x: float) -> float:
    """1 + d1/(1 + d2/(1 + …)) of DLMF 8.17.22, by Lentz's method."""
    value = c = 1.0
    d = 0.0
    for m in range(10_000):
        even = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m)) if m else 0.0
        odd = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1))
        before = value
        for term in (even, odd) if m else (odd,):
            d, c = 1 / (1 + term * d), 1 + term / c
            value *= c * d
        # Only after both: an even step alone may seem to stand still, which is where SciPy stops too soon.
        if abs(value / before - 1) < 1e-15:
            break
    return value
