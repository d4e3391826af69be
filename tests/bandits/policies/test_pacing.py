"""Promises are kept: a week of hourly tables, each with the pace that the last one's delivery asks for."""

from collections.abc import Iterator
from dataclasses import replace
from typing import NamedTuple

import numpy as np
import pytest

from bandits.policies import budgets, draws, pacing
from bandits.policies.beliefs import Beta
from bandits.policies.pacing import Delivery, Pace, Promises, Vector
from bandits.policies.policy import Policy

N, HOURS, PAGES, SLOTS, ROWS = 60, 24, 250, 3, 128
ITEMS = tuple(f"sku-{i}" for i in range(N))
MERCHANTS = tuple(f"m-{'abcdef'[int(np.sqrt(i / 2))]}" if i < 55 else "" for i in range(N))  # of 2, 6, 10 … items
GOOD = np.where(np.arange(N) % 10 == 1, 0.06, 0.01)  # true rate of a click


class Hour(NamedTuple):
    pace: Pace
    delivery: Delivery


def played(promises: Promises, days: int, *, joins: Vector | None = None, seed: int = 1) -> Iterator[Hour]:
    """Thompson sampling that learns hourly: the pace of each hour, with what was delivered by the end of it."""
    rng = np.random.default_rng(seed)
    joins = np.zeros(N) if joins is None else joins
    ever, today, clicks = np.zeros((3, N))
    pace = pacing.none(ITEMS)
    for hour in range(days * HOURS):
        if hour % HOURS == 0:
            today = np.zeros(N)
        believed = Beta(ITEMS, 1 + clicks, 49 + ever - clicks)
        offered = np.where(joins * HOURS <= hour, pace.total, -np.inf)
        rows = draws.table(Policy(), believed, offered, draws.generators(seed << 20 | hour, ROWS), SLOTS)
        since = np.bincount(rows[rng.integers(0, ROWS, PAGES)].ravel(), minlength=N).astype(float)
        ever, today, clicks = ever + since, today + since, clicks + rng.binomial(since.astype(int), GOOD)
        age = np.maximum((hour + 1) / HOURS - joins, 0)
        delivery = Delivery(ITEMS, MERCHANTS, age, ever, today, since, 1 / HOURS, HOURS * PAGES * SLOTS)
        yield Hour(pace, delivery)
        pace = pacing.next_pace(pace, promises, delivery, pacing.scale_of(believed))


def of_merchant(impressions: Vector, name: str) -> float:
    return float(impressions[np.array(MERCHANTS) == name].sum())


def ends_of_days(hours: list[Hour]) -> list[Delivery]:
    return [hour.delivery for hour in hours[HOURS - 1 :: HOURS]]


def test_without_a_promise_nothing_is_paced() -> None:
    *_, last = played(Promises(), 1)
    assert (last.pace.total == 0).all()
    assert budgets.binding(last.pace, Promises(), last.delivery) == ()


def test_plain_thompson_sampling_breaks_every_promise_that_the_others_keep() -> None:
    """Else the tests below would prove nothing."""
    days = ends_of_days(list(played(Promises(), 4)))
    assert days[2].ever.min() < 80
    assert days[3].ever.max() > 3_000
    assert min(of_merchant(days[3].today, name) for name in set(MERCHANTS)) < 0.05 * days[3].today.sum()
    assert max(of_merchant(days[3].today, name) for name in set(MERCHANTS)) > 0.25 * days[3].today.sum()


def test_every_item_gets_its_guarantee_in_time_whenever_it_joins() -> None:
    promises, joins = Promises(guarantee=100, days=3), np.where(np.arange(N) % 4 == 0, 2.0, 0.0)
    hours = list(played(promises, 5, joins=joins))
    early, late = joins == 0, joins > 0
    assert hours[3 * HOURS - 1].delivery.ever[early].min() >= 100
    assert hours[2 * HOURS - 1].delivery.ever[late].max() == 0
    assert hours[5 * HOURS - 1].delivery.ever[late].min() >= 100


def test_a_guarantee_costs_little_more_than_it_gives_away() -> None:
    """A multiplier falls back to 0 with its backlog: what is not promised goes where Thompson sampling sends it."""
    *_, free = played(Promises(), 6)
    *_, bound = played(Promises(guarantee=150, days=5), 6)
    given = np.maximum(150 - free.delivery.ever, 0).sum()
    lost = free.delivery.ever @ GOOD - bound.delivery.ever @ GOOD
    assert given > 1_000
    assert lost < 2 * given * (GOOD.max() - GOOD.min())
    before = bound.delivery.ever - bound.delivery.since
    assert (bound.pace.guarantee[before > 1.1 * 150] < 1e-9).all()


def test_no_item_passes_its_cap_and_what_is_left_of_it_is_used() -> None:
    *_, last = played(Promises(item_cap=2_000), 4)
    assert last.delivery.ever.max() <= 2_000
    assert np.sort(last.delivery.ever)[-6:].min() > 1_600
    assert last.pace.closed.sum() >= 4


@pytest.mark.parametrize("share", [0.2, 0.25])
def test_no_merchant_gets_more_than_its_share_of_a_day(share: float) -> None:
    """But for the surplus of the one table under which it is reached: here a 24th of the day."""
    for day in ends_of_days(list(played(Promises(merchant_share=share), 4)))[1:]:
        assert max(of_merchant(day.today, name) for name in set(MERCHANTS) - {""}) <= 1.01 * share * day.today.sum()


def test_all_merchants_together_get_their_floor_alike() -> None:
    for day in ends_of_days(list(played(Promises(merchant_floor=0.6), 4)))[1:]:
        least = 0.6 / 6 * day.today.sum()
        assert min(of_merchant(day.today, name) for name in set(MERCHANTS) - {""}) >= least


def test_the_budget_of_a_day_is_used_and_not_passed_and_the_next_day_begins_anew() -> None:
    for day in ends_of_days(list(played(Promises(daily_budget=5_000), 3))):
        assert 5_000 - 1.6 * PAGES * SLOTS <= day.today.sum() <= 5_000


def test_hours_without_learning_close_nothing_for_good() -> None:
    """Most of a cap was used in five hours under one table; the next one is in force for less."""
    promises = Promises(item_cap=1_000)
    since = np.full(N, 600.0)
    late = Delivery(ITEMS, MERCHANTS, np.ones(N), since, since, since, 5 / 24, 40_000.0)
    assert not pacing.next_pace(None, promises, late, 0.05).closed.any()
    fast = replace(late, days_since=1 / 24)  # as much again in the next hour
    assert pacing.next_pace(None, promises, fast, 0.05).closed.all()


def test_a_budget_smaller_than_what_a_table_reaches_is_opened_once_a_day() -> None:
    promises, since = Promises(daily_budget=100), np.full(N, 50.0)
    evening = Delivery(ITEMS, MERCHANTS, np.ones(N), since, since, since, 1 / 24, 1_000.0)
    closed = pacing.next_pace(None, promises, evening, 0.05)
    morning = replace(evening, today=np.zeros(N), since=np.zeros(N))
    opened = pacing.next_pace(closed, promises, morning, 0.05)
    assert closed.closed.all() and not opened.closed.any()
    assert not budgets.binding(opened, promises, morning)[0].binds
    again = pacing.next_pace(opened, promises, replace(morning, today=since, since=since), 0.05)
    assert again.closed.all()


def test_all_promises_together_are_kept_where_traffic_allows_them() -> None:
    promises = Promises(guarantee=100, days=3, item_cap=5_000, merchant_share=0.4, merchant_floor=0.4)
    hours = list(played(promises, 4))
    assert hours[3 * HOURS - 1].delivery.ever.min() >= 100
    assert hours[-1].delivery.ever.max() <= 5_000
    for day in ends_of_days(hours)[1:]:
        each = [of_merchant(day.today, name) / day.today.sum() for name in set(MERCHANTS) - {""}]
        assert min(each) >= 0.4 / 6
        assert max(each) <= 0.4


def test_the_guarantees_multiplier_is_the_backlog_however_often_tables_are_made() -> None:
    """lambda / eta telescopes to [plan - delivered]+, so a table more or less changes no promise."""
    promises, rng = Promises(guarantee=200, days=4), np.random.default_rng(5)
    for n_tables in (1, 3, 40):
        pace, ever = pacing.none(ITEMS), np.zeros(N)
        for step in range(1, n_tables + 1):
            since = rng.poisson(rng.uniform(0, 200 / n_tables, N)).astype(float)
            ever, age = ever + since, np.full(N, 3.0 * step / n_tables)
            told = Delivery(ITEMS, MERCHANTS, age, ever, ever, since, 3.0 / n_tables, 0.0)
            pace = pacing.next_pace(pace, promises, told, 0.05)
        backlog = np.maximum(200 * 1.1 * 3.0 / (0.9 * 4) - ever, 0)
        assert pace.guarantee == pytest.approx(backlog * 0.05 / (0.05 * 200))
        assert (backlog > 0).any()


def test_a_pace_is_carried_by_key_and_a_new_item_shares_its_merchants() -> None:
    before = replace(
        pacing.none(("x", "y")), guarantee=np.array([0.1, 0.2]), floor=np.array([0.0, 0.3]), reach=np.array([7.0, 8.0])
    )
    nothing, since = np.zeros(3), np.array([1.0, 2.0, 3.0])
    delivery = Delivery(("y", "z", "w"), ("m", "m", ""), nothing, since, since, since, 0.04, 0.0)
    after = pacing.next_pace(before, Promises(), delivery, 0.05)
    assert after.items == ("y", "z", "w")
    assert after.guarantee.tolist() == [0.2, 0.0, 0.0]
    assert after.floor.tolist() == [0.3, 0.3, 0.0]
    assert after.reach.tolist() == [4.0, 2.0, 3.0]
    again = pacing.of(after.items, after.arrays())
    assert all((getattr(again, name) == getattr(after, name)).all() for name in pacing.NAMES)


def test_what_binds_is_told_in_words() -> None:
    promises = Promises(guarantee=100, days=1, item_cap=40, merchant_share=0.2, merchant_floor=0.9, daily_budget=65)
    since = np.array([0.0, 50.0, 10.0])
    delivery = Delivery(("x", "y", "z"), ("a", "b", ""), np.full(3, 1.0), since, since, since, 1.0, 60.0)
    pace = pacing.next_pace(None, promises, delivery, 0.05)
    told = {budget.name: budget for budget in budgets.binding(pace, promises, delivery)}
    assert all(budget.binds for budget in told.values())
    assert told["guarantee"].sentence == (
        "3 of 3 items are behind their guarantee of 100 impressions within 1 day and are pushed. "
        "3 did not get them in time."
    )
    assert told["item_cap"].sentence == "1 of 3 items reached 40 impressions and rest."
    assert told["merchant_share"].sentence == "The cap of 20% of a day's impressions holds back b."
    assert told["merchant_floor"].sentence == "To get an equal part of 90% of the impressions, a is pushed."
    assert told["daily_budget"].sentence == "60 of 65 impressions of today are used; nothing is shown until tomorrow."


def test_a_promise_that_is_kept_unaided_is_told_as_such() -> None:
    promises = Promises(guarantee=10, item_cap=4_000, merchant_share=0.9, merchant_floor=0.1, daily_budget=700)
    since = np.array([30.0, 30.0])
    delivery = Delivery(("x", "y"), ("a", "b"), np.full(2, 1.0), since, since, since, 0.1, 600.0)
    told = budgets.binding(pacing.next_pace(None, promises, delivery, 0.05), promises, delivery)
    assert len(told) == 5
    assert not any(budget.binds for budget in told)
    assert told[0].sentence == "Every item is on the way to 10 impressions within 7 days."
