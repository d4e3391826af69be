"""How a campaign chooses among its items: one score per item and row of the draw table, the highest served first.

Every policy is a way to score; what follows (ranking, depth, filters, propensities by counting) is the same for all.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from bandits.policies.beliefs import Beliefs

Vector = NDArray[np.float64]
Kind = Literal["thompson", "top_two", "epsilon_greedy", "uniform", "greedy"]

CHALLENGE = 0.5  # share of rows led by a challenger under top-two sampling: what Russo (2020) advises without tuning
TRIES = 32  # joint draws in search of a challenger; who leads that surely is overtaken by the second of the last draw


@dataclass(frozen=True, slots=True)
class Policy:
    kind: Kind = "thompson"
    epsilon: float = 0.1  # share of rows at random; of epsilon_greedy only


UNIFORM = Policy("uniform")


def scores(policy: Policy, beliefs: Beliefs, pace: Vector | None, rng: Generator) -> Vector:
    """One score per item, shape (items,); -inf where an item is not to be served.

    `pace` is added to what is drawn or believed, in units of reward (docs/methods.md, Pacing). Where items are ordered
    at random all finite paces are alike: uniform exposure is for plain inference, which a pace would spoil.
    """
    return SCORES[policy.kind](policy, beliefs, np.zeros(len(beliefs.items)) if pace is None else pace, rng)


def _thompson(policy: Policy, beliefs: Beliefs, pace: Vector, rng: Generator) -> Vector:
    """Thompson (1933): each item as good as one draw from its posterior."""
    return beliefs.draw(rng) + pace


def _top_two(policy: Policy, beliefs: Beliefs, pace: Vector, rng: Generator) -> Vector:
    """Russo (2020), Operations Research 68: in half of the rows the best item of a draw yields to a challenger.

    The challenger leads the next joint draw that somebody else leads, and the row ranks as that draw does.
    """
    first = _thompson(policy, beliefs, pace, rng)
    if rng.random() >= CHALLENGE or np.isfinite(first).sum() < 2:
        return first
    leader = int(np.argmax(first))
    for _ in range(TRIES):
        again = _thompson(policy, beliefs, pace, rng)
        if int(np.argmax(again)) != leader:
            return again
    second = int(np.argsort(-again, kind="stable")[1])
    again[[leader, second]] = again[[second, leader]]
    return again


def _uniform(policy: Policy, beliefs: Beliefs, pace: Vector, rng: Generator) -> Vector:
    return np.where(np.isneginf(pace), -np.inf, rng.random(len(pace)))


def _greedy(policy: Policy, beliefs: Beliefs, pace: Vector, rng: Generator) -> Vector:
    """By the mean. Equals in random order: items never shown have one mean, and none of them must hide the others."""
    believed = beliefs.mean + pace
    order = np.lexsort((rng.random(len(pace)), believed))
    places = np.empty(len(pace))
    places[order] = np.arange(len(pace))
    return np.where(np.isneginf(pace), -np.inf, places)


def _epsilon_greedy(policy: Policy, beliefs: Beliefs, pace: Vector, rng: Generator) -> Vector:
    at_random = rng.random() < policy.epsilon
    return (_uniform if at_random else _greedy)(policy, beliefs, pace, rng)


SCORES: Mapping[str, Callable[[Policy, Beliefs, Vector, Generator], Vector]] = {
    "thompson": _thompson,
    "top_two": _top_two,
    "epsilon_greedy": _epsilon_greedy,
    "uniform": _uniform,
    "greedy": _greedy,
}
