"""A thousand campaigns of 1,000 items: built, loaded, held in memory, asked; and a million decisions counted."""

import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar

import msgspec
import numpy as np

from bandits import section, slots
from bandits.columns import columned, listed
from bandits.parts import Drawn, Part, Pool, Running
from bandits.policies import beliefs, draws
from bandits.policies.beliefs import Beta
from bandits.policies.policy import Policy
from bandits.served import Filter, Table
from bench import stack
from firstlight.snapshots.sections import Request

STEPS = (100, 300, 1_000)  # campaigns
ITEMS, SLOTS, DEPTH = 1_000, 5, 200  # DEPTH: as a pool of ten categories has it
DRAWN = 5  # tables that are drawn and timed; the others have their rows, in bytes of their own
CALLS, DECISIONS = 20_000, 1_000_000
T = TypeVar("T")
AT = datetime(2026, 11, 23, tzinfo=UTC)


def run() -> None:
    seconds, drawn = _timed(lambda: [_rows(seed) for seed in range(DRAWN)])
    stack.line("build", f"{seconds / DRAWN:.3f} s a table", "at most 0.12 s", 0.12 * DRAWN / seconds)
    parts: dict[str, Running] = {}
    before, first = _resident(), 0.0
    for n in STEPS:
        load, size = 0.0, 0
        for i in range(len(parts), n):
            payload = _payload(i, drawn[i % DRAWN])
            taken, parts[f"c-{i}"] = _timed(lambda p=payload: section.load(p))  # type: ignore[misc]
            load, size = load + taken, len(payload)
        gathering, state = _timed(lambda: section.gather(parts))
        again, state = _timed(lambda: section.gather(parts))
        each = (_resident() - before) / n
        first = first or each
        loading = f"{load * 1e3 / (n - _before(n)):.2f} ms to load"
        told = f"{each:.0f} kB a campaign held ({size / 1e3:.0f} kB published), {loading}"
        counted = f"{gathering:.2f} s to count what is new, {again * 1e3:.0f} ms when nothing is"
        stack.line(f"{n:,}", f"{told}, {counted}", f"{first:.0f} kB at {STEPS[0]}", first / each)
    _asked(state)
    _served(next(iter(parts.values())).table)


def _before(n: int) -> int:
    """Campaigns that were there before the step to `n`."""
    place = STEPS.index(n)
    return STEPS[place - 1] if place else 0


def _believed(seed: int) -> Beta:
    rng = np.random.default_rng(seed)
    items = tuple(f"sku-{seed:04}-{i:04}" for i in range(ITEMS))
    return Beta(items, 0.5 + rng.gamma(1, 3, ITEMS), 99 + rng.gamma(1, 300, ITEMS))


def _rows(seed: int) -> draws.Rows:
    return draws.table(Policy(), _believed(seed), None, draws.generators(seed), DEPTH)


def _payload(i: int, rows: draws.Rows) -> bytes:
    """The bytes of one campaign, with items and beliefs of its own, each scenario having one."""
    believed = _believed(i)
    words = [[f"{kind}-{j % many}" for j in range(ITEMS)] for kind, many in (("m", 97), ("c", 10), ("at", 20))]
    tags = listed([[f"tag-{j % 7}"] for j in range(ITEMS)])
    pool = Pool(believed.items, columned(words[0]), columned(words[1]), columned(words[2]), tags)
    packed, of = beliefs.pack(believed.arrays()), rows.astype("<u2").tobytes()
    table = Drawn(i + 1, "", "learned", i % DRAWN, 0, "beta", packed, b"", "thompson", 0.1, DEPTH, of)
    given = (f"c-{i}", f"s-{i}", tuple(range(1, SLOTS + 1)), None, 0.05, 1, "", "user_id", 0, 0)
    return msgspec.msgpack.encode(Part(*given, (pool,), (table,)))


def _asked(state: section.State) -> None:
    """One answer, of a campaign among a thousand."""
    asked: dict[str, dict[str, Any]] = {"asked": {}, "filtered": {"eligible": {"category": ["c-3"]}}}
    for name, more in asked.items():
        requests = [
            Request(unit={"user_id": "u"}, scenario=f"s-{i % len(state)}", trace_id=f"t-{i}", at=AT, **more)
            for i in range(CALLS)
        ]
        each = min(_timed(lambda asked=requests: _decided(state, asked))[0] for _ in range(3)) / CALLS * 1e6  # type: ignore[misc]
        stack.line(name, f"{each:.1f} us for the {SLOTS} slots of an answer", "1 ms", 1e3 / each)


def _decided(state: section.State, requests: list[Request]) -> None:
    for request in requests:
        section.decide(state, request, {"experiments": [], "parameters": {}})


def _replayed(table: Table, limits: Filter) -> None:
    table.counted.clear()
    slots.propensities(table, SLOTS, limits)


def _served(table: Table) -> None:
    """A filter, the cap and the floor on: how far frequencies lie from what is logged, in standard errors."""
    limits = Filter({"category": frozenset({"c-3", "c-4"})}, frozenset(table.items[3:40]))
    replay = min(_timed(lambda: _replayed(table, limits))[0] for _ in range(9)) * 1e3
    stack.line("replay", f"{replay:.2f} ms under a new filter", "at most 5 ms", 5 / replay)
    told, counts = slots.propensities(table, SLOTS, limits), np.zeros((SLOTS, ITEMS))
    places = range(SLOTS)
    for trace in range(DECISIONS):
        counts[places, [pick.item for pick in slots.choose(table, f"t-{trace}", SLOTS, limits)[1]]] += 1
    some = told > 0
    error = np.sqrt(told[some] * (1 - told[some]) / DECISIONS)
    furthest = float((np.abs(counts[some] / DECISIONS - told[some]) / error).max())
    outside = f"{int(counts[~some].sum())} where it says never"
    told_so = f"furthest of {int(some.sum())} comparisons: {furthest:.2f} standard errors, {outside}"
    stack.line("decisions", told_so, "at most 4 standard errors", 4 / furthest)


def _resident() -> float:
    """Memory of this process, in kB."""
    status = Path("/proc/self/status").read_text(encoding="ascii")
    return float(next(line.split()[1] for line in status.splitlines() if line.startswith("VmRSS")))


def _timed(work: Callable[[], T]) -> tuple[float, T]:
    began = time.perf_counter()
    made = work()
    return time.perf_counter() - began, made
