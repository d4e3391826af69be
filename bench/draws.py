"""The draw table of 10,000 items, beside sorting rows whole; the slots of a row, beside `random.choices` of as many."""

import random
import time
from collections.abc import Callable

import numpy as np

from bandits import slots
from bandits.policies import draws
from bandits.policies.beliefs import Beta
from bandits.policies.policy import Policy
from bench import stack

ITEMS, SLOTS, DEPTH, SEED, CALLS = 10_000, 10, 800, 7, 100_000  # DEPTH: 10 slots under a filter passing a twentieth


def run() -> None:
    rng = np.random.default_rng(SEED)
    a, b = 0.5 + rng.gamma(1, 3, ITEMS), 99 + rng.gamma(1, 300, ITEMS)
    believed = Beta(tuple(f"sku-{i}" for i in range(ITEMS)), a, b)
    for depth in (SLOTS, DEPTH):
        rows = lambda depth=depth: draws.table(Policy(), believed, None, draws.generators(SEED), depth)  # type: ignore[misc] # noqa: E731
        seconds = _best(rows)
        whole = _best(lambda: _sorted_whole(a, b))
        told = f"{seconds:.2f} s for {ITEMS:,} items, {draws.N_ROWS:,} rows, {depth} places"
        stack.line("draw table", told, f"argsort of all draws {whole:.2f} s", whole / seconds)
    table = _table(a, b)
    slots.prepare(table, SLOTS)
    traces = [f"01936f0e-0000-7000-8000-{i:012d}" for i in range(CALLS)]
    ours = _per_call(lambda: _each(traces, lambda trace: _picked(table, trace)))
    names, weights = table.items, [1 / ITEMS] * ITEMS
    cumulative = np.cumsum(weights).tolist()
    theirs = _per_call(lambda: _each(traces, lambda _: random.choices(names, cum_weights=cumulative, k=SLOTS)))
    told = f"{ours:.2f} us with {SLOTS} slots and their propensities"
    stack.line("row pick", told, f"random.choices of {SLOTS} {theirs:.2f} us", theirs / ours)


def _sorted_whole(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """The plain way, in the memory of 64 rows at a time."""
    rng = np.random.default_rng(SEED)
    rows = [np.argsort(-rng.beta(a, b, (64, ITEMS)), axis=1)[:, :SLOTS] for _ in range(draws.N_ROWS // 64)]
    return np.concatenate(rows)


def _table(a: np.ndarray, b: np.ndarray) -> slots.Table:
    names = tuple(f"sku-{i}" for i in range(ITEMS))
    return slots.Table(
        campaign="new-arrivals",
        number=55,
        seed=SEED,
        items=names,
        merchants=("",) * ITEMS,
        categories=("",) * ITEMS,
        beliefs=Beta(names, a, b),
        rows=draws.table(Policy(), Beta(names, a, b), None, draws.generators(SEED), DEPTH),
        floor=0.05,
        merchant_cap=None,
    )


def _picked(table: slots.Table, trace: str) -> list[tuple[str, float | None]]:
    _, picks = slots.choose(table, trace, SLOTS)
    return [(table.items[item], propensity) for item, _, propensity in picks]


def _each(traces: list[str], work: Callable[[str], object]) -> None:
    """As a server does: each answer is gone before the next."""
    for trace in traces:
        work(trace)


def _per_call(work: Callable[[], object]) -> float:
    """Microseconds."""
    return _best(work) / CALLS * 1e6


def _best(work: Callable[[], object], times: int = 3) -> float:
    """Seconds of the quickest: the machine's other work only ever adds."""
    taken = []
    for _ in range(times):
        started = time.perf_counter()
        work()
        taken.append(time.perf_counter() - started)
    return min(taken)
