"""What the cases hold, as our values: raw sums as moments, counts as shares, lists as arrays."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from firstlight.kernel.moments import Moments
from firstlight.kernel.withheld import Withheld
from firstlight.stats import levels
from firstlight.stats.levels import Level
from firstlight.stats.newcombe import Share

Case = Mapping[str, Any]
Answer = dict[str, Any]
Method = Callable[[Case], Answer]
ARMS = ("control", "treatment")
T = TypeVar("T")


def sure(found: T | Withheld) -> T:
    """No case asks for what is withheld."""
    assert not isinstance(found, Withheld), found
    return found


def both(given: Case, of: Callable[[Any], T]) -> tuple[T, T]:
    c, t = (of(given[arm]) for arm in ARMS)
    return c, t


def moments(sums: Mapping[str, Any]) -> Moments:
    """value[, denominator]; a share of ones needs no squares."""
    if "num_sum" in sums:
        return of_sums(
            sums,
            ("num_sum", "den_sum"),
            {(0, 0): "num_sum_squares", (1, 1): "den_sum_squares", (0, 1): "num_den_sum_of_products"},
        )
    return of_sums({"sum_squares": sums["sum"], **sums}, ("sum",), {(0, 0): "sum_squares"})


def with_past(sums: Mapping[str, Any]) -> Moments:
    """value[, denominator], and the same before exposure."""
    if "num_sum" in sums:
        products = {
            (0, 0): "num_sum_squares",
            (1, 1): "den_sum_squares",
            (2, 2): "num_pre_sum_squares",
            (3, 3): "den_pre_sum_squares",
            (0, 1): "num_den_sum_of_products",
            (0, 2): "num_numpre_sum_of_products",
            (0, 3): "num_denpre_sum_of_products",
            (1, 2): "numpre_den_sum_of_products",
            (1, 3): "den_denpre_sum_of_products",
            (2, 3): "numpre_denpre_sum_of_products",
        }
        return of_sums(sums, ("num_sum", "den_sum", "num_pre_sum", "den_pre_sum"), products)
    products = {(0, 0): "sum_squares", (1, 1): "pre_sum_squares", (0, 1): "post_pre_sum_of_products"}
    return of_sums(sums, ("sum", "pre_sum"), products)


def of_sums(sums: Mapping[str, Any], totals: Sequence[str], squares: Mapping[tuple[int, int], str]) -> Moments:
    n, total = int(sums["n"]), np.array([sums[name] for name in totals], dtype=float)
    raw = np.zeros((len(totals), len(totals)))
    for (i, j), name in squares.items():
        raw[i, j] = raw[j, i] = sums[name]
    return Moments(n, total / n, raw - np.outer(total, total) / n)


def given_level(kind: str, sums: Mapping[str, Any]) -> Level:
    return sure(levels.ratio(moments(sums)) if kind == "ratio" else levels.mean(moments(sums)))


def mean_level(sums: Mapping[str, Any]) -> Level:
    return given_level("mean", sums)


def shares(given: Case) -> tuple[Share, Share]:
    return both(given, lambda sums: Share(sums["n"], float(sums["sum"])))


def arrays(given: Case) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    return both(given, lambda values: np.array(values, dtype=np.float64))
