"""What Thompson sampling loses on the way to knowing: from a table, with fresh draws, and under a flat prior.

200 items with click rates from Beta(2, 98); five slots, of which a visitor looks at each less often than at the one
before; 4,000 pages between one posterior and the next. The regret is the share of the clicks of the best slate that is
not earned, in expected clicks, so that chance in the clicks themselves adds nothing to it.

`python -m tests.bandits.simulations.regret` plays all 24 seeds of 50 batches.
"""

import sys
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from bandits.policies import draws
from bandits.policies.beliefs import Beta
from bandits.policies.policy import Policy

Vector = NDArray[np.float64]
Slates = NDArray[np.integer]  # (pages, slots)

ITEMS, SLOTS, PAGES = 200, 5, 4_000
LOOKS = 0.8 ** np.arange(SLOTS)  # share of visitors who look at each slot: the kappa of a position-based user
NAMES = tuple(f"sku-{i}" for i in range(ITEMS))
RIGHT, FLAT = (2.0, 98.0), (1.0, 1.0)

Serve = Callable[[Vector, Vector, int], Slates]  # from a, b and a seed to the slates of a batch


def from_a_table(a: Vector, b: Vector, seed: int) -> Slates:
    """As it is served: each page takes one of 1,024 rows."""
    rows = draws.table(Policy(), Beta(NAMES, a, b), None, draws.generators(seed), SLOTS)
    return rows[np.random.default_rng((seed, 1)).integers(0, len(rows), PAGES)]


def afresh(a: Vector, b: Vector, seed: int) -> Slates:
    """Every page draws for itself."""
    drawn = np.random.default_rng((seed, 2)).beta(a, b, (PAGES, ITEMS))
    best = np.argpartition(-drawn, SLOTS, axis=1)[:, :SLOTS]
    order = np.argsort(-np.take_along_axis(drawn, best, axis=1), axis=1)
    return np.take_along_axis(best, order, axis=1)


def regret(serve: Serve, prior: tuple[float, float], seed: int, batches: int) -> float:
    """Relative, over all batches; of the same shop for the same seed."""
    rates = np.random.default_rng(seed).beta(2, 98, ITEMS)
    most = PAGES * float(np.sort(rates)[::-1][:SLOTS] @ LOOKS)
    clicks, looked, earned = np.zeros(ITEMS), np.zeros(ITEMS), 0.0
    for batch in range(batches):
        slates = serve(prior[0] + clicks, prior[1] + np.maximum(looked - clicks, 0), 1_000 * seed + batch)
        shown = np.stack([np.bincount(slates[:, slot], minlength=ITEMS) for slot in range(SLOTS)], axis=1)
        clicks += np.random.default_rng((seed, batch)).binomial(shown, rates[:, None] * LOOKS).sum(axis=1)
        looked += shown @ LOOKS
        earned += float(rates @ (shown @ LOOKS))
    return 1 - earned / (most * batches)


def paired(seeds: int, batches: int) -> dict[str, Vector]:
    """The regret of each way, one number per seed."""
    ways: dict[str, tuple[Serve, tuple[float, float]]] = {
        "table": (from_a_table, RIGHT),
        "fresh": (afresh, RIGHT),
        "flat": (from_a_table, FLAT),
    }
    return {
        name: np.array([regret(serve, prior, seed, batches) for seed in range(seeds)])
        for name, (serve, prior) in ways.items()
    }


if __name__ == "__main__":
    for name, found in paired(24, int(sys.argv[1]) if len(sys.argv) > 1 else 50).items():
        print(f"{name}: {found.mean():.4f} +- {found.std(ddof=1) / np.sqrt(len(found)):.4f}")
