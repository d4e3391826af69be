"""A million rewards of ten thousand items: from the lake to the draw table; and ten minutes later.

Three impressions to a click, over thirty days, one impression in four without a trace. Beside it the same trials and
clicks by hand-written SQL, which knows no orders, decisions, slots, hours or segments, and keeps nothing. A step later
reads only the days that the new events can reach. `LEARN_REWARDS=100000` for another number. Ratio: of seconds.
"""

import os
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pyarrow as pa

from bandits import learning, ledgers
from bandits.models import Campaign
from bench import stack
from firstlight.catalog.models import Item, Scenario
from firstlight.kernel.windows import Window
from firstlight.lake import engine, table
from firstlight.lake.schema import EVENTS

REWARDS = int(os.environ.get("LEARN_REWARDS", "1000000"))
PER_REWARD, ITEMS, DAYS = 3, 10_000, 30  # impressions
START = datetime(2026, 10, 1, tzinfo=UTC)
END = START + timedelta(days=DAYS)
STEP = timedelta(minutes=10)
BY_HAND = """
    WITH seen AS (
        SELECT coalesce('t' || trace_id, 'u' || user_id) AS view, item_id, day, "at" AS happened, type FROM events
    ),
    shown AS (SELECT DISTINCT view, item_id, day FROM seen WHERE type = 'impression'),
    won AS (
        SELECT DISTINCT view, item_id, day FROM (
            SELECT i.view, i.item_id, max(i.day) AS day
            FROM seen i JOIN seen c ON i.view = c.view AND i.item_id = c.item_id
            WHERE i.type = 'impression' AND c.type = 'click'
                AND c.happened BETWEEN i.happened AND i.happened + INTERVAL 1 DAY
            GROUP BY i.view, i.item_id, c.happened
        )
    )
    SELECT item_id, count(*) AS trials, count(won.view) AS clicks
    FROM shown LEFT JOIN won USING (view, item_id, day) GROUP BY item_id
"""


def run() -> None:
    with stack.database():
        campaign = _campaign()
        rng = np.random.default_rng(1)
        table.append(1, _events(rng, REWARDS, START, END, first=0))
        by_hand = _timed(_by_hand)
        counting = _timed(lambda: ledgers.bring_up(ledgers.of(campaign), until_batch=1, at=END))
        thinking = _timed(lambda: learning.learn(campaign.pk, at=END))
        told = (
            f"{counting + thinking:.1f} s for {REWARDS:,} rewards of {ITEMS:,} items (to the ledger {counting:.1f} s)"
        )
        stack.line("learn", told, f"their trials and clicks by SQL {by_hand:.1f} s", (counting + thinking) / by_hand)
        fewer = max(REWARDS // (DAYS * 24 * 6), 1)
        table.append(2, _events(rng, fewer, END, END + STEP, first=REWARDS))
        on = _timed(lambda: learning.learn(campaign.pk, at=END + STEP))
        stack.line(
            "learn on", f"{on:.1f} s for the next {fewer:,}", "all of it, a line above", on / (counting + thinking)
        )


def _campaign() -> Campaign:
    scenario = Scenario.objects.create(key="home", name="Home")
    Item.objects.bulk_create(Item(key=f"sku-{i}") for i in range(ITEMS))
    return Campaign.objects.create(key="new", name="New", scenario=scenario, positions=list(range(1, 11)))


def _events(rng: np.random.Generator, rewards: int, since: datetime, until: datetime, *, first: int) -> pa.Table:
    n = rewards * PER_REWARD
    span = int((until - since - timedelta(hours=1)).total_seconds()) if until - since > STEP else 300
    shown_at = rng.integers(0, span, n)
    items = np.minimum(rng.pareto(1, n) * 300, ITEMS - 1).astype(int)
    clicked = rng.choice(n, rewards, replace=False)
    view = np.concatenate([np.arange(n), clicked]) + first * PER_REWARD
    at = np.concatenate([shown_at, shown_at[clicked] + rng.integers(1, 240, rewards)])
    times = np.datetime64(since.replace(tzinfo=None), "us") + at * np.timedelta64(1_000_000, "us")
    kinds = pa.array(["impression", "click"]).take(pa.array(np.repeat([0, 1], [n, rewards])))
    skus = pa.array([f"sku-{i}" for i in range(ITEMS)])
    names = pa.array([f"{i:012x}" for i in view.tolist()])
    columns: dict[str, Any] = {
        "event_id": pa.array([f"{i:012x}" for i in range(first * 9, first * 9 + len(view))]),
        "type": kinds,
        "at": pa.array(times),
        "item_id": skus.take(pa.array(np.concatenate([items, items[clicked]]))),
        "trace_id": pa.array(np.where(view % 4, names.to_numpy(zero_copy_only=False), None)),
        "user_id": names,
        "scenario": pa.array(["home"] * len(view)),
        "position": pa.array(view % 10 + 1, pa.int32()),
        "day": pa.array(times.astype("datetime64[D]")),
        "batch": pa.array(np.full(len(view), 2 if first else 1)),
    }
    empty = {field.name: pa.nulls(len(view), field.type) for field in EVENTS}
    made = pa.table({name: columns.get(name, empty[name]) for name in EVENTS.names})
    return made.cast(EVENTS).sort_by("at")


def _by_hand() -> None:
    with engine.events(Window(START, END)) as events:
        found = events.get_backend().con.sql(BY_HAND).to_arrow_table()
    if found["clicks"].to_numpy().sum() != REWARDS:
        raise ArithmeticError("not all rewards were found by hand")


def _timed(work: Callable[[], object]) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started
