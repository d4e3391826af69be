"""From events to moments: one reading of the lake for all metrics of an experiment, in operations Spark has as well.

first exposures -> join of the events that count -> sums per unit and scenario -> one row per unit, kept -> moments per
arm and day, segment, scenario, age. Every unit walks through it, so n and the zeros need no second reading.
"""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import ibis

from firstlight.kernel.moments import Moments
from firstlight.metrics.definitions import Definition, Source
from firstlight.metrics.read import folded, sums
from firstlight.metrics.read.exposed import MIXED, naive
from firstlight.metrics.read.folded import Quantity
from firstlight.metrics.read.sums import Layout, Sums
from firstlight.metrics.read.values import GROWTH, OTHER, Cells, Exposures, Measured, Quantile, Slice

__all__ = ["GROWTH", "OTHER", "Cells", "Exposures", "Measured", "Quantile", "Slice", "measure", "units"]

DAY = 86_400  # seconds
TOP = 0.999  # the pooled quantile above which units are left out for comparison
Wanted = dict[str, list[Quantity]]

_VISITS = Definition("growth:visits", "mean", Source("visit", "count"), in_scenario=False)
_ORDERS = Definition("growth:orders", "mean", Source("order", "count"), in_scenario=False)
_GROSS = Definition("growth:gross", "mean", Source("order", "value"), in_scenario=False)
_NET = Definition("growth:net", "mean", Source("order", "net"), in_scenario=False)
_OF_GROWTH = (_VISITS, _ORDERS, _GROSS, _NET)


def measure(
    events: ibis.Table, definitions: Sequence[Definition], exposures: Exposures, *, growth: bool = False
) -> Measured:
    """Moments of every metric, n included, of all units exposed in the window; a total is the sum of its days.

    `events` has the columns of `lake.schema.EVENTS`. An event counts from the moment of the unit's first exposure on;
    with `pre_days` also what each unit did before it, as covariates. `growth` adds the factors of value per unit.
    """
    layout = Layout.of([*definitions, *(_OF_GROWTH if growth else ())])
    sql = str(ibis.to_sql(sums.sums(events, layout, exposures).units))
    read = sums.sums(events, layout, exposures, _kept)
    kept = read.units
    mixed = int(kept.filter(kept.arm == MIXED).count().to_pyarrow().as_py())
    found = _Reader(definitions, layout, exposures, kept.filter(kept.arm != MIXED), read)
    units = {arm: found.n.get(i, 0) for i, arm in enumerate(exposures.arms)}
    return Measured(units, mixed, found.cells(), sql, found.growth() if growth else {})


def _kept(table: ibis.Table) -> ibis.Table:
    """Computed once, into a table that ends with the engine's connection (`cache()` cannot drop its own: ibis 12)."""
    return table.get_backend().create_table(ibis.util.gen_name("units"), table, temp=True)


def units(events: ibis.Table, definitions: Sequence[Definition], exposures: Exposures) -> ibis.Table:
    """One row per unit for an export: unit, arm, exposed_at, day, visitor, slices, and `<metric>[.<column>]` each.

    Units that met several arms have none.
    """
    layout = Layout.of(definitions)
    table = sums.sums(events, layout, exposures).units
    pre = exposures.pre_days > 0
    told: dict[str, Any] = {}
    for one in definitions:
        for name, quantity in zip(folded.columns(one, pre=pre), folded.quantities(one, layout, pre=pre), strict=True):
            if name != "is_new":
                told[one.key if name == "value" else f"{one.key}.{name}"] = quantity.of(table)
    arm = ibis.cases(*((table.arm == i, key) for i, key in enumerate(exposures.arms)))
    slices = [one.key for one in sums.attribute_slices(exposures)]
    return table.select("unit", "exposed_at", "day", "visitor", *slices, arm=arm, **told)


def _ripe_after(one: Definition) -> int:
    """Hours after exposure from which a unit counts; 0: at once, its window still open."""
    return (one.window_hours or 0) + one.maturity_hours if one.maturity_hours else 0


def _filled(rows: ibis.Table) -> ibis.Table:
    """A sum over no event is 0."""
    named = [name for name in rows.columns if name[0] == "s" and name[1:].isdigit()]
    return rows.mutate(**{name: rows[name].fill_null(0).cast("float64") for name in named})


def _quantile(rows: ibis.Table, share: float) -> Quantile | None:
    """Of unit, arm, value. None for fewer than two values."""
    n = int(rows.count().to_pyarrow().as_py())
    if n < 2:
        return None
    reach = 1.959963984540054 * (share * (1 - share) / n) ** 0.5
    at = {"value": share, "low": max(share - reach, 0.0), "high": min(share + reach, 1.0)}
    row = rows.aggregate(**{name: rows.value.quantile(q) for name, q in at.items()}).to_pyarrow().to_pylist()[0]
    told = {name: float(x) for name, x in row.items()}
    per_unit = rows.group_by("unit", "arm").aggregate(
        below=(rows.value <= told["value"]).sum().cast("float64"), one=rows.count().cast("float64")
    )
    (moments,) = folded.fold(per_unit, ["arm"], {"q": [Quantity("below"), Quantity("one")]})["q"].values()
    return Quantile(n, share, told["value"], told["low"], told["high"], moments)


class _Reader:
    """The kept unit table, folded in every way that is asked for."""

    def __init__(
        self, definitions: Sequence[Definition], layout: Layout, exposures: Exposures, kept: ibis.Table, read: Sums
    ) -> None:
        self.definitions, self.layout, self.exposures, self.kept, self.read = definitions, layout, exposures, kept, read
        self.pre = exposures.pre_days > 0
        self.arms = exposures.arms
        counts = kept.group_by("arm").aggregate(n=kept.count()).to_pyarrow().to_pylist()
        self.n: dict[int, int] = {row["arm"]: row["n"] for row in counts}
        self.caps = self._caps()

    def cells(self) -> dict[str, Cells]:
        days = self._each(["arm", "day"], self._main)
        segments = self._segments()
        joint = self._each(["arm"], lambda one: folded.both(one, self.layout, self.caps.get(one.key)))
        uncapped = self._each(["arm"], self._uncapped)
        scenarios, ages, tops = self._scenarios(), self._ages(), self._tops()
        quantiles = {one.key: self._quantiles(one) for one in self.definitions if one.kind == "quantile"}
        return {
            one.key: Cells(
                folded.columns(one, pre=self.pre),
                {(self.arms[arm], day): m for (arm, day), m in days[one.key].items()},
                segments.get(one.key, {}),
                scenarios.get(one.key, {}),
                self._named(joint[one.key]),
                ages.get(one.key, {}),
                self._immature(one),
                self.caps.get(one.key),
                self._named(uncapped[one.key]),
                tops.get(one.key, {}),
                quantiles.get(one.key, {}),
            )
            for one in self.definitions
        }

    def growth(self) -> dict[str, Moments]:
        (visits,), (orders,), (gross,), (net,) = (self.layout.metrics[one.key] for one in _OF_GROWTH)
        several = [
            Quantity(f"g{visits}"),
            Quantity(f"g{orders}", share=True),
            Quantity(f"g{orders}"),
            Quantity(f"g{gross}"),
            Quantity(f"g{net}"),
        ]
        return self._named(folded.fold(self.kept, ["arm"], {"growth": several})["growth"])

    def _main(self, one: Definition) -> list[Quantity]:
        return folded.quantities(one, self.layout, pre=self.pre, cap=self.caps.get(one.key))

    def _uncapped(self, one: Definition) -> list[Quantity]:
        return folded.quantities(one, self.layout, pre=self.pre) if one.key in self.caps else []

    def _each(self, keys: list[str], wanted: Any) -> dict[str, dict[tuple[Any, ...], Moments]]:
        """Folded once per maturity: an unripe unit is in no number of such a metric."""
        found: dict[str, dict[tuple[Any, ...], Moments]] = {one.key: {} for one in self.definitions}
        for hours in sorted({_ripe_after(one) for one in self.definitions}):
            asked = {one.key: q for one in self.definitions if _ripe_after(one) == hours and (q := wanted(one))}
            if asked:
                found |= folded.fold(self._ripe(hours), keys, asked)
        return found

    def _ripe(self, hours: int) -> ibis.Table:
        if not hours:
            return self.kept
        return self.kept.filter(self.kept.exposed_at <= naive(self.exposures.end - timedelta(hours=hours)))

    def _segments(self) -> dict[str, dict[tuple[str, str, str], Moments]]:
        found: dict[str, dict[tuple[str, str, str], Moments]] = {one.key: {} for one in self.definitions}
        for one in self.exposures.slices:
            if one.of == "unit":
                name = "visitor" if one.field == "visitor" else one.key
                for key, groups in self._each(["arm", name], self._main).items():
                    found[key] |= {(one.key, str(seg), self.arms[arm]): m for (arm, seg), m in groups.items()}
            else:
                rows = sums.by_dimension(self.read.joined, self.layout, f"segment_{one.key}")
                for key, groups in self._parts(rows).items():
                    found[key] |= {(one.key, str(seg), arm): m for (seg, arm), m in groups.items()}
        return found

    def _scenarios(self) -> dict[str, dict[tuple[str, str], Moments]]:
        rows = self.read.by_scenario.rename(segment="scenario")
        return {
            key: {(str(scenario), arm): m for (scenario, arm), m in groups.items()}
            for key, groups in self._parts(rows).items()
        }

    def _ages(self) -> dict[str, dict[tuple[int, str], Moments]]:
        """Of units that lived through the whole day; the others' part of it is left out."""
        if not self.exposures.ages:
            return {}
        rows = sums.by_age(self.read.joined, self.layout, self.exposures.ages)
        end = naive(self.exposures.end)
        since = self.kept.select("unit", "exposed_at")
        lived = rows.join(since, "unit")
        whole_day = end.delta(lived.exposed_at, unit="second") >= (lived.segment + 1) * DAY
        parts = self._parts(lived.filter(whole_day).drop("exposed_at"), n=self._lived())
        return {
            key: {(int(age), arm): m for (age, arm), m in groups.items() if m.n > 0} for key, groups in parts.items()
        }

    def _lived(self) -> dict[tuple[int, int], int]:
        """(age, arm) -> units that lived through that day."""
        end = naive(self.exposures.end)
        age = self.kept.mutate(days=end.delta(self.kept.exposed_at, unit="second") // DAY)
        rows = age.group_by("arm", "days").aggregate(n=age.count()).to_pyarrow().to_pylist()
        return {
            (day, arm): sum(row["n"] for row in rows if row["arm"] == arm and row["days"] > day)
            for day in range(self.exposures.ages)
            for arm in range(len(self.arms))
        }

    def _parts(
        self, rows: ibis.Table, n: dict[tuple[int, int], int] | None = None
    ) -> dict[str, dict[tuple[Any, str], Moments]]:
        """Of sums per unit and segment: who has none there counts with zeros, so n is that of all units."""
        wanted = {one.key: self._part(one) for one in self.definitions}
        wanted = {key: several for key, several in wanted.items() if several}
        present = folded.fold(_filled(rows.filter(rows.arm != MIXED)), ["segment", "arm"], wanted) if wanted else {}
        return {
            key: {
                (segment, self.arms[arm]): folded.with_zeros(m, self.n[arm] if n is None else n.get((segment, arm), 0))
                for (segment, arm), m in groups.items()
                if n is None or n.get((segment, arm), 0) >= m.n
            }
            for key, groups in present.items()
        }

    def _part(self, one: Definition) -> list[Quantity]:
        """As summed within one segment; counts of distinct values, funnels and unripe units do not come in parts."""
        places = self.layout.metrics.get(one.key, ())
        if not places or _ripe_after(one) or any(self.layout.sides[i].is_distinct for i in places):
            return []
        share = one.kind in ("proportion", "retention")
        return [Quantity(f"s{i}", share, self.caps.get(one.key) if j == 0 else None) for j, i in enumerate(places)]

    def _caps(self) -> dict[str, float]:
        found = {one.key: one.cap_value for one in self.definitions if one.cap_value is not None}
        asked = {one.key: one for one in self.definitions if one.cap_share and one.key not in found}
        if not asked:
            return found
        exprs = {key: self._quantile_of(one, one.cap_share or 1.0) for key, one in asked.items()}
        row = self.kept.aggregate(**exprs).to_pyarrow().to_pylist()[0]
        return found | {key: float(value) for key, value in row.items() if value is not None}

    def _quantile_of(self, one: Definition, share: float) -> Any:
        value = folded.quantities(one, self.layout, pre=False)[0].of(self.kept)
        return value.quantile(share, where=value != 0)

    def _tops(self) -> dict[str, dict[str, Moments]]:
        """Without the units beyond the pooled quantile `TOP`; only where a sum is counted, for a share has no tail."""
        heavy = [one for one in self.definitions if one.kind in ("mean", "ratio")]
        if not heavy:
            return {}
        values = {one.key: self._main(one)[0] for one in heavy}
        row = self.kept.aggregate(**{key: q.of(self.kept).quantile(TOP) for key, q in values.items()})
        edges = row.to_pyarrow().to_pylist()[0]
        return {
            one.key: self._named(
                folded.fold(
                    self.kept.filter(values[one.key].of(self.kept) <= (edges[one.key] or 0.0)),
                    ["arm"],
                    {one.key: self._main(one)},
                )[one.key]
            )
            for one in heavy
        }

    def _quantiles(self, one: Definition) -> dict[str, Quantile]:
        rows = self._ripe_rows(one)
        found = {arm: _quantile(rows.filter(rows.arm == i), one.quantile or 0.5) for i, arm in enumerate(self.arms)}
        return {arm: quantile for arm, quantile in found.items() if quantile is not None}

    def _ripe_rows(self, one: Definition) -> ibis.Table:
        """unit, arm, value: of every ripe unit its sum, or of every single event of theirs what it is worth."""
        units = self._ripe(_ripe_after(one))
        if one.per == "unit":
            return units.select("unit", "arm", value=folded.quantities(one, self.layout, pre=False)[0].of(units))
        (side,) = self.layout.metrics[one.key]
        here = self.exposures.scenarios if one.in_scenario else None
        return sums.single(self.read.joined, side, self.layout, here).semi_join(units, "unit")

    def _immature(self, one: Definition) -> dict[str, int]:
        hours = _ripe_after(one) or one.window_hours or 0
        if not hours:
            return {}
        open_ = self.kept.filter(self.kept.exposed_at > naive(self.exposures.end - timedelta(hours=hours)))
        rows = open_.group_by("arm").aggregate(n=open_.count()).to_pyarrow().to_pylist()
        return {self.arms[row["arm"]]: row["n"] for row in rows}

    def _named(self, groups: dict[tuple[Any, ...], Moments]) -> dict[str, Moments]:
        return {self.arms[arm]: m for (arm,), m in groups.items()}
