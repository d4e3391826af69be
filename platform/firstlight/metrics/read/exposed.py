"""Who was exposed, when first, and to which arm."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import ibis

from firstlight.metrics.read.values import OTHER, Exposures, Slice

MIXED = -1  # stands for the arm of a unit that met several
EARLIER = -2  # of one that met an arm in an earlier phase: what it does now is also what that arm made of it
FORCED = '"forced":true'  # among the properties of an exposure that a client reports: a tester's


def first_exposures(events: ibis.Table, exposures: Exposures) -> ibis.Table:
    """unit, arm (position, MIXED or EARLIER), exposed_at, day, segments."""
    segments = attribute_slices(exposures)
    met = _exposure_events(events, exposures, segments).union(_decisions(events, exposures, segments))
    first = (
        met.filter(met.arm.notnull(), *_is_counted(met, exposures))
        .group_by("unit")
        .aggregate(
            least=lambda t: t.arm.min(),
            most=lambda t: t.arm.max(),
            exposed_at=lambda t: t.met_at.min(),
            **{one.key: _first_of(one) for one in segments},
        )
    )
    return first.select(
        "unit",
        "exposed_at",
        *(one.key for one in segments),
        arm=joined(first.least, first.most),
        day=first.exposed_at.date(),
    )


def joined(one: Any, other: Any) -> Any:
    """The arm of a unit that met both of these: EARLIER before all, for an old arm is not got rid of."""
    earlier, mixed = (ibis.literal(code, "int8") for code in (EARLIER, MIXED))
    return ibis.cases(((one == EARLIER) | (other == EARLIER), earlier), (one == other, one), else_=mixed)


def with_ends(first: ibis.Table, windows: Sequence[int]) -> ibis.Table:
    """And until_h for each window of h hours."""
    return first.mutate(**{f"until_{hours}": first.exposed_at + ibis.interval(hours=hours) for hours in windows})


def attribute_slices(exposures: Exposures) -> list[Slice]:
    return [one for one in exposures.slices if one.of == "unit" and one.field != "visitor"]


def _first_of(one: Slice) -> Any:
    return lambda t: t[one.key].argmin(t.met_at)


def _exposure_events(events: ibis.Table, exposures: Exposures, segments: Sequence[Slice]) -> ibis.Table:
    rows = events.filter(
        events["type"] == "exposure",
        events["experiment"] == exposures.experiment,
        ~events["properties"].fill_null("").contains(FORCED),
        _phase(events["phase"], exposures),
        events[exposures.unit].notnull(),
        within(events["at"], exposures.window.start, exposures.window.end),
    )
    said = {one.key: _attribute(rows, one.field) for one in segments}
    arm = _arm(rows["variant"], rows["phase"], rows["at"], exposures)
    return rows.select(unit=rows[exposures.unit], arm=arm, met_at=rows["at"], **said)


def _decisions(events: ibis.Table, exposures: Exposures, segments: Sequence[Slice]) -> ibis.Table:
    rows = events.filter(
        events["type"] == "decision",
        events[exposures.unit].notnull(),
        within(events["at"], exposures.window.start, exposures.window.end),
    )
    said = {one.key: _attribute(rows, "attributes", one.field) for one in segments}
    each = rows.select(unit=rows[exposures.unit], met_at=rows["at"], met=rows["assignments"].unnest(), **said)
    ours = each.filter(each.met["experiment"] == exposures.experiment, _phase(each.met["phase"], exposures))
    return ours.select(
        "unit",
        arm=_arm(ours.met["variant"], ours.met["phase"], ours.met_at, exposures),
        met_at=ours.met_at,
        **{one.key: ours[one.key] for one in segments},
    )


def _attribute(rows: ibis.Table, *path: str) -> Any:
    """Text at this path of the properties; never null, so that the first exposure decides even when it says none."""
    found = rows["properties"].cast("json")
    for name in path:
        found = found[name]
    return found.str.fill_null(OTHER)


def _is_counted(met: ibis.Table, exposures: Exposures) -> list[Any]:
    return [met.unit.notin(exposures.testers)] if exposures.testers else []


def _arm(variant: Any, phase: Any, at: Any, exposures: Exposures) -> Any:
    arm = _code(variant, exposures.arms)
    if not exposures.goes_on or exposures.phase_began is None:
        return arm
    earlier = (phase < exposures.phase) | (phase.isnull() & (at < naive(exposures.phase_began)))
    return earlier.ifelse(ibis.literal(EARLIER, "int8"), arm)


def _code(variant: Any, arms: Sequence[str]) -> Any:
    """The arm's position as int8, a third less memory than its key; null for a variant that is no arm."""
    return ibis.cases(*((variant == arm, ibis.literal(i, "int8")) for i, arm in enumerate(arms)))


def _phase(phase: Any, exposures: Exposures) -> Any:
    if exposures.goes_on:
        return phase.between(exposures.dealt_in, exposures.phase) | phase.isnull()
    return (phase == exposures.phase) | phase.isnull()


def within(at: Any, start: datetime, end: datetime) -> Any:
    return (at >= naive(start)) & (at < naive(end))


def naive(at: datetime) -> Any:
    return ibis.literal(at.astimezone(UTC).replace(tzinfo=None))
