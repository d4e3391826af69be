"""What cells say now: hand-computed weights, and whatever is old enough counts plainly."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from numpy.typing import NDArray

from bandits import evidence
from bandits.evidence import Lens
from bandits.policies import delays
from bandits.policies.delays import Delays
from bandits.policies.positions import Examined
from firstlight.kernel.withheld import Reason, Withheld

Floats = NDArray[np.float64]

AT = datetime(2026, 11, 20, 12, tzinfo=UTC)
NUMBERS = ("trials", "clicks", "carts", "orders", "net", "valued", "log_mean", "log_m2", "share")


def cells(rows: Sequence[Mapping[str, Any]]) -> pa.Table:
    """Of `item`, `age` (hours since the middle of the hour of its impressions), and what else a test names."""
    made = [_cell(**row) for row in rows]
    return pa.table({name: [row[name] for row in made] for name in made[0]})


def _cell(item: str, age: float, position: int = 1, **sums: float) -> dict[str, Any]:
    start = AT - timedelta(hours=age + 0.5)
    where = {"item_id": item, "day": start.date(), "hour": start.hour, "position": position}
    return where | {name: float(sums.get(name, 0.0)) for name in NUMBERS}


def lens(**fields: Any) -> Lens:
    plain: dict[str, Any] = {"mix": {"clicks": 1.0}, "rewarded": "clicks", "delays": None, "examined": None}
    return Lens(**({"at": AT, "half_life_days": None} | plain | fields))


def known_delays(mean_hours: float, window: int) -> Delays:
    """As fitted to rewards that took exponential times."""
    hours = np.arange(window)
    share = np.exp(-hours / mean_hours) - np.exp(-(hours + 1) / mean_hours)
    found = delays.fitted(hours, 1e6 * share, window)
    assert isinstance(found, Delays)
    return found


def test_data_counts_half_after_each_half_life() -> None:
    rows = [{"item": "a", "age": 0.5 + 24 * days, "trials": 8, "clicks": 4} for days in (0, 3, 6)]
    found = evidence.seen(cells(rows), lens(half_life_days=3.0))
    fading = [2 ** (-(0.5 + 24 * days) / 72) for days in (0, 3, 6)]
    assert found.trials.tolist() == pytest.approx([8 * sum(fading)])
    assert found.successes.tolist() == pytest.approx([4 * sum(fading)])
    assert (found.impressions.tolist(), found.rewards.tolist()) == ([24], [12])  # as they were


def test_a_young_impression_is_the_part_of_a_trial_that_rewards_had_time_for() -> None:
    arrived = known_delays(48, 24 * 14)
    rows = [{"item": "a", "age": age, "trials": 10} for age in (5.5, 47.5, 999.5)]
    found = evidence.seen(cells(rows), lens(delays=arrived))
    whole = 1 - np.exp(-24 * 14 / 48)
    assert found.trials[0] == pytest.approx(
        10 * ((1 - np.exp(-5.5 / 48)) / whole + (1 - np.exp(-47.5 / 48)) / whole + 1), rel=1e-3
    )


def test_what_is_old_enough_counts_plainly() -> None:
    rng = np.random.default_rng(3)
    rows = [
        {"item": f"i-{n % 7}", "age": 24 * 14 + 0.5 + n, "position": n % 3, "trials": rng.integers(1, 9), "clicks": 1}
        for n in range(200)
    ]
    aware = evidence.seen(cells(rows), lens(delays=known_delays(48, 24 * 14)))
    plain = evidence.seen(cells(rows), lens())
    assert aware.trials.tolist() == plain.trials.tolist() == plain.impressions.tolist()


def test_rewards_that_come_at_once_make_a_whole_trial_of_an_impression_of_this_hour() -> None:
    rows = [{"item": "a", "age": 0.5, "trials": 100, "clicks": 2}]
    at_once = delays.fitted([0], [1000], 24)
    found = evidence.seen(cells(rows), lens(delays=at_once))
    assert found.trials.tolist() == [100]


@pytest.mark.parametrize("unknown", [None, Withheld(Reason.NO_DATA)])
def test_without_known_delays_and_slots_an_impression_is_a_trial(unknown: Any) -> None:
    rows = [{"item": "a", "age": 1.5, "position": 8, "trials": 5, "clicks": 1}]
    assert evidence.seen(cells(rows), lens(delays=unknown, examined=unknown)).trials.tolist() == [5]


def test_an_impression_in_a_slot_that_few_look_at_is_part_of_a_trial() -> None:
    kappas = {3: Examined(1.0, 0.0, 100), 8: Examined(0.25, 0.1, 100)}
    rows = [{"item": "a", "age": 30.5, "position": p, "trials": 4, "clicks": 1} for p in (3, 8, 0)]
    found = evidence.seen(cells(rows), lens(examined=kappas))
    assert (found.trials.tolist(), found.successes.tolist()) == ([4 + 1 + 4], [3])


def test_a_weighted_reward_is_the_sum_of_what_each_column_is_worth() -> None:
    rows = [{"item": "a", "age": 30.5, "trials": 9, "clicks": 5, "orders": 2, "share": 0.5}]
    found = evidence.seen(cells(rows), lens(mix={"clicks": 0.6, "orders": 0.15, "share": 0.25}))
    assert found.successes.tolist() == pytest.approx([0.6 * 5 + 0.15 * 2 + 0.25 * 0.5])
    assert found.rewarded.tolist() == [5]


def test_values_of_cells_join_as_if_they_had_been_counted_together() -> None:
    rng = np.random.default_rng(4)
    parts = [rng.normal(2, 1, n) for n in (1, 5, 20)]
    rows = [
        {
            "item": "a",
            "age": 30.5,
            "trials": 50,
            "valued": len(x),
            "log_mean": x.mean(),
            "log_m2": ((x - x.mean()) ** 2).sum(),
        }
        for x in parts
    ]
    every = np.concatenate(parts)
    for order in (rows, rows[::-1]):
        found = evidence.seen(
            cells([*order, {"item": "b", "age": 9.5, "trials": 1}]), lens(rewarded="valued", mix={"net": 1.0})
        )
        assert found.values.n.tolist() == [26, 0]
        assert found.values.mean.tolist() == pytest.approx([every.mean(), 0])
        assert found.values.m2.tolist() == pytest.approx([((every - every.mean()) ** 2).sum(), 0])


def test_items_are_told_in_the_order_asked_for_and_those_never_seen_are_blank() -> None:
    rows = [{"item": item, "age": 30.5, "trials": n, "clicks": 1} for n, item in enumerate("cab", start=1)]
    found = evidence.seen(cells(rows), lens())
    assert (found.items, found.trials.tolist()) == (("a", "b", "c"), [2, 3, 1])
    other = found.of(["c", "new", "a"])
    assert (other.items, other.trials.tolist(), other.rewards.tolist()) == (("c", "new", "a"), [1, 0, 2], [1, 0, 1])


WINDOW, RATE, DAYS = 5 * 24, 0.05, 12


def test_orders_that_come_two_days_later_are_not_missed_and_naively_they_are() -> None:
    """An order in twenty impressions, after an exponential time of two days; looked at every hour of the twelfth day.

    Of thirty shops: the mean error is within four of its standard errors, of which the shops themselves tell.
    """
    expected = RATE * (1 - np.exp(-WINDOW / 48))
    aware, naive = [], []
    for rng in np.random.default_rng(6).spawn(30):
        shown = rng.uniform(0, DAYS * 24, 20_000)
        delay = np.where(rng.random(len(shown)) < RATE, rng.exponential(48, len(shown)), np.inf)
        for now in rng.integers((DAYS - 1) * 24, DAYS * 24, 1).tolist():
            aware.append(_rate(shown, delay, now, is_aware=True))
            naive.append(_rate(shown, delay, now, is_aware=False))
    error = np.array(aware) - expected
    assert abs(error.mean()) < 4 * error.std(ddof=1) / np.sqrt(len(error))
    assert error.std(ddof=1) < 0.1 * expected
    assert max(naive) < expected
    assert np.mean(naive) < 0.87 * expected


def _rate(shown: Floats, delay: Floats, now: int, *, is_aware: bool) -> float:
    """Rewards per trial as known at this hour: cells and delays as a ledger has them."""
    shown, delay = shown[shown < now], delay[shown < now]
    came = (shown + delay <= now) & (delay <= WINDOW)
    hours, place = np.unique(np.floor(shown), return_inverse=True)
    trials, orders = np.bincount(place), np.bincount(place, came)
    rows = [
        {"item": "a", "age": now - hour - 0.5, "trials": n, "orders": x}
        for hour, n, x in zip(hours.tolist(), trials.tolist(), orders.tolist(), strict=True)
    ]
    took, days = np.floor(delay[came]), np.floor(shown[came] / 24)
    fitted = delays.fitted(took, np.ones(len(took)), WINDOW, now - 24 * (days + 1))
    assert isinstance(fitted, Delays)
    view = lens(mix={"orders": 1.0}, rewarded="orders", delays=fitted if is_aware else None)
    found = evidence.seen(cells(rows), view)
    return float(found.successes[0] / found.trials[0])
