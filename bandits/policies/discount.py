"""Old data counts less: 2^(-age / half-life) of what it counted when it was new.

On the data alone: a prior that faded as well would leave an item that is shown no more believed to be anything. The
weight of two spans is the product of their weights, so a sum kept with its time is brought to any later time by one
product, and days that are kept apart are weighed when they are read.
"""

import numpy as np
from numpy.typing import ArrayLike, NDArray

Vector = NDArray[np.float64]


def weight(age_days: ArrayLike, half_life_days: float | None) -> Vector:
    """What data of these ages counts now, 0 to 1; all of it without a half-life, and what is yet to come.

    >>> weight([0, 7, 14], 7).tolist()
    [1.0, 0.5, 0.25]
    """
    ages = np.maximum(np.asarray(age_days, np.float64), 0)
    return np.ones_like(ages) if half_life_days is None else np.exp2(-ages / half_life_days)
