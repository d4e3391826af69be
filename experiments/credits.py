"""Of an interleaving: which ranker each unit's clicks, carts or orders speak for. One Ibis expression per metric.

Both rankers share one list, so an event credits the ranker whose item it was: it carries `experiment` and `variant`.
"""

from collections.abc import Mapping, Sequence
from functools import reduce
from typing import Any

import ibis
import numpy as np

from experiments.reading.given import Credits
from firstlight.kernel.moments import Moments
from firstlight.metrics.definitions import Definition
from firstlight.metrics.read import Exposures
from firstlight.metrics.read.exposed import within
from firstlight.metrics.read.sums import holds_for


def count(events: ibis.Table, definitions: Sequence[Definition], exposures: Exposures) -> dict[str, dict[str, Credits]]:
    """metric -> treatment -> credits. A metric's numerator says which events count, each once."""
    control, *treatments = exposures.arms
    return {
        one.key: {arm: _credits(_counted(events, one, exposures), control, arm) for arm in treatments}
        for one in definitions
        if one.kind != "funnel"
    }


def _counted(events: ibis.Table, definition: Definition, exposures: Exposures) -> ibis.Table:
    rows = events.filter(
        events["type"] == definition.numerator.event,
        events["experiment"] == exposures.experiment,
        (events["phase"] == exposures.phase) | events["phase"].isnull(),
        events[exposures.unit].notnull(),
        within(events["at"], exposures.window.start, exposures.end),
    )
    kept = reduce(lambda found, one: found.filter(holds_for(found[one.field], one)), definition.numerator.filters, rows)
    return kept.select(unit=kept[exposures.unit], team=kept["variant"])


def _credits(rows: ibis.Table, control: str, treatment: str) -> Credits:
    per_unit = rows.group_by("unit").aggregate(
        c=rows.count(where=rows.team == control).cast("float64"),
        t=rows.count(where=rows.team == treatment).cast("float64"),
    )
    met = per_unit.filter((per_unit.c > 0) | (per_unit.t > 0))
    found: dict[str, Any] = {"n": met.count(), "wins": (met.t > met.c).sum(), "losses": (met.t < met.c).sum()}
    for side in ("c", "t"):
        found |= {f"mean_{side}": met[side].mean(), f"var_{side}": met[side].var(how="pop")}
    (row,) = met.aggregate(**found).to_pyarrow().to_pylist()
    return Credits(_moments(row, "c"), _moments(row, "t"), int(row["wins"] or 0), int(row["losses"] or 0))


def _moments(row: Mapping[str, Any], side: str) -> Moments:
    n = int(row["n"])
    if n == 0:
        return Moments.empty(1)
    return Moments(n, np.array([row[f"mean_{side}"]]), np.array([[row[f"var_{side}"] * n]]))
