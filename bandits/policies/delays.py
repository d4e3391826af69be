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


def fitted(
    hours: ArrayLike, counts: ArrayLike, window_hours: float, ages: ArrayLike | None = None
) -> Delays | Withheld:
    """From how many rewards came in which full hour after their impression (0: within the first).

    `ages` are the hours since the youngest impression that each count is of; without them all are older than the
    window. Younger impressions show their quick rewards alone, so each hour is compared with the quicker ones of those
    impressions that had time for it: the product-limit estimate under right truncation (Lynden-Bell 1971; Lagakos,
    Barraj and De Gruttola 1988, Biometrika 75), which is the plain share once all are old. What nobody is old enough
    to show is taken not to come. What came after the window is not a reward and is left out. Withheld under 30 rewards.
    """
    came, n = np.asarray(hours, np.float64), np.asarray(counts, np.float64)
    shows = np.full(came.shape, window_hours) if ages is None else np.minimum(ages, window_hours)
    seen = (n > 0) & (came < window_hours) & (np.minimum(came + 1, window_hours) <= shows)
    came, n, shows = came[seen], n[seen], shows[seen]
    starts, place = np.unique(came, return_inverse=True)
    ends = np.minimum(starts + 1, window_hours)
    quicker = np.array([n[(came <= start) & (shows >= end)].sum() for start, end in zip(starts, ends, strict=True)])
    enough = np.flatnonzero(quicker >= LEAST)
    if not len(enough):
        return Withheld(Reason.NO_DATA)
    hour = slice(0, int(enough[-1]) + 1)
    total = np.bincount(place, n, len(starts))[hour]
    before = np.cumprod((1 - total / quicker[hour])[::-1])[::-1]  # share that had come when each hour began
    # both ends of every hour: one without rewards must not be climbed through
    edges = np.ravel([starts[hour], ends[hour]], order="F")
    shares = np.ravel([before, np.append(before[1:], 1.0)], order="F")
    return Delays(edges, shares, window_hours, float(total.sum()))
