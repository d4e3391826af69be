"""Draw tables of 1,000 to 100,000 items; the slots of a row, beside one choice of MABWiser; exact propensities."""

import time
import tracemalloc
from collections.abc import Callable

import numpy as np

from bandits import slots
from bandits.policies import draws, quadrature
from bandits.policies.beliefs import Beta
from bandits.policies.policy import Policy
from bench import stack

SLOTS, DEPTH, SEED, CALLS = 10, 800, 7, 100_000  # DEPTH: 10 slots under a filter passing a twentieth
LIMITS = {1_000: 0.12, 10_000: 1.2, 100_000: 10.0}  # seconds
MEMORY = 150  # MB
OTHERS = 200  # predictions of MABWiser, each a millisecond


def run() -> None:
    for n, limit in LIMITS.items():
        _table_of(_believed(n), limit)
    _whole(_believed(10_000))
    for n in (10_000, 1_000):
        _pick(_believed(n))
    for n, k, limit in ((80, 3, 0.035), (10_000, 10, 0.77)):
        believed = _believed(n)
        seconds = _best(lambda b=believed, k=k: quadrature.slot_propensities(b.a, b.b, k))  # type: ignore[misc]
        told = f"{seconds:.3f} s for {n:,} items, {k} ranks"
        stack.line("exact propensities", told, f"at most {limit:g} s", limit / seconds)


def _believed(n: int) -> Beta:
    rng = np.random.default_rng(SEED)
    return Beta(tuple(f"sku-{i}" for i in range(n)), 0.5 + rng.gamma(1, 3, n), 99 + rng.gamma(1, 300, n))


def _drawn(believed: Beta, depth: int = DEPTH) -> draws.Rows:
    return draws.table(Policy(), believed, None, draws.generators(SEED), depth)


def _table_of(believed: Beta, limit: float) -> None:
    seconds, n = _best(lambda: _drawn(believed)), len(believed.items)
    tracemalloc.start()
    _drawn(believed)
    peak = tracemalloc.get_traced_memory()[1] / 1e6
    tracemalloc.stop()
    told = f"{seconds:.2f} s and {peak:.0f} MB for {n:,} items, {draws.N_ROWS:,} rows, {min(DEPTH, n)} places"
    stack.line("draw table", told, f"at most {limit:g} s and {MEMORY} MB", limit / seconds)


def _whole(believed: Beta) -> None:
    """The plain way, in the memory of 64 rows at a time."""

    def work() -> None:
        rng = np.random.default_rng(SEED)
        for _ in range(draws.N_ROWS // 64):
            np.argsort(-rng.beta(believed.a, believed.b, (64, len(believed.items))), axis=1)

    ours, theirs = _best(lambda: _drawn(believed)), _best(work)
    stack.line("draw table", f"{ours:.2f} s for 10,000 items", f"argsort of all draws {theirs:.2f} s", theirs / ours)


def _pick(believed: Beta) -> None:
    table, n = _served(believed), len(believed.items)
    slots.prepare(table, SLOTS)
    traces = [f"01936f0e-0000-7000-8000-{i:012d}" for i in range(CALLS)]
    ours = _best(lambda: _each(traces, lambda trace: _picked(table, trace))) / CALLS * 1e6
    theirs = _mabwiser(believed)
    told = f"{ours:.2f} us with {SLOTS} slots and their propensities, of {n:,} items"
    stack.line("row pick", told, f"one choice of MABWiser {theirs:,.0f} us", theirs / ours)


def _mabwiser(believed: Beta) -> float:
    """Microseconds of one Thompson sampling choice among as many arms, each with some clicks."""
    from mabwiser.mab import MAB, LearningPolicy

    arms, rng = list(believed.items), np.random.default_rng(SEED)
    decisions = rng.choice(arms, 20 * len(arms))
    learned = MAB(arms, LearningPolicy.ThompsonSampling())
    learned.fit(decisions.tolist(), rng.binomial(1, 0.02, len(decisions)).tolist())
    return _best(lambda: _each([""] * OTHERS, lambda _: learned.predict())) / OTHERS * 1e6


def _served(believed: Beta) -> slots.Table:
    n = len(believed.items)
    return slots.Table(
        campaign="new-arrivals",
        number=55,
        seed=SEED,
        items=believed.items,
        merchants=("",) * n,
        categories=("",) * n,
        beliefs=believed,
        rows=_drawn(believed),
        floor=0.05,
        merchant_cap=None,
    )


def _picked(table: slots.Table, trace: str) -> list[tuple[str, float | None]]:
    _, picks = slots.choose(table, trace, SLOTS)
    return [(table.items[pick.item], pick.propensity) for pick in picks]


def _each(traces: list[str], work: Callable[[str], object]) -> None:
    """As a server does: each answer is gone before the next."""
    for trace in traces:
        work(trace)


def _best(work: Callable[[], object], times: int = 5) -> float:
    """Seconds of the quickest: the machine's other work only ever adds."""
    taken = []
    for _ in range(times):
        started = time.perf_counter()
        work()
        taken.append(time.perf_counter() - started)
    return min(taken)
