"""Going on from an earlier reading: what came since is read, and all of those units that are new or exposed otherwise.

Everybody else's sums only grow. A unit whose first exposure turns out to be earlier, or who met another arm, is read
anew, for all that it did counts differently.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import timedelta

import ibis
import pyarrow as pa

from firstlight.metrics.read.counted import columns, counted
from firstlight.metrics.read.exposed import EARLIER, MIXED, attribute_slices, first_exposures, joined
from firstlight.metrics.read.layout import Asked, Layout
from firstlight.metrics.read.sums import Keep, Sums, finished, join_events
from firstlight.metrics.read.values import Exposures


@dataclass(frozen=True, slots=True)
class Before:
    """What an earlier reading kept."""

    units: ibis.Table  # id, unit, arm, exposed_at, day, segments, and the sums that grow by each event
    joined: ibis.Table | None  # the events behind them; None where nothing but these sums is asked for
    next_id: int
    scenarios: Sequence[str] | None  # what their numbers in `joined` stand for; None: names stand there
    totals: dict[str, float]


def sums(
    before: Before,
    events: ibis.Table,
    later: ibis.Table,
    asked: Asked,
    *,
    keep: Keep,
    keep_events: Keep,
    scenarios: Sequence[str] | None,
) -> Sums:
    """As `sums.sums` gives them of all `events`, of which `later` are those that the reading before had not."""
    layout, exposures = asked.layout, asked.exposures
    fresh = keep(_fresh(before, first_exposures(later, exposures), exposures))
    own = keep(_own(events, fresh, layout, exposures))
    new, was = fresh.drop("was"), fresh.filter(fresh.was.notnull()).was.to_pyarrow().to_pylist()
    # Narrow here and whole below: an engine works out once, and holds, what a query names twice.
    settled = without(before.units.select("id", "unit", "arm", "exposed_at"), was)
    grown = counted(later, layout, exposures, each=False)
    anew = counted(own, layout, exposures, each=False)
    read = keep_events(
        join_events(settled, grown, layout, exposures, scenarios).union(
            join_events(new, anew, layout, exposures, scenarios)
        )
    )
    nothing = {name: ibis.literal(0.0) for name in before.units.columns if name not in new.columns}
    first = without(before.units, was).union(new.mutate(**nothing).select(before.units.columns))
    every = read if before.joined is None else without(before.joined, was).union(read)
    return replace(finished(first, read, every, asked, scenarios), replaced=tuple(was))


def _fresh(before: Before, seen: ibis.Table, exposures: Exposures) -> ibis.Table:
    """Units to be read whole, under new numbers, as they are known now; `was`: the number they had, if any."""
    segments = [one.key for one in attribute_slices(exposures)]
    met = seen.left_join(before.units.select("id", "unit", "arm", "exposed_at", *segments), "unit")
    first = met.id.isnull() | (met.exposed_at < met.exposed_at_right)
    settled = (met.arm_right == EARLIER) | ((met.arm_right == MIXED) & (met.arm != EARLIER))
    is_other = (met.arm != met.arm_right) & ~settled
    found = met.mutate(first=first).filter(first | is_other)
    exposed_at = found.first.ifelse(found.exposed_at, found.exposed_at_right)
    return found.select(
        id=(ibis.row_number() + before.next_id).cast("int32"),
        unit=found.unit,
        arm=found.id.isnull().ifelse(found.arm, joined(found.arm, found.arm_right)),
        exposed_at=exposed_at,
        day=exposed_at.date(),
        was=found.id,
        **{name: found.first.ifelse(found[name], found[f"{name}_right"]) for name in segments},
    )


def _own(events: ibis.Table, fresh: ibis.Table, layout: Layout, exposures: Exposures) -> ibis.Table:
    """All that may count of these units; of any type, for to ask for it of every event takes longer than the join."""
    first = fresh.exposed_at.min().to_pyarrow().as_py()
    rows = events.select(*columns(layout, exposures))
    if first is None:
        return rows.filter(ibis.literal(False))
    since = (first - timedelta(days=exposures.pre_days)).date()
    return rows.filter(rows.day >= since).semi_join(fresh, rows[exposures.unit] == fresh.unit)


def without(rows: ibis.Table, ids: Sequence[int]) -> ibis.Table:
    """Rows of other units than these."""
    if not ids:
        return rows
    gone = ibis.memtable(pa.table({"gone": pa.array(ids, pa.int32())}))
    return rows.anti_join(gone, rows.id == gone.gone)
