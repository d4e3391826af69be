"""What `metrics.read` should find, by plain loops over plain rows: the independent way."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pyarrow as pa

from firstlight.kernel.moments import Moments
from firstlight.lake.schema import EVENTS
from firstlight.metrics.definitions import Definition, Filter, Source
from firstlight.metrics.read import Exposures

Row = Mapping[str, Any]


def table(rows: Iterable[Row]) -> pa.Table:
    """Events of the lake; what a row does not say is null."""
    full = [{"event_id": str(i), "batch": 1, "day": row["at"].date(), **row} for i, row in enumerate(rows)]
    return pa.Table.from_pylist(full, schema=EVENTS)


def exposed(rows: Sequence[Row], exposures: Exposures) -> tuple[dict[str, tuple[str, datetime]], int]:
    """unit -> (arm, first exposure), and how many units met several arms."""
    met: dict[str, list[tuple[str, datetime]]] = {}
    for row in rows:
        at, unit = row["at"].replace(tzinfo=UTC), row.get(exposures.unit)
        if row["type"] == "exposure":
            said = [row]
        elif row["type"] == "decision":
            said = row.get("assignments") or []
        else:
            continue
        for one in said:
            ours = one.get("experiment") == exposures.experiment and one.get("phase") in (None, exposures.phase)
            if unit is not None and ours and one.get("variant") in exposures.arms and at in exposures.window:
                met.setdefault(unit, []).append((one["variant"], at))
    single = {unit: several for unit, several in met.items() if len({arm for arm, _ in several}) == 1}
    return {unit: min(several, key=lambda m: m[1]) for unit, several in single.items()}, len(met) - len(single)


def values(
    rows: Sequence[Row], definition: Definition, exposures: Exposures
) -> dict[tuple[str, Any], list[list[float]]]:
    """(arm, day of first exposure) -> per unit its numerator, and denominator of a ratio."""
    first, _ = exposed(rows, exposures)
    mine: dict[str, list[Row]] = {unit: [] for unit in first}
    for row in rows:
        if row.get(exposures.unit) in mine:
            mine[row[exposures.unit]].append(row)
    cells: dict[tuple[str, Any], list[list[float]]] = {}
    for unit, (arm, at) in first.items():
        found = [_total(mine[unit], source, definition, exposures, at) for source in definition.sources]
        cells.setdefault((arm, at.date()), []).append(found)
    return cells


def moments(rows: Sequence[Row], definition: Definition, exposures: Exposures) -> dict[tuple[str, Any], Moments]:
    return {cell: Moments.of(np.array(found)) for cell, found in values(rows, definition, exposures).items()}


def of_arm(rows: Sequence[Row], definition: Definition, exposures: Exposures, arm: str) -> Moments:
    """From all units of the arm at once, no merging."""
    cells = values(rows, definition, exposures).items()
    return Moments.of(np.array([unit for (one, _), found in cells if one == arm for unit in found]))


def _total(rows: Sequence[Row], source: Source, definition: Definition, exposures: Exposures, since: datetime) -> float:
    total = 0.0
    for row in rows:
        at = row["at"].replace(tzinfo=UTC)
        if row["type"] != source.event or at < since or at >= (exposures.until or exposures.window.end):
            continue
        if definition.window_hours and at >= since + timedelta(hours=definition.window_hours):
            continue
        if definition.in_scenario and row.get("scenario") not in exposures.scenarios:
            continue
        if not all(_passes(row.get(one.field), one) for one in source.filters):
            continue
        counted = source.adds == "count" or definition.kind == "proportion"
        total += 1.0 if counted else float(row.get("value") or 0)
    return float(total > 0) if definition.kind == "proportion" else total


def _passes(found: Any, one: Filter) -> bool:
    if found is None:
        return one.op == "ne"
    wanted: Any = one.value
    asked: dict[str, Callable[[], bool]] = {
        "eq": lambda: bool(found == wanted),
        "ne": lambda: bool(found != wanted),
        "in": lambda: found in wanted,
        "gt": lambda: bool(found > wanted),
        "ge": lambda: bool(found >= wanted),
        "lt": lambda: bool(found < wanted),
        "le": lambda: bool(found <= wanted),
    }
    return asked[one.op]()
