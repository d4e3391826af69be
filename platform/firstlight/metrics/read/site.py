"""How much of the whole site's metric comes from exposed units: what a lift of theirs is worth to all."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import ibis

from firstlight.metrics.definitions import Definition
from firstlight.metrics.read.counted import counted
from firstlight.metrics.read.exposed import naive
from firstlight.metrics.read.sums import Layout
from firstlight.metrics.read.values import Exposures

SUMMED = ("mean", "ratio", "proportion")  # kinds whose numerator is a sum over events


def asked(definitions: Sequence[Definition]) -> list[Definition]:
    """Their numerators as sums over all time: for a proportion events stand for the units that did it."""
    return [
        replace(_bare(one), key=key(one), kind="mean", denominator=None)
        for one in definitions
        if one.kind in SUMMED and one.numerator.adds != "distinct"
    ]


def key(one: Definition) -> str:
    return f"site:{one.key}"


def _bare(one: Definition) -> Definition:
    counts = one.kind == "proportion" and one.numerator.adds != "net"
    source = replace(one.numerator, adds="count") if counts else one.numerator
    uncut = replace(one, numerator=source, cap_value=None, cap_share=None)
    return replace(uncut, delay_hours=0, window_hours=None, maturity_hours=0)


def totals(events: ibis.Table, wanted: Sequence[Definition], exposures: Exposures) -> dict[str, float]:
    """What everybody brought everywhere since the first exposures, by key; it adds up over events."""
    if not wanted:
        return {}
    layout = Layout.of(wanted)
    rows = counted(events, layout, exposures)
    rows = rows.filter(rows.happened_at >= naive(exposures.window.start))
    found = {f"all_{i}": _worth(rows, i, side.worth).sum() for i, side in enumerate(layout.sides)}
    (row,) = rows.aggregate(**found).to_pyarrow().to_pylist()
    return {one.key: float(row[f"all_{layout.metrics[one.key][0]}"] or 0.0) for one in wanted}


def _worth(rows: ibis.Table, i: int, column: str | None) -> Any:
    """What an event adds, 0 where it does not count."""
    worth = ibis.literal(1.0) if column is None else rows[column]
    return rows[f"c{i}"].ifelse(worth, ibis.literal(0.0))


def shares(
    units: ibis.Table, definitions: Sequence[Definition], layout: Layout, totals: Mapping[str, float]
) -> dict[str, float]:
    """By metric, what units did once they were exposed, where it counts, over what all did everywhere.

    What they did before is touched by no arm. A metric that nobody moves has no share.
    """
    places = {one.key: _column(one, layout) for one in definitions if totals.get(key(one), 0.0) > 0}
    if not places:
        return {}
    sums = {column: units[column].sum() for column in places.values()}
    (row,) = units.aggregate(**sums).to_pyarrow().to_pylist()
    return {one.key: (row[places[one.key]] or 0.0) / totals[key(one)] for one in definitions if one.key in places}


def _column(one: Definition, layout: Layout) -> str:
    return f"{'l' if one.in_scenario else 'g'}{layout.metrics[key(one)][0]}"
