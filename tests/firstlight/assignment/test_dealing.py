"""Units are dealt as by chance, whatever their ids have in common; and the instrument finds a hash that does not."""

import numpy as np
import pytest

from bench import dealing
from firstlight.assignment.hashing import BUCKETS, fnv1a

LEAST = 1e-5  # of 25 independent p-values: one run in 4,000 is a false alarm, were seeds not fixed
SEEDS = [f"experiment-{i}" for i in range(150)]


@pytest.mark.parametrize("family", dealing.FAMILIES)
def test_arms_layers_and_neighbours_are_as_by_chance(family: str) -> None:
    found = dealing.uniformity(dealing.ids(family, 40_000), SEEDS)
    assert min(found.values()) > LEAST, found


def test_a_hash_taken_once_would_be_found_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """FNV-1a by itself leaves ids that differ in the last digit alike: the second hash is there for them."""

    def once(seed: str, units: np.ndarray) -> np.ndarray:
        return np.array([fnv1a(seed + unit) % BUCKETS for unit in units.tolist()], np.int32)

    monkeypatch.setattr(dealing, "buckets", once)
    assert min(dealing.uniformity(dealing.ids("ten digits", 10_000), SEEDS[:30]).values()) < LEAST
