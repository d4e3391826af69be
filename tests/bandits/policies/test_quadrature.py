"""Exact propensities of Thompson sampling: closed forms, symmetries, and the shop's own posteriors."""

import json
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.special import betaincc, betaln, expit

from bandits.policies.quadrature import Vector, slot_propensities

SHOP: dict[str, Any] = json.loads((Path(__file__).parents[1] / "open_bandit.json").read_text())


def beats(a1: int, b1: int, a2: int, b2: int) -> float:
    """P(Beta(a1, b1) > Beta(a2, b2)) for whole a1: Evan Miller's sum."""
    i = np.arange(a1)
    return float(np.exp(betaln(a2 + i, b1 + b2) - np.log(b1 + i) - betaln(1 + i, b1) - betaln(a2, b2)).sum())


@pytest.mark.parametrize(("one", "other"), [((3, 40), (5, 90)), ((1, 99), (1, 99)), ((400, 9_000), (2, 98))])
def test_two_items_come_first_as_the_closed_form_says(one: tuple[int, int], other: tuple[int, int]) -> None:
    a, b = np.array([one, other], float).T
    found = slot_propensities(a, b, 2)
    first = beats(*one, *other)
    assert found[0] == pytest.approx([first, 1 - first], abs=1e-7)
    assert found[1] == pytest.approx([1 - first, first], abs=1e-7)


def test_equal_items_have_equal_chances_in_every_slot() -> None:
    found = slot_propensities(np.full(7, 2.0), np.full(7, 50.0), 7)
    assert found == pytest.approx(np.full((7, 7), 1 / 7), abs=1e-7)


@pytest.mark.parametrize("campaign", ["all", "men", "women"])
def test_every_slot_sums_to_one_and_so_does_every_item_over_all_ranks(campaign: str) -> None:
    a, b = (np.array(SHOP[campaign][name]) for name in "ab")
    assert slot_propensities(a, b, 3).sum(axis=0) == pytest.approx(np.ones(3), abs=1e-7)
    few = slot_propensities(a[:9], b[:9], 9)
    assert few.sum(axis=1) == pytest.approx(np.ones(9), abs=1e-7)


@pytest.mark.parametrize(("campaign", "ratio"), [("all", 1.368), ("men", 1.330), ("women", 1.367)])
def test_thompson_sampling_beats_uniform_as_published_for_the_shops_posteriors(campaign: str, ratio: float) -> None:
    a, b = (np.array(SHOP[campaign][name]) for name in "ab")
    rate = a / (a + b)
    assert (slot_propensities(a, b, 3).mean(axis=1) @ rate) / rate.mean() == pytest.approx(ratio, abs=0.0006)


def test_an_item_that_surely_leads_leaves_the_others_their_ranks() -> None:
    """Where one item always exceeds the rest, dividing it out of the whole would lose all digits."""
    a, b = np.array([9e5, 2.0, 2.0]), np.array([1e5, 98.0, 98.0])
    found = slot_propensities(a, b, 3)
    assert found[0] == pytest.approx([1, 0, 0], abs=1e-7)
    assert found[1:, 1:] == pytest.approx(np.full((2, 2), 0.5), abs=1e-7)


def enumerated(a: Vector, b: Vector) -> Vector:
    """By every set of items that may exceed, on 100,000 points of the logit axis with the trapezoid rule."""
    t = np.linspace(-30, 12, 100_001)
    above = np.array([betaincc(a[i], b[i], expit(t)) for i in range(len(a))])
    logs = -np.logaddexp(0, -t), -np.logaddexp(0, t)
    answer = np.zeros((len(a), len(a)))
    for i in range(len(a)):
        density = np.exp(a[i] * logs[0] + b[i] * logs[1] - betaln(a[i], b[i]))
        others = [j for j in range(len(a)) if j != i]
        for n in range(len(a)):
            for chosen in combinations(others, n):
                chance = np.prod([above[j] if j in chosen else 1 - above[j] for j in others], axis=0)
                answer[i, n] += np.trapezoid(density * chance, t)
    return answer


def test_posteriors_of_very_different_widths_are_ranked_as_enumeration_says() -> None:
    """A sharp one among flat ones: a grid laid by the flat ones would step over it."""
    a, b = np.array([1.0, 0.6, 20_000.0, 3.0, 900.0]), np.array([30.0, 9.0, 500_000.0, 70.0, 21_000.0])
    assert slot_propensities(a, b, 5) == pytest.approx(enumerated(a, b), abs=1e-7)


@pytest.mark.parametrize(
    ("strength", "n"),
    [(1.0, 300), (0.05, 300), (100.0, 3_000), (3_000_000.0, 300)],
    ids=["flat", "weak", "shop", "sharp"],
)
def test_every_rank_is_held_by_somebody_whatever_is_believed(strength: float, n: int) -> None:
    """As the densities are halved until they are smooth, it holds to more digits than are promised."""
    rng = np.random.default_rng(3)
    rate, weight = rng.beta(2, 98, n), strength * rng.exponential(1, n) + strength / 10
    found = slot_propensities(rate * weight, (1 - rate) * weight, 10)
    assert found.sum(axis=0) == pytest.approx(np.ones(10), abs=1e-8)
    assert (found >= 0).all()


def test_a_single_item_is_first_and_more_ranks_than_items_are_not_asked() -> None:
    assert slot_propensities(np.array([2.0]), np.array([98.0]), 3) == pytest.approx(np.ones((1, 1)))
