"""Several questions asked at once: p-values corrected so that false alarms stay as rare as was promised."""

from collections.abc import Callable, Sequence


def holm(p_values: Sequence[float]) -> list[float]:
    """Adjusted p-values, in the order given; the chance of any false alarm holds.

    Source: Holm (1979), Scand. J. Stat. 6.

    >>> holm([0.01, 0.04, 0.03])
    [0.03, 0.06, 0.06]
    """
    return _stepped_down(p_values, lambda p, left: min(1.0, left * p))


def bonferroni(p_values: Sequence[float]) -> list[float]:
    """The same for any dependence, and without order; more is lost."""
    return [min(1.0, len(p_values) * p) for p in p_values]


def holm_sidak(p_values: Sequence[float]) -> list[float]:
    """Of independent or positively dependent questions."""
    return _stepped_down(p_values, lambda p, left: 1 - (1 - p) ** left)


def hochberg(p_values: Sequence[float]) -> list[float]:
    """Of questions that are not negatively dependent. Source: Hochberg (1988), Biometrika 75."""
    return _stepped_up(p_values, lambda p, rank, n: (n - rank + 1) * p)


def hommel(p_values: Sequence[float]) -> list[float]:
    """By closing all Simes tests. Source: Hommel (1988), Biometrika 75; algorithm of Wright (1992), Biometrics 48."""
    order = sorted(range(len(p_values)), key=p_values.__getitem__)
    p, n = [p_values[i] for i in order], len(p_values)
    adjusted = p.copy()
    for m in range(n, 1, -1):
        least = min(m * p[n - m + i] / (i + 1) for i in range(m))
        for i in range(n):
            if i >= n - m:
                adjusted[i] = max(adjusted[i], least)
            else:
                adjusted[i] = max(adjusted[i], min(least, m * p[i]))
    return _placed(adjusted, order)


def benjamini_hochberg(p_values: Sequence[float]) -> list[float]:
    """Share of false alarms among all alarms, of questions that are not negatively dependent.

    Source: Benjamini and Hochberg (1995), J. R. Stat. Soc. B 57.
    """
    return _stepped_up(p_values, lambda p, rank, n: p * n / rank)


def benjamini_yekutieli(p_values: Sequence[float]) -> list[float]:
    """The same under any dependence. Source: Benjamini and Yekutieli (2001), Ann. Stat. 29."""
    harmonic = sum(1 / i for i in range(1, len(p_values) + 1))
    return _stepped_up(p_values, lambda p, rank, n: p * harmonic * n / rank)


def two_stage(p_values: Sequence[float], alpha: float, *, careful: bool = True) -> list[float]:
    """Benjamini-Hochberg twice: first to count how many questions seem to be true nulls, then to correct for those.

    `careful` keeps the promise of independent questions, by testing at alpha / (1 + alpha); else it is only about kept.
    Source: Benjamini, Krieger, Yekutieli (2006), Biometrika 93.
    """
    first, slack = benjamini_hochberg(p_values), 1 + alpha if careful else 1.0
    found = sum(p <= alpha / slack for p in first)
    left = 1.0 if found in (0, len(first)) else 1 - found / len(first)
    return [min(1.0, p * left * slack) for p in first]


CORRECTIONS: dict[str, Callable[[Sequence[float]], list[float]]] = {"holm": holm, "bh": benjamini_hochberg}


def simultaneous(alpha: float, n: int) -> float:
    """Level of each of `n` intervals that all cover together with 1 - `alpha`, whatever binds them (Bonferroni)."""
    return alpha / max(n, 1)


def _stepped_down(p_values: Sequence[float], adjust: Callable[[float, int], float]) -> list[float]:
    """From the smallest on; `adjust` is told how many questions are left."""
    adjusted, worst = [0.0] * len(p_values), 0.0
    for rank, i in enumerate(sorted(range(len(p_values)), key=p_values.__getitem__)):
        worst = max(worst, adjust(p_values[i], len(p_values) - rank))
        adjusted[i] = worst
    return adjusted


def _stepped_up(p_values: Sequence[float], adjust: Callable[[float, int, int], float]) -> list[float]:
    """From the largest on; `adjust` is told the rank, the smallest has 1."""
    n, adjusted, least = len(p_values), [0.0] * len(p_values), 1.0
    order = sorted(range(n), key=p_values.__getitem__)
    for rank in range(n, 0, -1):
        i = order[rank - 1]
        least = min(least, adjust(p_values[i], rank, n))
        adjusted[i] = least
    return adjusted


def _placed(values: Sequence[float], order: Sequence[int]) -> list[float]:
    found = [0.0] * len(values)
    for value, i in zip(values, order, strict=True):
        found[i] = value
    return found
