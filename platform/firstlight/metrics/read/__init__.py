"""From events to moments: one reading of the lake for all metrics of an experiment, in operations Spark has as well.

first exposures -> join of the events that count -> sums per unit, kept -> moments per arm and day, segment, scenario,
age. Every unit walks through it, so n and the zeros need no second reading.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import ibis

from firstlight.metrics.definitions import Definition, Source
from firstlight.metrics.read import folded, further, memory, site, sums
from firstlight.metrics.read.exposed import first_exposures
from firstlight.metrics.read.further import Before
from firstlight.metrics.read.layout import Asked
from firstlight.metrics.read.memory import Keeping
from firstlight.metrics.read.reader import Reader
from firstlight.metrics.read.sums import Layout, Sums
from firstlight.metrics.read.values import GROWTH, OTHER, Cells, Exposures, Measured, Quantile, Slice

__all__ = ["GROWTH", "OTHER", "Cells", "Exposures", "Keeping", "Measured", "Quantile", "Slice", "measure", "units"]

MOST_SCENARIOS = 100
_OF_GROWTH = (
    Definition("growth:visits", "mean", Source("visit", "count"), in_scenario=False),
    Definition("growth:orders", "mean", Source("order", "count"), in_scenario=False),
    Definition("growth:gross", "mean", Source("order", "value"), in_scenario=False),
    Definition("growth:net", "mean", Source("order", "net"), in_scenario=False),
)


def measure(
    events: ibis.Table,
    definitions: Sequence[Definition],
    exposures: Exposures,
    *,
    growth: bool = False,
    parts: bool = True,
    others: Sequence[Exposures] = (),
    keeping: Keeping | None = None,
) -> Measured:
    """Moments of every metric, n included, of all units exposed in the window; a total is the sum of its days.

    `events` has the columns of `lake.schema.EVENTS`. An event counts from the moment of the unit's first exposure on;
    with `pre_days` also what each unit did before it, as covariates. `growth` adds the factors of value per unit and
    the shares of the whole site. `others` are experiments whose arms the units are crossed with. Without `parts` the
    moments by day, segments of units, caps and quantiles are all there is: no scenarios, ages, segments of events, nor
    what stands beside them without the largest units. With `keeping` only what came since the last reading is read.
    """
    whole = site.asked(definitions) if growth else []
    layout = Layout.of(definitions, (*_OF_GROWTH, *whole) if growth else ())
    asked = Asked(layout, exposures, parts, events=parts or _reads_events(definitions))
    sql = str(ibis.to_sql(sums.sums(events, layout, exposures, parts=parts).units)) if parts else ""
    earlier = memory.found(keeping, asked) if keeping else None
    if keeping and earlier:
        start, later = memory.before(keeping, earlier, events), keeping.beyond(earlier.covered)
        read = _on(start, events, later, asked)
        totals = _plus(start.totals, site.totals(later, whole, exposures))
    else:
        read = _whole(events, asked)
        totals = site.totals(events, whole, exposures)
    once = not (parts or growth or keeping or exposures.slices) and all(map(_is_plain, definitions))
    found = Reader(definitions, layout, exposures, read, sums.as_it_is if once else _kept, parts=parts)
    if keeping and memory.is_due(earlier, exposures):
        memory.keep(keeping, asked, read, found.units, totals=totals, earlier=earlier)
    return Measured(
        {arm: found.n.get(i, 0) for i, arm in enumerate(exposures.arms)},
        found.mixed,
        found.cells(),
        sql,
        found.growth([layout.metrics[one.key][0] for one in _OF_GROWTH]) if growth else {},
        {other.experiment: found.crossed(first_exposures(events, other), other.arms) for other in others},
        found.earlier,
        site.shares(found.units, definitions, layout, totals) if growth else {},
        earlier.covered.until if earlier else None,
    )


def _whole(events: ibis.Table, asked: Asked) -> Sums:
    names = _scenarios(events) if asked.parts else None
    how: Any = {"keep": _kept, "keep_events": _kept_by_unit if asked.events else sums.as_it_is}
    return sums.sums(events, asked.layout, asked.exposures, parts=asked.parts, scenarios=names, **how)


def _on(start: Before, events: ibis.Table, later: ibis.Table, asked: Asked) -> Sums:
    names = start.scenarios
    if names is not None:
        names = [*names, *sorted(set(_scenarios(later) or ()) - set(names))]
    keep_events = _kept_by_unit if asked.events else sums.as_it_is
    return further.sums(start, events, later, asked, keep=_kept, keep_events=keep_events, scenarios=names)


def _plus(some: Mapping[str, float], more: Mapping[str, float]) -> dict[str, float]:
    return {key: some.get(key, 0.0) + value for key, value in more.items()}


def _reads_events(definitions: Sequence[Definition]) -> bool:
    """Whether some metric needs more of the joined events than one sum per unit."""
    return any(one.kind in ("funnel", "quantile") or one.numerator.adds == "distinct" for one in definitions)


def _kept_by_unit(joined: ibis.Table) -> ibis.Table:
    """In the order of the units: sums per unit then need a third less time, and half of it where memory is short."""
    return _kept(joined.order_by("id"))


def _scenarios(events: ibis.Table) -> list[str] | None:
    """All there are in the lake; None for more than a byte can number."""
    found = events.select(name=events["scenario"].fill_null(OTHER)).distinct().limit(MOST_SCENARIOS + 1).to_pyarrow()
    return found.column("name").to_pylist() if found.num_rows <= MOST_SCENARIOS else None


def _is_plain(one: Definition) -> bool:
    """Whether all that is asked of it are moments, of all units."""
    return one.kind != "quantile" and not one.maturity_hours and one.cap_value is None and not one.cap_share


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
