"""How many units an effect needs, how likely a test is to see it, and the least effect that it would see.

Two-sided tests of a difference of two means of independent units; what holds for means holds for proportions and, with
the variance of their linearised units, for ratios. Sources: Cohen (1988), Statistical Power Analysis; Jennison and
Turnbull (2000), chapter 3, for sequential plans; Deng, Xu, Kohavi, Walker (2013) for what covariates save.
"""

from collections.abc import Callable
from dataclasses import dataclass
from math import asin, inf, sqrt

from scipy.special import nctdtr, ndtr, ndtri, stdtrit

from firstlight.stats import spending

MOST_UNITS = 1e15


@dataclass(frozen=True, slots=True)
class Test:
    """`alpha` two-sided. `df` counts the units; without it the normal law stands for t, as it does for thousands."""

    alpha: float = 0.05
    normal: bool = False
    inflation: float = 1.0  # of a sequential plan: units it needs over those of one look
    welch: bool = False  # degrees of freedom as of unknown variances; else those of one common variance


def standard_error(sd: float, n_control: float, n_treatment: float, *, saved: float = 0.0) -> float:
    """Of the difference; `saved` is the share of variance that covariates take away."""
    return sd * sqrt((1 - saved) * (1 / n_control + 1 / n_treatment))


def power(effect: float, sd: float, n_control: float, n_treatment: float, test: Test) -> float:
    """P of finding this difference (metric unit), on either side."""
    shrink = 1 / test.inflation
    drift = effect / standard_error(sd, n_control * shrink, n_treatment * shrink)
    if test.normal:
        z = float(ndtri(1 - test.alpha / 2))
        return float(ndtr(drift - z) + ndtr(-drift - z))
    df = _freedom(n_control, n_treatment) if test.welch else n_control + n_treatment - 2
    t = float(stdtrit(df, 1 - test.alpha / 2))
    return float(1 - nctdtr(df, drift, t) + nctdtr(df, drift, -t))


def _freedom(n_control: float, n_treatment: float) -> float:
    """Satterthwaite's, of arms that vary alike."""
    c, t = 1 / n_control, 1 / n_treatment
    return (c + t) ** 2 / (c**2 / (n_control - 1) + t**2 / (n_treatment - 1))


def size(effect: float, sd: float, target: float, test: Test, *, ratio: float = 1.0, saved: float = 0.0) -> float:
    """Units of the control for power `target`; the treatment has `ratio` times as many. Not rounded."""
    kept = sd * sqrt(1 - saved)
    return _solved(lambda n: power(effect, kept, n, n * ratio, test), target, 2.0 + 1 / ratio)


def detectable(
    sd: float, n_control: float, n_treatment: float, target: float, test: Test, *, saved: float = 0.0
) -> float:
    """The least difference (metric unit) that is found with power `target`."""
    error = standard_error(sd, n_control, n_treatment, saved=saved)
    return error * _solved(lambda d: power(d * error, sd * sqrt(1 - saved), n_control, n_treatment, test), target, 0.0)


def proportions(control: float, treatment: float, n_control: float, n_treatment: float, alpha: float) -> float:
    """Power for two proportions by their own variances, under no difference the pooled one."""
    pooled = (n_control * control + n_treatment * treatment) / (n_control + n_treatment)
    null = sqrt(pooled * (1 - pooled) * (1 / n_control + 1 / n_treatment))
    own = sqrt(control * (1 - control) / n_control + treatment * (1 - treatment) / n_treatment)
    z, gap = float(ndtri(1 - alpha / 2)), treatment - control
    return float(ndtr((gap - z * null) / own) + ndtr((-gap - z * null) / own))


def cohen_h(control: float, treatment: float) -> float:
    """Difference of two proportions after the transformation that makes their variance 1."""
    return 2 * asin(sqrt(treatment)) - 2 * asin(sqrt(control))


def guardrail(target: float, n_guardrails: int) -> float:
    """Power that each guardrail needs so that all of them and the goal hold together with `target`.

    Source: Schultzberg, Ankargren, Frånberg (2024), arXiv:2402.11609.
    """
    return 1 - (1 - target) / (n_guardrails + 1)


def inflation(n_looks: int, alpha: float, target: float, kind: str = "obrien_fleming") -> float:
    """Units that an evenly looked-at sequential plan needs, over those of one look at the end."""
    times = tuple((i + 1) / n_looks for i in range(n_looks))
    drift = _solved(lambda d: spending.crossing(times, alpha, d, kind), target, 0.0)
    fixed = float(ndtri(1 - alpha / 2) + ndtri(target))
    return max(1.0, (drift / fixed) ** 2)


def _solved(rising: Callable[[float], float], target: float, least: float) -> float:
    """Where it reaches `target`, by doubling and bisection; inf when nothing bounded does."""
    low, high = least, max(1.0, 2 * least)
    while rising(high) < target:
        low, high = high, 2 * high
        if high > MOST_UNITS:
            return inf
    for _ in range(200):
        middle = (low + high) / 2
        if middle in (low, high):
            break
        low, high = (middle, high) if rising(middle) < target else (low, middle)
    return (low + high) / 2
