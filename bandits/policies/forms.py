"""Estimators as sums of ratios of sums over logged rows: so that one bootstrap gives all of them their intervals.

Resampling draws clusters (units) whole, because what one unit does is not independent: only the sums per cluster are
needed, and at most `MOST_GROUPS` groups of clusters stand for millions of them (Chamandy et al. 2012).
Source: Cameron, Gelbach, Miller (2008), Review of Economics and Statistics 90, for the cluster bootstrap.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from firstlight.stats.estimates import Estimate

Vector = NDArray[np.float64]

MOST_GROUPS = 1_000


class Ratio(NamedTuple):
    """sum(top) / sum(bottom), each of shape (n,)."""

    top: Vector
    bottom: Vector


Form = tuple[Ratio, ...]  # its value is the sum of the ratios


def value(form: Form) -> float:
    return sum(float(part.top.sum() / part.bottom.sum()) for part in form)


def estimates(
    forms: Mapping[str, Form],
    clusters: NDArray[Any],
    rng: Generator,
    *,
    confidence: float = 0.95,
    n_resamples: int = 1_000,
) -> dict[str, Estimate]:
    """Each form with the percentile interval of its cluster bootstrap; all see the same resamples."""
    member = groups(clusters)
    n_groups = int(member.max()) + 1
    times = rng.multinomial(n_groups, np.full(n_groups, 1 / n_groups), size=n_resamples).astype(np.float64)
    ends = [(1 - confidence) / 2, (1 + confidence) / 2]
    found = {}
    for name, form in forms.items():
        low, high = np.quantile(_resampled(form, member, times), ends)
        found[name] = Estimate(value(form), float(low), float(high))
    return found


def groups(clusters: NDArray[Any]) -> NDArray[np.intp]:
    """The group of each row, from 0: its cluster, or one of `MOST_GROUPS` bundles of clusters."""
    member: NDArray[np.intp] = np.unique(clusters, return_inverse=True)[1].ravel() % MOST_GROUPS
    return member


def _resampled(form: Form, member: NDArray[np.intp], times: Vector) -> Vector:
    total = np.zeros(len(times))
    for part in form:
        top, bottom = (times @ np.bincount(member, side) for side in part)
        total += np.divide(top, bottom, out=np.zeros_like(top), where=bottom != 0)
    return total
