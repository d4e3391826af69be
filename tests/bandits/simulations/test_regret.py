"""What the table costs against fresh draws, and what the prior is worth: in fewer batches than the whole of it."""

import numpy as np
import pytest

from tests.bandits.simulations import regret


@pytest.mark.slow
def test_a_table_loses_no_more_than_fresh_draws_and_a_flat_prior_a_third_more() -> None:
    """12 paired seeds of 8 batches; each difference within 4 of its standard errors of what is claimed."""
    found = regret.paired(12, 8)
    dearer = found["table"] - found["fresh"]
    assert dearer.mean() < 0.002 + 4 * dearer.std(ddof=1) / np.sqrt(12)
    saved = 0.75 * found["flat"] - found["table"]
    assert saved.mean() > -4 * saved.std(ddof=1) / np.sqrt(12)
    assert (found["flat"] > found["table"]).mean() > 0.9


def test_fresh_draws_and_a_table_show_items_alike() -> None:
    """Both serve Thompson sampling: the share of each item in each slot, within 4 standard errors of the rows."""
    a, b = np.linspace(1, 12, regret.ITEMS), np.full(regret.ITEMS, 200.0)
    one, other = regret.from_a_table(a, b, 3), regret.afresh(a, b, 3)
    for slot in range(regret.SLOTS):
        table, fresh = (np.bincount(slates[:, slot], minlength=regret.ITEMS) / regret.PAGES for slates in (one, other))
        error = np.sqrt(fresh * (1 - fresh) * (1 / 1024 + 2 / regret.PAGES))
        heavy = fresh * 1024 > 5
        assert heavy.sum() > 20
        assert (np.abs(table - fresh)[heavy] < 4 * error[heavy]).all()


def test_who_knows_the_rates_has_no_regret() -> None:
    rates = np.random.default_rng(5).beta(2, 98, regret.ITEMS)
    best = np.argsort(-rates)[: regret.SLOTS]
    assert regret.regret(lambda a, b, seed: np.tile(best, (regret.PAGES, 1)), (2.0, 98.0), 5, 2) == pytest.approx(0)
