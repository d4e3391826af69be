"""From one row per unit to moments per arm and whatever the units are grouped by."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import ibis
import numpy as np

from firstlight.kernel.moments import Moments
from firstlight.metrics.definitions import Definition
from firstlight.metrics.read.sums import Layout

Quantities = tuple[str, ...]  # names of columns of the unit table


@dataclass(frozen=True, slots=True)
class Quantity:
    """One number of each unit: a column, turned into 0 or 1 or cut at a cap."""

    column: str
    share: bool = False
    cap: float | None = None

    @property
    def name(self) -> str:
        return self.column + ("_any" if self.share else "") + ("" if self.cap is None else f"_{abs(hash(self.cap))}")

    def of(self, units: ibis.Table) -> Any:
        found = units[self.column]
        if self.share:
            return (found > 0).cast("float64")
        return found if self.cap is None else ibis.least(found, ibis.literal(self.cap))


def quantities(one: Definition, layout: Layout, *, pre: bool, cap: float | None = None) -> list[Quantity]:
    """value[, denominator][, their pre-exposure sums, is_new], where the metric counts."""
    if one.kind == "funnel":
        i = layout.funnels.index(one)
        found = [Quantity(f"f{i}_2"), Quantity(f"f{i}_1")]
        return [*found, Quantity("is_new")] if pre else found
    place = "l" if one.in_scenario else "g"
    found = _of(one, layout, place, cap)
    return [*found, *_of(one, layout, f"p{place}", cap), Quantity("is_new")] if pre else found


def both(one: Definition, layout: Layout, cap: float | None = None) -> list[Quantity]:
    """Local and global, side by side."""
    if one.kind == "funnel":
        return []
    return [*_of(one, layout, "l", cap), *_of(one, layout, "g", cap)]


def _of(one: Definition, layout: Layout, place: str, cap: float | None) -> list[Quantity]:
    share = one.kind in ("proportion", "retention")
    return [Quantity(f"{place}{i}", share, cap if j == 0 else None) for j, i in enumerate(layout.metrics[one.key])]


def columns(one: Definition, *, pre: bool) -> tuple[str, ...]:
    names = ("value", "denominator") if one.kind in ("ratio", "funnel") else ("value",)
    if not pre:
        return names
    return (*names, "is_new") if one.kind == "funnel" else (*names, *(f"pre_{name}" for name in names), "is_new")


def fold(
    units: ibis.Table,
    keys: Sequence[str],
    wanted: Mapping[str, Sequence[Quantity]],
    among: Mapping[str, Any] | None = None,
) -> dict[str, dict[tuple[Any, ...], Moments]]:
    """Per name the moments of its quantities in each group; population moments times n, for n = 1 has them too.

    `among` has for some names a condition on `units`: the others are not counted in that name's moments.
    """
    marks = {name: f"among_{i}" for i, name in enumerate(among or {})}
    conditions = {marks[name]: condition for name, condition in (among or {}).items()}
    every = {(marks.get(key, ""), one): None for key, several in wanted.items() for one in several}
    places = {pair: i for i, pair in enumerate(every)}
    rows = units.select(*keys, **{f"q_{i}": _among(one.of(units), conditions.get(m)) for (m, one), i in places.items()})
    found: dict[str, Any] = {"n": rows.count()}
    for i in places.values():
        q = rows[f"q_{i}"]
        found |= {f"n_{i}": q.count(), f"mean_{i}": q.mean(), f"var_{i}": q.var(how="pop")}
    at = {key: [places[marks.get(key, ""), one] for one in several] for key, several in wanted.items()}
    for i, j in _pairs(at.values()):
        found[f"cov_{i}_{j}"] = rows[f"q_{i}"].cov(rows[f"q_{j}"], how="pop")
    table = rows.group_by(*keys).aggregate(**found).to_pyarrow().to_pylist()
    return {
        name: {tuple(row[key] for key in keys): _moments(row, several) for row in table if row[f"n_{several[0]}"]}
        for name, several in at.items()
    }


def _among(quantity: Any, condition: Any | None) -> Any:
    """Null is in no moment."""
    return quantity if condition is None else condition.ifelse(quantity, ibis.null("float64"))


def _pairs(wanted: Iterable[Sequence[int]]) -> list[tuple[int, int]]:
    return sorted({(min(i, j), max(i, j)) for several in wanted for i in several for j in several if i != j})


def _moments(row: Mapping[str, Any], places: Sequence[int]) -> Moments:
    products = [[row[f"var_{i}"] if i == j else row[f"cov_{min(i, j)}_{max(i, j)}"] for j in places] for i in places]
    n = row[f"n_{places[0]}"]
    return Moments(n, np.array([row[f"mean_{i}"] for i in places]), np.array(products) * n)


def with_zeros(present: Moments, n: int) -> Moments:
    """Those of `n` units, of which the others have nothing but zeros."""
    k = len(present.mean)
    return present + Moments(n - present.n, np.zeros(k), np.zeros((k, k)))
