"""Moments as the tests make them."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pytest

from firstlight.kernel.moments import Moments


def from_sums(sums: Mapping[str, float]) -> Moments:
    """From raw sums, as oracles give them; of a ratio, or of a mean, where a share of ones needs no squares."""
    n = int(sums["n"])
    if "num_sum" in sums:
        total = np.array([sums["num_sum"], sums["den_sum"]])
        both = sums["num_den_sum_of_products"]
        squares = np.array([[sums["num_sum_squares"], both], [both, sums["den_sum_squares"]]])
    else:
        total, squares = np.array([sums["sum"]]), np.array([[sums.get("sum_squares", sums["sum"])]])
    return Moments(n, total / n, squares - np.outer(total, total) / n)


@pytest.fixture
def moments() -> Callable[[Mapping[str, Any]], Moments]:
    return from_sums
