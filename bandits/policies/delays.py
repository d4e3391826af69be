"""Rewards take time: an impression whose reward may still come is part of one, and never a failure.

An impression of age t is the share G(t) of a trial, where G is how much of what comes within the attribution window has
come by then. With C rewards and trials sum G(t), the posterior is Beta(a0 + C, b0 + max(sum G - C, 0)) (Vernade, Cappé
and Perchet, arXiv:1706.09186): `beliefs.Beta.after`. Once all ages are beyond the window these are plain counts.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from firstlight.kernel.withheld import Reason, Withheld

Vector = NDArray[np.float64]

LEAST = 30  # rewards that G is fitted to: its standard error is then .09 at most


@dataclass(frozen=True, slots=True, eq=False)
class Delays:
    """The empirical distribution of delays within the window."""

    hours: Vector  # since the impression: both ends of every hour in which rewards came
    share: Vector  # of the rewards that had come by then, 0 to 1
    window_hours: float
    n: float  # rewards

    def arrived(self, age_hours: ArrayLike) -> Vector:
        """Share of the rewards that come by this age: 0 to 1, and 1 from the window on.

        Within an hour they are taken to come evenly.
        """
        ages = np.asarray(age_hours, np.float64)
        return np.where(ages >= self.window_hours, 1.0, np.interp(ages, self.hours, self.share))


def fitted(hours: ArrayLike, counts: ArrayLike, window_hours: float) -> Delays | Withheld:
    """From how many rewards came in which full hour after their impression (0: within the first).

    Only of impressions older than the window: younger ones show their quick rewards alone. What came after the window
    is not a reward and is left out. Withheld under 30 rewards.
    """
    came, n = np.asarray(hours, np.float64), np.asarray(counts, np.float64)
    within = (came < window_hours) & (n > 0)
    starts, place = np.unique(came[within], return_inverse=True)
    total = np.bincount(place, n[within], len(starts))
    if total.sum() < LEAST:
        return Withheld(Reason.NO_DATA)
    # both ends of every hour: one without rewards must not be climbed through
    edges = np.ravel([starts, np.minimum(starts + 1, window_hours)], order="F")
    steps = np.ravel([np.zeros_like(total), total], order="F")
    return Delays(edges, np.cumsum(steps) / total.sum(), window_hours, float(total.sum()))
