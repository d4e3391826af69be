"""All estimators of one policy's value at once, with intervals from the same resamples of units.

DM asks only the reward model; DR corrects it where the log saw otherwise; SNDR divides that correction by the mean
weight; Switch-DR and DRos correct less where weights are large, as far as `tuning` finds best.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from bandits.policies import forms, tuning
from bandits.policies.evaluation import Log, Overlap, cut, overlap_of, refusal, shrunk
from bandits.policies.forms import Form, Ratio
from bandits.policies.tuning import Tuned
from firstlight.kernel.withheld import Withheld
from firstlight.stats.estimates import Estimate

Vector = NDArray[np.float64]

NAMES = ("ips", "snips", "dm", "dr", "sndr", "switch_dr", "dros")


@dataclass(frozen=True, slots=True)
class Evaluated:
    """Reward per choice of one policy, by every estimator; all are withheld together."""

    overlap: Overlap
    logged: float  # mean reward of the log itself
    found: Mapping[str, Estimate] | Withheld  # by name
    tuned: Tuned | None  # None where it is withheld

    def of(self, name: str) -> Estimate | Withheld:
        return self.found if isinstance(self.found, Withheld) else self.found[name]


def evaluated(
    log: Log,
    q: Vector,
    expected: Vector,
    clusters: NDArray[Any],
    rng: Generator,
    *,
    supported: float = 1.0,
    n_resamples: int = 1_000,
) -> Evaluated:
    """`q` and `expected`, shape (n,): the model's reward of the logged choice, and of the policy asked about there."""
    seen = overlap_of(log.weight, clusters, supported)
    mean = float(log.reward.mean()) if len(log.reward) else 0.0
    if why := refusal(seen):
        return Evaluated(seen, mean, why, None)
    best = tuning.tuned(log, q, expected)
    each = of(log, q, expected, best)
    return Evaluated(seen, mean, forms.estimates(each, clusters, rng, n_resamples=n_resamples), best)


def of(log: Log, q: Vector, expected: Vector, tuned: Tuned) -> dict[str, Form]:
    """Each estimator by name, as sums of ratios of sums."""
    w, rest, one = log.weight, log.reward - q, np.ones(len(q))
    model = Ratio(expected, one)
    return {
        "ips": (Ratio(w * log.reward, one),),
        "snips": (Ratio(w * log.reward, w),),
        "dm": (model,),
        "dr": (model, Ratio(w * rest, one)),
        "sndr": (model, Ratio(w * rest, w)),
        "switch_dr": (model, Ratio(cut(w, tuned.most) * rest, one)),
        "dros": (model, Ratio(shrunk(w, tuned.strength) * rest, one)),
    }
