"""The draw table: rankings of joint draws, any of which can be made again alone."""

import json
from pathlib import Path

import numpy as np
import pytest

from bandits.policies import draws
from bandits.policies.quadrature import slot_propensities

SHOP = json.loads(Path(__file__).with_name("open_bandit.json").read_text())


def test_a_row_is_the_ranking_of_one_joint_draw() -> None:
    a, b = np.linspace(1, 9, 30), np.linspace(99, 20, 30)
    rows = draws.table(a, b, draws.generators(5, 16), 30)
    for s, row in enumerate(rows):
        drawn = np.random.default_rng((5, s)).beta(a, b)
        assert (np.diff(drawn[row]) <= 0).all()
        assert sorted(row) == list(range(30))


def test_a_shorter_table_is_the_beginning_of_a_longer_one_and_the_seed_is_all() -> None:
    a, b = np.full(200, 2.0), np.full(200, 98.0)
    whole = draws.table(a, b, draws.generators(5, 64), 200)
    assert (draws.table(a, b, draws.generators(5, 64), 7) == whole[:, :7]).all()
    assert (draws.ranking(a, b, draws.generator(5, 63)) == whole[63]).all()
    assert (draws.table(a, b, draws.generators(6, 64), 200) != whole).any()


@pytest.mark.parametrize("campaign", ["all", "men", "women"])
def test_a_table_shows_items_as_often_as_thompson_sampling_does(campaign: str) -> None:
    """Within 4 standard errors of S rows, of the exact propensities by quadrature, in every cell that has mass."""
    a, b = (np.array(SHOP[campaign][name]) for name in "ab")
    n_rows = 4096
    rows = draws.table(a, b, draws.generators(11, n_rows), 3)
    exact = slot_propensities(a, b, 3)
    counted = np.stack([np.bincount(rows[:, slot], minlength=len(a)) for slot in range(3)], axis=1) / n_rows
    error = np.sqrt(exact * (1 - exact) / n_rows)
    heavy = exact * n_rows >= 5
    # Some 150 cells: four standard errors are passed by chance once in 100 such tests; the seed is fixed.
    assert heavy.sum() > 30
    assert (np.abs(counted - exact)[heavy] < 4 * error[heavy]).all()


def test_depth_follows_slots_and_the_share_that_filters_leave() -> None:
    assert draws.depth_for(10, 0.05, 10_000) == 800
    assert draws.depth_for(3, 1.0, 10_000) == 12
    assert draws.depth_for(3, 0.001, 40) == 40
    assert draws.typical_share(["a"] * 9 + ["b"]) == 0.9
    assert draws.typical_share([]) == 1.0
