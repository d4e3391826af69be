"""An impression whose reward may still come is part of a trial: neither a failure nor nothing."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.random import Generator
from numpy.testing import assert_allclose, assert_array_equal
from scipy import stats

from bandits.policies import delays
from bandits.policies.beliefs import Beta
from bandits.policies.delays import Delays, Vector
from firstlight.kernel.withheld import Reason, Withheld

HOURLY = st.dictionaries(st.integers(0, 71), st.integers(1, 500), min_size=1)


def fitted(hours: list[float], counts: list[float], window: float) -> Delays:
    found = delays.fitted(hours, counts, window)
    assert isinstance(found, Delays)
    return found


@given(HOURLY, st.floats(1, 72))
def test_what_has_come_by_a_full_hour_is_what_was_counted(rewards: dict[int, int], window: float) -> None:
    within = {hour: n for hour, n in rewards.items() if hour < window}
    found = delays.fitted(list(rewards), list(rewards.values()), window)
    if sum(within.values()) < delays.LEAST:
        assert found == Withheld(Reason.NO_DATA)
        return
    assert isinstance(found, Delays)
    for age in range(int(window)):
        by_then = sum(n for hour, n in within.items() if hour < age) / sum(within.values())
        assert found.arrived(age) == pytest.approx(by_then)
    assert_array_equal(found.arrived([-1, window, window + 5]), [0, 1, 1])


@given(HOURLY)
def test_the_older_the_more_has_come(rewards: dict[int, int]) -> None:
    found = fitted([*rewards, 0], [*rewards.values(), 30], 72)
    share = found.arrived(np.linspace(-2, 80, 333))
    assert np.all(np.diff(share) >= 0) and np.all((share >= 0) & (share <= 1))


def test_within_an_hour_rewards_come_evenly_and_none_where_none_came() -> None:
    found = fitted([0, 5, 30], [20, 20, 7], 24)
    assert_allclose(found.arrived([0.5, 1, 3, 5, 5.5, 6]), [0.25, 0.5, 0.5, 0.5, 0.75, 1])
    assert found.n == 40


def test_the_distribution_of_delays_is_found_again() -> None:
    """100,000 exponential delays of two days within a week: four standard errors of a share."""
    n, window = 100_000, 168
    law = stats.truncexpon(window / 48, scale=48)
    hours, counts = np.unique(np.floor(law.rvs(n, random_state=np.random.default_rng(3))), return_counts=True)
    found = fitted(hours.tolist(), counts.tolist(), window)
    ages = np.arange(0, window, 7.5)
    assert_allclose(found.arrived(ages), law.cdf(ages), atol=4 * 0.5 / n**0.5)


def young(rng: Generator) -> tuple[Vector, Vector, Vector]:
    """Hours, counts and ages of the rewards of five days, seen when the last day ends; delays of two days."""
    rows = []
    for age in (0, 24, 48, 72, 96):  # of the youngest impression of the day
        delay = rng.exponential(48, 400)
        visible = delay[delay < age + rng.uniform(0, 24, 400)]
        hours, counts = np.unique(np.floor(visible), return_counts=True)
        rows += [(hour, count, age) for hour, count in zip(hours, counts, strict=True)]
    hours, counts, ages = np.array(rows, float).T
    return hours, counts, ages


def test_before_anything_has_matured_young_impressions_tell_of_the_hours_that_they_had_time_for() -> None:
    """300 repetitions: the mean is within four standard errors of the law up to four days; the plain share is not."""
    law, at = stats.truncexpon(2, scale=48), np.array([6.0, 12.0, 24.0, 48.0, 72.0])
    runs, plain = np.empty((300, 5)), np.empty((300, 5))
    for run in range(300):
        hours, counts, ages = young(np.random.default_rng(run))
        found = delays.fitted(hours, counts, 336, ages)
        assert isinstance(found, Delays)
        runs[run], plain[run] = found.arrived(at), fitted(hours.tolist(), counts.tolist(), 336).arrived(at)
    error = runs.std(axis=0) / 300**0.5
    assert np.all(np.abs(runs.mean(axis=0) - law.cdf(at)) < 4 * error)
    assert np.all(plain.mean(axis=0) - law.cdf(at) > 20 * error)


def test_an_hour_that_few_had_time_for_is_taken_not_to_come_yet() -> None:
    found = delays.fitted([0, 2, 30], [40, 40, 3], 72, [20, 20, 31])
    assert isinstance(found, Delays)
    assert found.arrived([1, 3]).tolist() == [0.5, 1]
    assert delays.fitted([0, 1], [500, 500], 72, [0.5, 1.5]) == Withheld(Reason.NO_DATA)


@given(st.lists(st.tuples(st.integers(0, 5000), st.floats(0, 1)), min_size=1, max_size=20))
def test_once_all_are_older_than_the_window_these_are_plain_counts(items: list[tuple[int, float]]) -> None:
    found = fitted([0, 40], [100, 100], 72)
    n, won = (np.array(column, float) for column in zip(*((n, round(n * share)) for n, share in items), strict=True))
    ages = np.linspace(72, 900, len(items))
    prior = Beta(tuple(map(str, range(len(items)))), np.full(len(items), 2.0), np.full(len(items), 98.0))
    aware = prior.after(n * found.arrived(ages), won)
    assert_array_equal(aware.a, 2 + won)
    assert_array_equal(aware.b, 98 + n - won)


HOURS, ITEMS, EACH, WINDOW = 96, 4000, 20, 24 * 14


@pytest.fixture(scope="module")
def looks() -> dict[int, tuple[np.ndarray, np.ndarray]]:
    """Posterior mean less truth of 4,000 items, delay-aware and naive, after each hour.

    Rates of Beta(4, 96), conversions after an exponential delay of two days, of which those within two weeks count;
    20 impressions an item and hour. The delays are fitted to those of an earlier campaign, whose impressions matured.
    """
    rng = np.random.default_rng(20)
    law = stats.expon(scale=48)
    rate = rng.beta(4, 96, ITEMS)
    earlier = law.rvs(60_000, random_state=rng)
    hours, counts = np.unique(np.floor(earlier[earlier < WINDOW]), return_counts=True)
    known = fitted(hours.tolist(), counts.tolist(), WINDOW)
    inside = law.cdf(WINDOW)
    # lag[h]: P(the reward of an impression in the middle of an hour is known h hours after the end of that hour)
    lag = np.diff(law.cdf(np.minimum(np.arange(HOURS + 1) + 0.5, WINDOW)), prepend=0)
    due = np.zeros((ITEMS, 2 * HOURS))
    prior = Beta(tuple(map(str, range(ITEMS))), np.full(ITEMS, 4.0), np.full(ITEMS, 96.0))
    errors = {}
    for now in range(HOURS):
        come = rng.multinomial(rng.binomial(EACH, rate), np.append(lag, 1 - lag.sum()))[:, :-1]
        due[:, now : now + HOURS + 1] += come[:, : 2 * HOURS - now]
        won = due[:, : now + 1].sum(axis=1)
        ages = np.arange(now + 1) + 0.5
        aware = prior.after(np.full(ITEMS, EACH * known.arrived(ages).sum()), won)
        naive = prior.after(np.full(ITEMS, EACH * (now + 1.0)), won)
        errors[now + 1] = aware.mean - rate * inside, naive.mean - rate * inside
    return errors


def test_with_a_delay_of_two_days_the_aware_mean_is_unbiased_and_the_naive_one_low(
    looks: dict[int, tuple[np.ndarray, np.ndarray]],
) -> None:
    """At every hour of four days within four standard errors; the naive mean misses by more than a tenth of 4 %."""
    for hour, (aware, naive) in looks.items():
        assert abs(aware.mean()) < 4 * aware.std() / ITEMS**0.5, hour
        if hour >= 12:
            assert naive.mean() < -0.004, hour


def test_knowing_the_delay_brings_each_item_nearer_to_its_truth(
    looks: dict[int, tuple[np.ndarray, np.ndarray]],
) -> None:
    aware, naive = looks[HOURS]
    assert np.mean(aware**2) < 0.5 * np.mean(naive**2)
