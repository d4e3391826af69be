"""A lake of a shop's events: three arms, who was exposed when, and what they did two weeks before and after.

Written in pieces, so that its size is bounded by the disk and not by memory.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.random import Generator

from firstlight.lake import table
from firstlight.lake.schema import EVENTS

ARMS = ("control", "din", "dien")
SCENARIOS = ("home", "search", "cart")  # the experiment runs in the first two
START = datetime(2026, 11, 1, tzinfo=UTC)
DAYS = 14  # of the experiment, and as many before it
DAY = 86_400_000_000  # in microseconds
EVENTS_PER_UNIT = 20
PIECE = 1_000_000
SHARES = {
    "exposure": 0.06,
    "decision": 0.06,
    "impression": 0.62,
    "click": 0.10,
    "visit": 0.10,
    "cart": 0.036,
    "order": 0.02,
    "refund": 0.004,
}


@dataclass(frozen=True, slots=True)
class Crowd:
    """Who is in the experiment: arm and first exposure of each unit."""

    arm: Any  # positions
    first: Any  # microseconds after the start


def fill(n: int, rng: Generator) -> None:
    """About n events of n / 20 units; of every unit its first exposure, so that each is in the experiment.

    What happened on the last day comes last, hour by hour.
    """
    units = n // EVENTS_PER_UNIT
    crowd = Crowd(rng.integers(0, len(ARMS), units), rng.integers(0, DAYS * DAY, units))
    firsts = np.array_split(np.arange(units), max(1, n // PIECE))
    last_day, late = (START + timedelta(days=DAYS - 1)).date(), []
    for number, first in enumerate(firsts, 1):
        rows = _piece(number, first, min(n, PIECE), crowd, rng)
        is_last = pc.equal(rows["day"], pa.scalar(last_day))
        late.append(rows.filter(is_last))
        table.append(number, rows.filter(pc.invert(is_last)))
    rows = pa.concat_tables(late)
    hours = pc.hour(rows["at"])
    for number, hour in enumerate(range(24), len(firsts) + 1):
        mine = rows.filter(pc.equal(hours, hour))
        table.append(number, _with(mine, "batch", pa.array(np.full(mine.num_rows, number))))


def _piece(number: int, first: Any, size: int, crowd: Crowd, rng: Generator) -> pa.Table:
    sizes = {kind: int(share * size) for kind, share in SHARES.items()}
    parts = [_events("exposure", first, crowd.first[first], crowd, rng)]
    for kind, n in (sizes | {"exposure": max(0, sizes["exposure"] - len(first))}).items():
        unit = rng.integers(0, len(crowd.arm), n)
        parts.append(_events(kind, unit, _moments(kind, crowd.first[unit], rng), crowd, rng))
    rows = pa.concat_tables(parts)
    names = pa.array(np.arange(rows.num_rows)).cast("string")
    rows = _with(rows, "event_id", pc.binary_join_element_wise(str(number), names, "-"))
    return _with(rows, "batch", pa.array(np.full(rows.num_rows, number))).take(rng.permutation(rows.num_rows))


def _with(rows: pa.Table, name: str, column: Any) -> pa.Table:
    at = EVENTS.get_field_index(name)
    return rows.set_column(at, EVENTS.field(name), column)


def _moments(kind: str, first: Any, rng: Generator) -> Any:
    """Microseconds after the start: exposures again within days of the first, all else at any time."""
    if kind in ("exposure", "decision"):
        return first + rng.exponential(2 * DAY, len(first)).astype("int64")
    return rng.integers(-DAYS * DAY, DAYS * DAY, len(first))


def _events(kind: str, unit: Any, at: Any, crowd: Crowd, rng: Generator) -> pa.Table:
    n = len(unit)
    when = np.datetime64(START.replace(tzinfo=None), "us") + np.minimum(at, DAYS * DAY - 1).astype("timedelta64[us]")
    columns = {
        "event_id": pa.repeat("", n),
        "type": pa.repeat(kind, n),
        "at": pa.array(when),
        "day": pa.array(when.astype("datetime64[D]")),
        "batch": pa.repeat(0, n),
        "user_id": pc.binary_join_element_wise("u", pa.array(unit + 10_000_000).cast("string"), "-"),
        "scenario": _picked(SCENARIOS, rng.integers(0, len(SCENARIOS), n)),
        **_particulars(kind, n, crowd.arm[unit], rng),
    }
    return pa.table(
        [columns[f.name].cast(f.type) if f.name in columns else pa.nulls(n, f.type) for f in EVENTS], schema=EVENTS
    )


def _particulars(kind: str, n: int, arm: Any, rng: Generator) -> dict[str, Any]:
    if kind == "exposure":
        return {"experiment": pa.repeat("ranker", n), "variant": _picked(ARMS, arm), "phase": pa.repeat(1, n)}
    if kind == "decision":
        return {"assignments": _assignments(n, arm)}
    if kind in ("order", "refund"):
        value = pa.array(np.round(rng.lognormal(3, 1, n), 2)).cast(pa.decimal128(18, 4))
        return {"value": value, "currency": pa.repeat("INR", n), "order_id": pa.array(np.arange(n).astype(str))}
    items = pa.array([f"sku-{i}" for i in range(2_000)])
    return {"item_id": items.take(pa.array(rng.integers(0, 2_000, n))), "position": pa.array(rng.integers(1, 20, n))}


def _assignments(n: int, arm: Any) -> pa.Array:
    """Each decision assigns two experiments, of which ours is one."""
    both = [
        _picked(("ranker", "other"), np.tile([0, 1], n)),
        _picked(ARMS, np.repeat(arm, 2)),
        pa.array(np.ones(2 * n, "int32")),
    ]
    met = pa.StructArray.from_arrays(both, ["experiment", "variant", "phase"])
    return pa.ListArray.from_arrays(pa.array(np.arange(0, 2 * n + 1, 2, dtype="int32")), met)


def _picked(words: Sequence[str], positions: Any) -> pa.Array:
    return pa.array(words).take(pa.array(positions))
