"""The kept table of units, folded in every way that a look asks for."""

from collections.abc import Callable, Mapping, Sequence
from datetime import date, timedelta
from functools import reduce
from operator import add
from typing import Any

import ibis

from firstlight.kernel.moments import Moments
from firstlight.metrics.definitions import Definition
from firstlight.metrics.read import folded, sums
from firstlight.metrics.read.exposed import EARLIER, MIXED, naive
from firstlight.metrics.read.folded import Quantity
from firstlight.metrics.read.quantiles import quantile
from firstlight.metrics.read.sums import DAY, Keep, Layout, Sums
from firstlight.metrics.read.values import Cells, Exposures, Quantile

TOP = 0.999  # the pooled quantile above which units are left out for comparison
CROSSED = ("mean", "proportion", "retention", "ratio")
Groups = dict[tuple[Any, ...], Moments]
Wanted = Callable[[Definition], list[Quantity]]


class Reader:
    """Of one experiment: its units, and the events behind them."""

    def __init__(
        self,
        definitions: Sequence[Definition],
        layout: Layout,
        exposures: Exposures,
        read: Sums,
        keep: Keep,
        *,
        parts: bool,
    ) -> None:
        self.definitions, self.layout, self.exposures, self.read = definitions, layout, exposures, read
        self.parts = parts
        self.pre = exposures.pre_days > 0
        self.arms = exposures.arms
        self.n, self.open = self._counts()
        self.mixed, self.earlier = self.n.pop(MIXED, 0), self.n.pop(EARLIER, 0)
        self.units = keep(read.units)
        self.kept = self.units.filter(self.units.arm >= 0)
        self.caps = self._caps()

    def cells(self) -> dict[str, Cells]:
        days, joint = self._days()
        segments, scenarios, ages, tops = self._segments(), self._scenarios(), self._ages(), self._tops()
        uncapped = self._each(["arm"], self._uncapped)
        quantiles = {one.key: self._quantiles(one) for one in self.definitions if one.kind == "quantile"}
        unpriced = self._unpriced()
        return {
            one.key: Cells(
                folded.columns(one, pre=self.pre),
                days[one.key],
                segments.get(one.key, {}),
                scenarios.get(one.key, {}),
                joint.get(one.key, {}),
                ages.get(one.key, {}),
                self._immature(one),
                self.caps.get(one.key),
                self._named(uncapped[one.key]),
                tops.get(one.key, {}),
                quantiles.get(one.key, {}),
                unpriced.get(one.key, 0),
            )
            for one in self.definitions
        }

    def growth(self, sides: Sequence[int]) -> dict[str, Moments]:
        """Of visits, whether it bought, orders, gross and net value: `sides` of visits, orders, gross, net."""
        visits, orders, gross, net = sides
        several = [
            Quantity(f"g{visits}"),
            Quantity(f"g{orders}", share=True),
            Quantity(f"g{orders}"),
            Quantity(f"g{gross}"),
            Quantity(f"g{net}"),
        ]
        return self._named(folded.fold(self.kept, ["arm"], {"growth": several})["growth"])

    def crossed(self, first: ibis.Table, arms: Sequence[str]) -> dict[str, dict[tuple[str, str], Moments]]:
        """By metric, arm and the arm of another experiment, of units that met one of each: value[, denominator]."""
        met = first.filter(first.arm >= 0).select(member=first.unit, other=first.arm)
        both = self.kept.join(met, self.kept.unit == met.member)
        asked = [one for one in self.definitions if one.kind in CROSSED]
        wanted = {one.key: folded.quantities(one, self.layout, pre=False) for one in asked}
        found = folded.fold(both, ["arm", "other"], wanted) if wanted else {}
        return {key: {(self.arms[arm], arms[o]): m for (arm, o), m in groups.items()} for key, groups in found.items()}

    def _counts(self) -> tuple[dict[int, int], dict[int, dict[int, int]]]:
        """Units by arm, and hours -> arm -> those whose exposure is not that long ago."""
        first = self.read.first
        hours = sorted({_open_for(one) for one in self.definitions} - {0})
        late = {f"open_{h}": (first.exposed_at > self._before_end(h)).sum() for h in hours}
        rows = first.group_by("arm").aggregate(n=first.count(), **late).to_pyarrow().to_pylist()
        open_ = {h: {row["arm"]: row[f"open_{h}"] for row in rows if row["arm"] >= 0} for h in hours}
        return {row["arm"]: row["n"] for row in rows}, open_

    def _immature(self, one: Definition) -> dict[str, int]:
        return {self.arms[arm]: n for arm, n in self.open.get(_open_for(one), {}).items() if n}

    def _before_end(self, hours: int) -> Any:
        return naive(self.exposures.end - timedelta(hours=hours))

    def _main(self, one: Definition) -> list[Quantity]:
        return folded.quantities(one, self.layout, pre=self.pre, cap=self.caps.get(one.key))

    def _uncapped(self, one: Definition) -> list[Quantity]:
        return folded.quantities(one, self.layout, pre=self.pre) if one.key in self.caps else []

    def _days(self) -> tuple[dict[str, dict[tuple[str, date], Moments]], dict[str, dict[str, Moments]]]:
        """By arm and day, and what is both local and everywhere by arm: from one reading of the units."""
        mine = {one.key: len(self._main(one)) for one in self.definitions}
        found = self._each(["arm", "day"], lambda one: [*self._main(one), *self._both(one)])
        days = {
            key: {(self.arms[arm], day): m.take(*range(mine[key])) for (arm, day), m in groups.items()}
            for key, groups in found.items()
        }
        joint = {
            key: _by_arm(groups, self.arms, mine[key])
            for key, groups in found.items()
            if groups and mine[key] < len(next(iter(groups.values())).mean)
        }
        return days, joint

    def _both(self, one: Definition) -> list[Quantity]:
        return folded.both(one, self.layout, self.caps.get(one.key)) if self.parts else []

    def _each(self, keys: list[str], wanted: Wanted) -> dict[str, Groups]:
        """Folded once per maturity: an unripe unit is in no number of such a metric."""
        found: dict[str, Groups] = {one.key: {} for one in self.definitions}
        for hours in sorted({_ripe_after(one) for one in self.definitions}):
            asked = {one.key: q for one in self.definitions if _ripe_after(one) == hours and (q := wanted(one))}
            if asked:
                found |= folded.fold(self._ripe(hours), keys, asked)
        return found

    def _ripe(self, hours: int) -> ibis.Table:
        return self.kept.filter(self.kept.exposed_at <= self._before_end(hours)) if hours else self.kept

    def _segments(self) -> dict[str, dict[tuple[str, str, str], Moments]]:
        found: dict[str, dict[tuple[str, str, str], Moments]] = {one.key: {} for one in self.definitions}
        for one in self.exposures.slices:
            if one.of == "unit":
                name = "visitor" if one.field == "visitor" else one.key
                for key, groups in self._each(["arm", name], self._main).items():
                    found[key] |= {(one.key, str(seg), self.arms[arm]): m for (arm, seg), m in groups.items()}
            elif self.parts:
                for key, cells in self._parts(f"segment_{one.key}").items():
                    found[key] |= {(one.key, str(seg), arm): m for (seg, arm), m in cells.items()}
        return found

    def _scenarios(self) -> dict[str, dict[tuple[str, str], Moments]]:
        found, names = self._parts("scenario") if self.parts else {}, self.read.scenarios
        return {
            key: {(str(where) if names is None else names[where], arm): m for (where, arm), m in cells.items()}
            for key, cells in found.items()
        }

    def _ages(self) -> dict[str, dict[tuple[int, str], Moments]]:
        """Of units that lived through the whole day; the others' part of it is left out."""
        if not self.exposures.ages or not self.parts:
            return {}
        joined, end = self.read.joined, naive(self.exposures.end)
        since = self.kept.select("id", lived=end.delta(self.kept.exposed_at, unit="second"))
        young = joined.filter(joined.age < self.exposures.ages).join(since, "id")
        lived = young.filter(young.lived >= (young.age + 1) * DAY)
        found = self._parts("age", lived, self._lived())
        return {key: {(int(age), arm): m for (age, arm), m in cells.items() if m.n > 0} for key, cells in found.items()}

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
        self, segment: str, joined: ibis.Table | None = None, n: Mapping[tuple[int, int], int] | None = None
    ) -> dict[str, dict[tuple[Any, str], Moments]]:
        """Of sums per unit and segment: who has none there counts with zeros, so n is that of all units."""
        wanted = {one.key: q for one in self.definitions if (q := self._part(one))}
        if not wanted:
            return {}
        among = {i for key in wanted for i in self.layout.metrics[key]}
        rows = sums.by_dimension(self.read.joined if joined is None else joined, self.layout, segment, sorted(among))
        present = folded.fold(_filled(rows.filter(rows.arm >= 0)), ["segment", "arm"], wanted)
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
        heavy = {one.key: self._main(one) for one in self.definitions if one.kind in ("mean", "ratio")}
        if not heavy or not self.parts:
            return {}
        values = {key: several[0].of(self.kept) for key, several in heavy.items()}
        row = self.kept.aggregate(**{key: value.quantile(TOP) for key, value in values.items()})
        edges = row.to_pyarrow().to_pylist()[0]
        below = {key: value <= (edges[key] or 0.0) for key, value in values.items()}
        return {key: self._named(m) for key, m in folded.fold(self.kept, ["arm"], heavy, among=below).items()}

    def _unpriced(self) -> dict[str, int]:
        """Events that should have counted and had no rate on their day, after exposure and in time."""
        joined, found = self.read.joined, {}
        for one in self.definitions:
            sides = [i for i in self.layout.metrics.get(one.key, ()) if self.layout.sides[i].priced]
            lost = [sums.without_worth(joined, i, self.layout, local=one.in_scenario) for i in sides]
            if lost:
                found[one.key] = reduce(add, lost)
        row = joined.aggregate(**found).to_pyarrow().to_pylist()[0] if found else {}
        return {key: int(n or 0) for key, n in row.items()}

    def _quantiles(self, one: Definition) -> dict[str, Quantile]:
        rows = self._ripe_rows(one)
        found = {arm: quantile(rows.filter(rows.arm == i), one.quantile or 0.5) for i, arm in enumerate(self.arms)}
        return {arm: one for arm, one in found.items() if one is not None}

    def _ripe_rows(self, one: Definition) -> ibis.Table:
        """id, arm, value: of every ripe unit its sum, or of every single event of theirs what it is worth."""
        units = self._ripe(_ripe_after(one))
        if one.per == "unit":
            return units.select("id", "arm", value=folded.quantities(one, self.layout, pre=False)[0].of(units))
        (side,) = self.layout.metrics[one.key]
        return sums.single(self.read.joined, side, self.layout, local=one.in_scenario).semi_join(units, "id")

    def _named(self, groups: Groups) -> dict[str, Moments]:
        return {self.arms[arm]: m for (arm,), m in groups.items()}


def _ripe_after(one: Definition) -> int:
    """Hours after exposure from which a unit counts; 0: at once, its window still open."""
    return (one.window_hours or 0) + one.maturity_hours if one.maturity_hours else 0


def _open_for(one: Definition) -> int:
    """Hours after exposure in which a unit's number may still change, or is left out; 0: there is no end to it."""
    return _ripe_after(one) or one.window_hours or 0


def _by_arm(groups: Groups, arms: Sequence[str], start: int) -> dict[str, Moments]:
    """The sum over days of the quantities from `start` on."""
    found: dict[str, list[Moments]] = {}
    for (arm, _), m in groups.items():
        found.setdefault(arms[arm], []).append(m.take(*range(start, len(m.mean))))
    return {arm: reduce(add, several) for arm, several in found.items()}


def _filled(rows: ibis.Table) -> ibis.Table:
    """A sum over no event is 0."""
    named = [name for name in rows.columns if name[0] == "s" and name[1:].isdigit()]
    return rows.mutate(**{name: rows[name].fill_null(0).cast("float64") for name in named})
