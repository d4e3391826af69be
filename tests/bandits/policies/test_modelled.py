"""The reward model: what it has seen, and what it has not."""

import numpy as np
import pytest

from bandits.policies import modelled
from bandits.policies.modelled import Chosen

SHAPE = (2, 3)


def chosen(rng: np.random.Generator, n: int) -> Chosen:
    return Chosen(rng.random(n), rng.integers(0, 2, n), rng.integers(0, 3, n))


def without(full: Chosen, keep: np.ndarray) -> np.ndarray:
    """`rates` of some of the choices, summed one by one."""
    n, sums = np.zeros(SHAPE), np.zeros(SHAPE)
    for reward, slot, item in zip(full.reward[keep], full.slot[keep], full.item[keep], strict=True):
        n[slot, item] += 1
        sums[slot, item] += reward
    return modelled.rates(n, sums)


def test_a_unit_is_in_one_fold() -> None:
    units = np.array(["u", "v", "u", "w", "v", "x", "y", "z"])
    fold = modelled.folds(units)
    assert fold[0] == fold[2] and fold[1] == fold[4]
    assert set(fold) == set(range(modelled.N_FOLDS))


def test_the_model_of_a_fold_has_not_seen_it() -> None:
    rng = np.random.default_rng(1)
    full, units = chosen(rng, 200), rng.integers(0, 40, 200)
    model = modelled.crossed(full, units, SHAPE)
    for fold in range(modelled.N_FOLDS):
        assert model.rates[fold] == pytest.approx(without(full, model.group != fold))


def test_the_model_of_a_block_knows_only_the_past() -> None:
    rng = np.random.default_rng(2)
    full, versions = chosen(rng, 300), rng.integers(100, 160, 300)
    model = modelled.past(full, versions, SHAPE)
    assert model.group.max() < modelled.MOST_BLOCKS
    assert (np.diff(model.group[np.argsort(versions)]) >= 0).all()
    assert (model.rates[0] == 0).all()
    for block in range(1, int(model.group.max()) + 1):
        assert model.rates[block] == pytest.approx(without(full, model.group < block))


def test_a_cell_without_choices_is_the_item_times_the_slot() -> None:
    """Item 1 earns half of what others do, slot 1 half of what slot 0 gives; they never met."""
    n = np.array([[1e6, 1e6, 1e6], [1e6, 0.0, 1e6]])
    sums = n * np.array([[0.4, 0.2, 0.4], [0.2, 0.0, 0.2]])
    found = modelled.rates(n, sums)
    # The slot that item 1 is missing from looks better by that: .2 against the .25 of what it would be, to first order.
    assert 0.09 < found[1, 1] < 0.13
    assert found[0] == pytest.approx([0.4, 0.2, 0.4], abs=1e-4)


def test_without_choices_or_rewards_it_says_nothing_and_does_not_fail() -> None:
    assert (modelled.rates(np.zeros(SHAPE), np.zeros(SHAPE)) == 0).all()
    nobody = Chosen(np.empty(0), np.empty(0, np.intp), np.empty(0, np.intp))
    assert modelled.crossed(nobody, np.empty(0), SHAPE).of(nobody).shape == (0,)
