"""How much is looked at in which slot is found again, whatever the policy put there."""

import numpy as np
import pytest
from numpy.random import Generator
from numpy.testing import assert_allclose, assert_array_equal

from bandits.policies import positions
from bandits.policies.positions import Cells, Examined
from firstlight.kernel.withheld import Reason, Withheld

KAPPAS = np.array([1.0, 0.7, 0.45, 0.25, 0.1])
RATES = np.linspace(0.02, 0.2, 8)
Columns = dict[str, np.ndarray]


def policy(rng: Generator) -> np.ndarray:
    """P(item in slot), shape (8, 5), with the better items rather in front: mixed from 60 rankings and chance."""
    rows = [np.argsort(-(RATES + rng.normal(0, 0.06, 8)))[:5] for _ in range(60)]
    shares = np.zeros((8, 5))
    for row in rows:
        shares[row, np.arange(5)] += 1 / 60
    return 0.8 * shares + 0.2 / 8


def shop(rng: Generator, hours: int = 24, requests: int = 10_000) -> Columns:
    """Cells of position-based clicks; another policy every hour."""
    columns: dict[str, list[float]] = {
        name: [] for name in ("stratum", "position", "trials", "clicks", "inverse", "inverse_clicks")
    }
    for hour in range(hours):
        p = policy(rng)
        for slot in range(5):
            for item, n in enumerate(rng.multinomial(requests, p[:, slot])):
                clicks = rng.binomial(n, KAPPAS[slot] * RATES[item])
                row = (8 * hour + item, slot + 1, n, clicks, n / p[item, slot], clicks / p[item, slot])
                for name, value in zip(columns, row, strict=True):
                    columns[name].append(value)
    return {name: np.array(column) for name, column in columns.items()}


def found(cells: Columns) -> dict[int, Examined]:
    answer = positions.kappas(Cells(**cells))
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
    assert positions.kappas(Cells(**few)) == Withheld(Reason.NO_DATA)
    assert positions.kappas(Cells([], [], [], [], [], [])) == Withheld(Reason.NO_DATA)
    assert positions.kappas(Cells([0, 0], [0, 1], [9, 9], [9, 9], [99, 0], [99, 0])) == Withheld(Reason.NO_DATA)


def test_slots_that_showed_nothing_in_common_tell_nothing_of_each_other() -> None:
    told = positions.kappas(Cells([0, 1], [1, 2], [1000, 1000], [40, 40], [2000, 2000], [80, 80]))
    assert told == {1: Examined(1.0, 0.0, 1000.0)}


def test_the_few_impressions_of_the_floor_do_not_decide() -> None:
    """A table that shows one item nine times in ten: all items alike would be told by a tenth of the impressions."""
    rng, p = np.random.default_rng(5), np.full(60, 0.1 / 59)
    p[0] = 0.9
    runs = []
    for _ in range(50):
        n = rng.multinomial(20_000, p, size=2)
        clicks = rng.binomial(n, np.outer([1.0, 0.6], np.linspace(0.17, 0.01, 60)))
        slots, strata = np.repeat([1, 2], 60), np.tile(np.arange(60), 2)
        flat = (n.ravel(), clicks.ravel(), (n / p).ravel(), (clicks / p).ravel())
        runs.append(positions.kappas(Cells(strata, slots, *flat)))
    told = np.array([run[2].value for run in runs if isinstance(run, dict)])
    seen = 18_000 * 0.17  # clicks of the one item in the first slot, if it alone told: the relative error of kappa
    alone = float(np.sqrt((1 - 0.17) / seen + (1 - 0.6 * 0.17) / (0.6 * seen)))
    assert len(told) == 50 and abs(told.mean() - 0.6) < 4 * 0.6 * alone / 50**0.5
    assert told.std() < (1 + 4 / (2 * 50) ** 0.5) * 0.6 * alone


def test_filters_that_go_with_clicks_do_not_bend_it() -> None:
    """Half of the requests ask for one category, put the item in front more often, and click twice as much."""
    rng = np.random.default_rng(6)
    n, chance = 200_000, np.array([[0.6, 0.2], [0.1, 0.5]])  # P(item in slot), of each kind of request
    kind = rng.integers(0, 2, n)
    shown = [rng.random(n) < chance[kind, slot] for slot in range(2)]
    clicked = [rng.random(n) < kappa * np.array([0.2, 0.1])[kind] for kappa in (1.0, 0.6)]
    rows = []
    for slot in range(2):
        here, w = shown[slot], 1 / chance[kind, slot]
        hit = here & clicked[slot]
        rows.append((0, slot + 1, here.sum(), hit.sum(), w[here].sum(), w[hit].sum()))
    told = positions.kappas(Cells(*map(np.array, zip(*rows, strict=True))))
    assert isinstance(told, dict) and told[2].value == pytest.approx(0.6, rel=4 * 0.025)
    assert abs(rows[1][3] / rows[1][2] / (rows[0][3] / rows[0][2]) - 0.6) > 0.1  # clicks per impression


def test_an_impression_counts_as_much_as_its_slot_is_looked_at() -> None:
    told = {2: Examined(1.0, 0.0, 10), 3: Examined(0.6, 0.1, 10), 7: Examined(0.2, 0.1, 10)}
    weights = positions.weights(told, [0, 1, 2, 3, 4, 6, 7, 50])
    assert_allclose(weights, [1, 1, 1, 0.6, 0.6, 0.6, 0.2, 0.2])
    assert_array_equal(positions.weights(Withheld(Reason.NO_DATA), [0, 1, 9]), np.ones(3))
