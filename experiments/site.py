"""How much of the whole site's metric the exposed units bring: what a lift of theirs is worth to all. One Ibis scan."""

from collections.abc import Mapping, Sequence
from typing import Any

import ibis

from firstlight.metrics.definitions import Definition
from firstlight.metrics.read import Exposures
from firstlight.metrics.read.exposed import first_exposures, naive
from firstlight.metrics.read.sums import Layout, Side, counted

SUMMED = ("mean", "ratio", "proportion")  # kinds whose numerator is a sum over events


def shares(
    events: ibis.Table, definitions: Sequence[Definition], exposures: Exposures, *, covered: float
) -> dict[str, float]:
    """Metric -> what exposed units bring where the metric counts, over what everybody brings everywhere, 0 to 1.

    `covered` is the share of the traffic that the experiment lets in: once it is shipped, so many times more are
    exposed. A metric that nobody moves, or that is no sum over events, has none. For a proportion events stand for
    the units that did it.
    """
    asked = [one for one in definitions if one.kind in SUMMED and one.numerator.adds != "distinct"]
    if not asked:
        return {}
    layout = Layout.of(asked)
    rows = counted(events, layout, exposures)
    rows = rows.filter(rows.happened_at >= naive(exposures.window.start))
    units = first_exposures(events, exposures).select("unit").mutate(is_exposed=True)
    met = rows.left_join(units, rows.who == units.unit)
    ours = met.is_exposed.fill_null(False)
    here = met.scenario.isin(exposures.scenarios)
    found: dict[str, Any] = {}
    for n, one in enumerate(asked):
        i = layout.metrics[one.key][0]
        worth = _worth(met, i, layout.sides[i])
        found |= {f"ours_{n}": worth.sum(where=ours & here if one.in_scenario else ours), f"all_{n}": worth.sum()}
    (row,) = met.aggregate(**found).to_pyarrow().to_pylist()
    return {one.key: share for n, one in enumerate(asked) if (share := _share(row, n, covered)) is not None}


def _worth(rows: ibis.Table, i: int, side: Side) -> Any:
    """What an event adds, 0 where it does not count."""
    if side.source.adds == "count":
        return rows[f"c{i}"].cast("float64")
    return rows[f"c{i}"].ifelse(rows[side.worth], 0.0)


def _share(row: Mapping[str, Any], n: int, covered: float) -> float | None:
    ours, everybody = row[f"ours_{n}"] or 0.0, row[f"all_{n}"] or 0.0
    return min(1.0, ours / everybody / covered) if everybody > 0 and covered > 0 else None
