"""What another policy would have earned per page, from whole logged slates (k slots chosen together).

With P(a_1 … a_j) the chance that a policy fills the first j slots so, and p(a_j) that it puts a_j into slot j:

    full slate    w   = P_e(a_1 … a_k) / P_b(a_1 … a_k), for the reward of the page   assumes nothing of the user
    cascade RIPS  w_j = P_e(a_1 … a_j) / P_b(a_1 … a_j), for the reward of slot j     who looks from the top down
    independent   w_j = p_e(a_j) / p_b(a_j),             for the reward of slot j     slots that do not touch each other

The fewer slots a weight covers, the less it varies and the more it assumes. The self-normalised forms divide each
slot by the mean of its own weights.

Sources: Swaminathan et al. (2017), NeurIPS 30; Li et al. (2018), KDD, by item and position; McInerney et al. (2020),
KDD, for RIPS.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from bandits.policies import forms
from bandits.policies.evaluation import Overlap, overlap_of, refusal
from bandits.policies.forms import Form, Ratio
from firstlight.kernel.withheld import Reason, Withheld
from firstlight.stats.estimates import Estimate

Vector = NDArray[np.float64]
Kind = Literal["independent", "cascade", "full"]
KINDS: tuple[Kind, ...] = ("independent", "cascade", "full")


@dataclass(frozen=True, slots=True, eq=False)
class Chances:
    """Of n slates of k slots under one policy."""

    slots: Vector  # (n, k): that the policy puts this item into this slot
    prefixes: Vector  # (n, k): that it fills the slots up to this one so


@dataclass(frozen=True, slots=True, eq=False)
class Pages:
    """n logged slates of k slots; both policies' chances of them."""

    reward: Vector  # (n, k)
    logged: Chances
    target: Chances

    def weight(self, kind: Kind) -> Vector:
        """Shape (n, k): of the reward of each slot."""
        if kind == "independent":
            return self.target.slots / self.logged.slots
        cascade = self.target.prefixes / self.logged.prefixes
        if kind == "cascade":
            return cascade
        return np.repeat(cascade[:, -1:], cascade.shape[1], axis=1)


@dataclass(frozen=True, slots=True)
class Slated:
    """Reward per page by one kind of weights; the overlap is that of the slot where it is least."""

    overlap: Overlap
    ips: Estimate | Withheld
    snips: Estimate | Withheld


def ips(pages: Pages, kind: Kind) -> Form:
    return (Ratio((pages.weight(kind) * pages.reward).sum(axis=1), np.ones(len(pages.reward))),)


def snips(pages: Pages, kind: Kind) -> Form:
    w = pages.weight(kind)
    return tuple(Ratio(w[:, slot] * pages.reward[:, slot], w[:, slot]) for slot in range(w.shape[1]))


def evaluated(
    pages: Pages, clusters: NDArray[Any], rng: Generator, *, supported: float = 1.0
) -> Mapping[Kind, Slated | Withheld]:
    """Each kind with intervals by clusters, or withheld where its weights tell too little."""
    if not pages.reward.size:
        return {kind: Withheld(Reason.NO_DATA) for kind in KINDS}
    return {kind: _evaluated(pages, kind, clusters, rng, supported) for kind in KINDS}


def _evaluated(pages: Pages, kind: Kind, clusters: NDArray[Any], rng: Generator, supported: float) -> Slated:
    w = pages.weight(kind)
    seen = min((overlap_of(w[:, slot], clusters, supported) for slot in range(w.shape[1])), key=lambda one: one.ess)
    if why := refusal(seen):
        return Slated(seen, why, why)
    found = forms.estimates({"ips": ips(pages, kind), "snips": snips(pages, kind)}, clusters, rng)
    return Slated(seen, found["ips"], found["snips"])
