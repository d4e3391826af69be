"""From events to moments: one reading of the lake for all metrics of an experiment, in operations Spark has as well.

first exposures -> join of the events that count -> sums per unit, kept -> moments per arm and day, segment, scenario,
age. Every unit walks through it, so n and the zeros need no second reading.
"""

from collections.abc import Sequence
from typing import Any

import ibis

from firstlight.metrics.definitions import Definition, Source
from firstlight.metrics.read import folded, sums
from firstlight.metrics.read.reader import Reader
from firstlight.metrics.read.sums import Layout
from firstlight.metrics.read.values import GROWTH, OTHER, Cells, Exposures, Measured, Quantile, Slice

__all__ = ["GROWTH", "OTHER", "Cells", "Exposures", "Measured", "Quantile", "Slice", "measure", "units"]

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
) -> Measured:
    """Moments of every metric, n included, of all units exposed in the window; a total is the sum of its days.

    `events` has the columns of `lake.schema.EVENTS`. An event counts from the moment of the unit's first exposure on;
    with `pre_days` also what each unit did before it, as covariates. `growth` adds the factors of value per unit.
    Without `parts` the moments by day, segments of units, caps and quantiles are all there is: no scenarios, ages,
    segments of events, nor what stands beside them without the largest units.
    """
    layout = Layout.of(definitions, _OF_GROWTH if growth else ())
    sql = str(ibis.to_sql(sums.sums(events, layout, exposures, parts=parts).units))
    keep_events = _kept_by_unit if parts or _reads_events(definitions) else sums.as_it_is
    names = _scenarios(events) if parts else None
    read = sums.sums(events, layout, exposures, keep=_kept, keep_events=keep_events, parts=parts, scenarios=names)
    once = not parts and not growth and not exposures.slices and all(map(_is_plain, definitions))
    found = Reader(definitions, layout, exposures, read, sums.as_it_is if once else _kept, parts=parts)
    units = {arm: found.n.get(i, 0) for i, arm in enumerate(exposures.arms)}
    factors = found.growth([layout.metrics[one.key][0] for one in _OF_GROWTH]) if growth else {}
    return Measured(units, found.mixed, found.cells(), sql, factors)


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
