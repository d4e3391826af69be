"""Two proportions, or several, by the tests of the textbooks. The default is Welch, or Newcombe for small counts.

Sources: Pearson (1900); Wilks (1935), Ann. Math. Stat. 6 (G); Fisher (1935); Barnard (1945), Nature 156; Miettinen and
Nurminen (1985), Stat. Med. 4 (score interval); Farrington and Manning (1990), Stat. Med. 9; Clopper and Pearson (1934).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import inf, log, sqrt

import numpy as np
from numpy.typing import NDArray
from scipy.special import betaincinv, chdtrc

from firstlight.kernel.withheld import Reason, Withheld
from firstlight.stats import ratios, tails
from firstlight.stats.bisection import edge
from firstlight.stats.estimates import Comparison, Estimate
from firstlight.stats.levels import Level
from firstlight.stats.newcombe import Share
from firstlight.stats.tails import Evidence


@dataclass(frozen=True, slots=True)
class Fit:
    """Of shares that are all alike."""

    statistic: float
    p: float


def level(share: Share, *, common: float | None = None) -> Level:
    """With the binomial variance p(1 - p)/n, of its own p or of one in common; not divided by n - 1."""
    p = share.value if common is None else common
    return Level(share.n, share.value, p * (1 - p) / share.n)


def pooled(control: Share, treatment: Share, confidence: float) -> Comparison | Withheld:
    """Normal test with the variance of no difference; the interval has it, too. The lift is that of the log ratio."""
    common = (control.successes + treatment.successes) / (control.n + treatment.n)
    levels = level(control, common=common), level(treatment, common=common)
    return _normal("pooled z", levels, confidence, _pooled_log(control, treatment, common, confidence))


def unpooled(control: Share, treatment: Share, confidence: float) -> Comparison | Withheld:
    """Normal test, each arm with its own variance (Wald); the lift is that of the log ratio."""
    c, t = level(control), level(treatment)
    return _normal(
        "unpooled z", (c, t), confidence, ratios.log_lift((c.value, c.variance), (t.value, t.variance), confidence)
    )


def _pooled_log(control: Share, treatment: Share, common: float, confidence: float) -> Estimate | Withheld:
    if not 0 < common < 1:
        return Withheld(Reason.UNBOUNDED_LIFT)
    spread = (1 - common) / common  # of ln p̂, times n
    c, t = ((s.value, spread * s.value**2 / s.n) for s in (control, treatment))
    return ratios.log_lift(c, t, confidence)


def _normal(
    name: str, levels: tuple[Level, Level], confidence: float, lift: Estimate | Withheld
) -> Comparison | Withheld:
    control, treatment = levels
    se = sqrt(control.variance + treatment.variance)
    if se == 0:
        return Withheld(Reason.NO_SPREAD)
    gap, reach = treatment.value - control.value, tails.quantile(confidence, inf) * se
    return Comparison(name, Estimate(gap, gap - reach, gap + reach), lift, Evidence(gap / se, inf).either())


def pearson(shares: Sequence[Share]) -> Fit | Withheld:
    """Chi-square of two or more shares; of two, the square of the pooled z. Withheld when none, or all, succeeded."""
    return _of_cells(shares, lambda seen, expected: (seen - expected) ** 2 / expected)


def g_test(shares: Sequence[Share]) -> Fit | Withheld:
    """The same by the likelihood ratio."""
    return _of_cells(shares, lambda seen, expected: 2 * seen * log(seen / expected) if seen else 0.0)


def _of_cells(shares: Sequence[Share], cell: Callable[[float, float], float]) -> Fit | Withheld:
    common = sum(s.successes for s in shares) / sum(s.n for s in shares)
    if common in (0.0, 1.0):
        return Withheld(Reason.NO_SPREAD)
    found = sum(cell(s.successes, s.n * common) + cell(s.n - s.successes, s.n * (1 - common)) for s in shares)
    return Fit(found, float(chdtrc(len(shares) - 1, found)))


def fisher(control: Share, treatment: Share) -> float:
    """Exact p given both margins, two-sided by the probability of the table."""
    from scipy.stats import fisher_exact  # costs .8 s, so only whom it serves pays it

    return float(fisher_exact(_table(control, treatment)).pvalue)


def barnard(control: Share, treatment: Share) -> float:
    """Exact p over every common share, by the pooled z; seconds from some thousand units on."""
    from scipy.stats import barnard_exact

    return float(barnard_exact(_table(control, treatment)).pvalue)


def _table(control: Share, treatment: Share) -> NDArray[np.int64]:
    """An arm a column, as Barnard's test wants them: successes over the rest."""
    columns = [(round(s.successes), s.n - round(s.successes)) for s in (treatment, control)]
    return np.array(columns, dtype=np.int64).T


def clopper_pearson(share: Share, confidence: float) -> Estimate:
    """Exact interval of one share; it covers at least as often as it says."""
    tail, x, n = (1 - confidence) / 2, share.successes, share.n
    low = float(betaincinv(x, n - x + 1, tail)) if x > 0 else 0.0
    high = float(betaincinv(x + 1, n - x, 1 - tail)) if x < n else 1.0
    return Estimate(share.value, low, high)


def score_z(control: Share, treatment: Share, gap: float) -> float:
    """Of treatment - control against `gap`, with the variance of the likeliest pair that is `gap` apart, over n - 1."""
    c = _constrained(control, treatment, gap)
    variance = c * (1 - c) / control.n + (c + gap) * (1 - c - gap) / treatment.n
    n = control.n + treatment.n
    away = treatment.value - control.value - gap
    return away / sqrt(variance * n / (n - 1)) if variance > 0 else (0.0 if away == 0 else inf if away > 0 else -inf)


def score_interval(control: Share, treatment: Share, confidence: float) -> Estimate:
    """Every gap that the score test does not refuse."""
    z, value = tails.quantile(confidence, inf), treatment.value - control.value
    low = edge(lambda gap: score_z(control, treatment, gap) <= z, -1.0, value)
    high = edge(lambda gap: score_z(control, treatment, gap) < -z, value, 1.0)
    return Estimate(value, low, high)


def _constrained(control: Share, treatment: Share, gap: float) -> float:
    """Likeliest share of the control when the treatment's is `gap` more: where the concave likelihood turns."""

    def is_rising(c: float) -> bool:
        t = c + gap
        slope = (treatment.successes - treatment.n * t) * c * (1 - c) + (control.successes - control.n * c) * t * (
            1 - t
        )
        return slope > 0

    return edge(lambda c: not is_rising(c), max(0.0, -gap), min(1.0, 1 - gap))


def not_worse(control: Share, treatment: Share, margin: float, *, score: bool) -> Evidence:
    """Of treatment - control over -margin (a share); by the score test, or by Wald with each arm's own variance."""
    if score:
        return Evidence(score_z(control, treatment, -margin), inf)
    se = sqrt(level(control).variance + level(treatment).variance)
    return Evidence((treatment.value - control.value + margin) / se, inf)
