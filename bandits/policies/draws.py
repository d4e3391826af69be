"""The draw table: S rows of scores, each as a ranking of the items (under Thompson sampling one joint draw each).

Serving Thompson sampling from 1,024 stored rankings costs no measurable regret against fresh draws, and makes every
propensity a count (docs/methods.md). Row s has a generator of its own, so any row can be drawn again, alone and to its
full length, by whoever knows the seed.
"""

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from bandits.policies.beliefs import Beliefs
from bandits.policies.policy import Policy, scores

Vector = NDArray[np.float64]
Rows = NDArray[np.uint32]  # (S, depth) indices of items, best first

N_ROWS = 1024
DEEPER = 4  # places a row keeps for each place that it must fill under a filter
RAREST = 0.05  # share of the pool under which no depth is planned for: those requests draw the row again


def generators(seed: int, n_rows: int = N_ROWS) -> list[Generator]:
    """One per row."""
    return [generator(seed, row) for row in range(n_rows)]


def generator(seed: int, row: int) -> Generator:
    return np.random.default_rng((seed, row))


def ranking(
    policy: Policy, beliefs: Beliefs, pace: Vector | None, rng: Generator, depth: int | None = None
) -> NDArray[np.intp]:
    """Indices of the best `depth` items (all by default) by one row of scores, best first; of equals the first.

    An item whose pace is -inf is in no row: it is not served while this table is.
    """
    return best(scores(policy, beliefs, pace, rng), depth)


def best(score: Vector, depth: int | None = None) -> NDArray[np.intp]:
    """Indices of the `depth` highest scores, highest first; of equals the first. None that is -inf."""
    n_open = n_served(score)
    depth = n_open if depth is None else min(depth, n_open)
    if 2 * depth > len(score):  # where most are kept, parting them first takes longer than it saves
        return np.argsort(-score, kind="stable")[:depth]
    chosen = np.sort(np.argpartition(-score, max(depth - 1, 0))[:depth])  # sorted: equals rank by index here too
    return chosen[np.argsort(-score[chosen], kind="stable")]


def table(policy: Policy, beliefs: Beliefs, pace: Vector | None, rngs: Sequence[Generator], depth: int) -> Rows:
    """One ranking per generator, shape (len(rngs), min(depth, items that are served)).

    One row is in memory at a time per thread: 160 kB at 10,000 items. NumPy lets go of the interpreter while it
    draws and sorts, so the rows share the processor's cores.
    """
    n_open = len(beliefs.items) if pace is None else n_served(pace)
    rows = np.empty((len(rngs), min(depth, n_open)), np.uint32)
    n_threads = os.cpu_count() or 1

    def fill(first: int) -> None:
        for row in range(first, len(rngs), n_threads):
            rows[row] = ranking(policy, beliefs, pace, rngs[row], depth)

    with ThreadPoolExecutor(n_threads) as threads:
        for _ in threads.map(fill, range(n_threads)):
            pass
    return rows


def n_served(pace: Vector) -> int:
    """How many items are not at -inf: as many as a whole row ranks."""
    return len(pace) - int(np.isneginf(pace).sum())


def depth_for(n_slots: int, eligible_share: float, n_items: int) -> int:
    """Places to keep per row so that a filter passing this share of the pool rarely exhausts it.

    >>> depth_for(10, 0.05, 10_000)  # 200 places leave 26.6 % of such rows short, 500 none
    800
    """
    return min(n_items, int(np.ceil(DEEPER * n_slots / max(eligible_share, RAREST))))


def typical_share(groups: Sequence[str]) -> float:
    """Share of the pool that the group (category) of the middle item has; 1 for an empty pool."""
    if not groups:
        return 1.0
    _, inverse, counts = np.unique(np.asarray(groups), return_inverse=True, return_counts=True)
    return float(np.median(counts[inverse])) / len(groups)
