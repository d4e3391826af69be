"""Good new items are found, poor ones given up, nobody is starved: at the price that the methods tell."""

import numpy as np
import pytest

from tests.bandits.simulations.cold_start import BAR, NEW, REQUESTS, SLOTS, figures, fitted, known, per_thousand, play

RIGHT = known(2, 98)


@pytest.mark.slow
def test_under_the_right_prior_the_figures_of_the_methods_are_reached() -> None:
    """250 batches, 5 seeds; the reference earned 26.2 per 1,000 with a precision of .947 and a recall of .888."""
    found = figures([play(RIGHT, np.random.default_rng(seed)) for seed in range(5)])
    assert found.per_thousand >= 26
    assert found.precision >= 0.94
    assert found.recall >= 0.88
    assert found.starved <= 0.05


@pytest.mark.slow
def test_a_campaign_that_fits_its_prior_to_its_own_items_under_the_floor_reaches_them_as_well() -> None:
    found = figures([play(fitted, np.random.default_rng(seed), floor=0.05) for seed in range(5)])
    assert found.per_thousand >= 26
    assert found.precision >= 0.94
    assert found.recall >= 0.88
    assert found.starved <= 0.05


def test_a_right_prior_earns_more_than_chance_and_a_flat_one_less() -> None:
    """Ten paired seeds of 40 batches; a difference is told by four standard errors of the ten."""
    runs = {
        name: np.array([per_thousand([play(prior, np.random.default_rng(seed), batches=40)]) for seed in range(10)])
        for name, prior in {"right": RIGHT, "fitted": fitted, "flat": known(1, 1), "uniform": None}.items()
    }
    for better, worse in (("right", "uniform"), ("fitted", "uniform"), ("uniform", "flat")):
        more = runs[better] - runs[worse]
        assert more.mean() > 4 * more.std(ddof=1) / 10**0.5, (better, worse)


def test_every_request_shows_two_items_and_decisions_are_final() -> None:
    run = play(RIGHT, np.random.default_rng(3), floor=0.05, batches=20)
    assert run.shown.sum() == 20 * REQUESTS * SLOTS
    assert not (run.graduated & run.retired).any()
    assert run.shown[run.graduated | run.retired].min() >= 100
    assert len(run.rate) == 20 * NEW and 0.05 < (run.rate > BAR).mean() < 0.4
