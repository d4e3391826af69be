"""How much is looked at in which slot is found again, whatever the policy put there."""

import numpy as np
import pytest
from numpy.random import Generator
from numpy.testing import assert_allclose, assert_array_equal

from bandits.policies import positions
from bandits.policies.positions import Examined
from firstlight.kernel.withheld import Reason, Withheld

KAPPAS = np.array([1.0, 0.7, 0.45, 0.25, 0.1])
RATES = np.linspace(0.02, 0.2, 8)
Cells = dict[str, np.ndarray]


def policy(rng: Generator) -> np.ndarray:
    """P(item in slot), shape (8, 5), with the better items rather in front: mixed from 60 rankings and chance."""
    rows = [np.argsort(-(RATES + rng.normal(0, 0.06, 8)))[:5] for _ in range(60)]
    shares = np.zeros((8, 5))
    for row in rows:
        shares[row, np.arange(5)] += 1 / 60
    return 0.8 * shares + 0.2 / 8


def shop(rng: Generator, hours: int = 24, requests: int = 10_000) -> Cells:
    """Cells of position-based clicks; another policy every hour."""
    columns: dict[str, list[float]] = {
        name: [] for name in ("position", "trials", "clicks", "inverse", "inverse_clicks")
    }
    for _ in range(hours):
        p = policy(rng)
        for slot in range(5):
            for item, n in enumerate(rng.multinomial(requests, p[:, slot])):
                clicks = rng.binomial(n, KAPPAS[slot] * RATES[item])
                row = (slot + 1, n, clicks, n / p[item, slot], clicks / p[item, slot])
                for name, value in zip(columns, row, strict=True):
                    columns[name].append(value)
    return {name: np.array(column) for name, column in columns.items()}


def found(cells: Cells) -> dict[int, Examined]:
    answer = positions.kappas(**cells)
    assert isinstance(answer, dict)
    return answer


def test_attention_is_found_again_within_its_standard_errors() -> None:
    """Clicks per impression alone would mix up slots with the items put there: they miss by many standard errors."""
    cells = shop(np.random.default_rng(1))
    told = found(cells)
    assert told[1].value == 1 and told[1].se == 0
    for slot, kappa in enumerate(KAPPAS[1:], 2):
        assert abs(told[slot].value - kappa) < 4 * told[slot].se
        assert told[slot].se < 0.03
    trials, clicks = (np.bincount(cells["position"].astype(int), cells[name]) for name in ("trials", "clicks"))
    naive = clicks[1:] / trials[1:] / (clicks[1] / trials[1])
    assert abs(naive[3] - KAPPAS[3]) > 4 * told[4].se


def test_standard_errors_are_the_spread_of_many_repetitions() -> None:
    """200 repetitions: the standard deviation has a standard error of a twentieth."""
    runs = [found(shop(np.random.default_rng(seed), hours=2)) for seed in range(200)]
    for slot in (2, 3, 5):
        values = np.array([run[slot].value for run in runs])
        told = np.mean([run[slot].se for run in runs])
        assert values.std() == pytest.approx(told, rel=4 / (2 * 200) ** 0.5)
        assert abs(values.mean() - KAPPAS[slot - 1]) < 4 * values.std() / 200**0.5 + 0.01 * KAPPAS[slot - 1]


def test_slots_with_little_data_have_no_line_and_without_the_first_there_is_nothing_to_compare_to() -> None:
    cells = shop(np.random.default_rng(2), hours=1)
    few = {name: column.copy() for name, column in cells.items()}
    last = few["position"] == 5
    few["clicks"][last] = few["inverse_clicks"][last] = 0.0
    assert sorted(found(few)) == [1, 2, 3, 4]
    first = few["position"] == 1
    few["clicks"][first] = few["inverse_clicks"][first] = 0.0
    assert positions.kappas(**few) == Withheld(Reason.NO_DATA)
    assert positions.kappas([], [], [], [], []) == Withheld(Reason.NO_DATA)
    assert positions.kappas([0, 1], [9, 9], [9, 9], [99, 0], [99, 0]) == Withheld(Reason.NO_DATA)


def test_a_slot_whose_weight_is_that_of_a_few_impressions_is_withheld() -> None:
    """1,000 impressions, but one of propensity 1e-6 is nearly all of the weight."""
    assert positions.kappas([1, 1], [1000, 1], [40, 1], [2000, 1e6], [80, 1e6]) == Withheld(Reason.LOW_ESS)


def test_an_impression_counts_as_much_as_its_slot_is_looked_at() -> None:
    told = {2: Examined(1.0, 0.0, 10), 3: Examined(0.6, 0.1, 10), 7: Examined(0.2, 0.1, 10)}
    weights = positions.weights(told, [0, 1, 2, 3, 4, 6, 7, 50])
    assert_allclose(weights, [1, 1, 1, 0.6, 0.6, 0.6, 0.2, 0.2])
    assert_array_equal(positions.weights(Withheld(Reason.NO_DATA), [0, 1, 9]), np.ones(3))
