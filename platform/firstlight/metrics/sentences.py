"""Definitions in words, as people say them. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Protocol

from firstlight.doors.problems import Place
from firstlight.metrics.definitions import OPS, Definition, Filter, Source

EVENTS = {"exposure": "exposures", "visit": "visits", "impression": "impressions", "click": "clicks", "cart": "carts"}
EVENTS |= {"order": "orders", "cancel": "cancellations", "refund": "refunds"}
UNCHANGED = (
    "It counts from now on. Experiments that run keep the version they started with, and looks already stored keep "
    "what they found."
)


class Stored(Protocol):
    """What is read of a metric's row."""

    version: int


def definition(one: Definition) -> str:
    """The whole definition in one sentence or two.

    >>> definition(Definition("ctr", "ratio", Source("click", "count"), Source("impression", "count")))
    'Clicks per impression, in the scenarios of the test.'
    """
    parts = [_what(one), _when(one), "in the scenarios of the test" if one.in_scenario else "anywhere in the shop"]
    sentence = ", ".join(part for part in parts if part)
    return " ".join([f"{sentence[:1].upper()}{sentence[1:]}.", *_besides(one)])


def counts(metric: Any) -> str:
    """In few words, for a list."""
    one = Definition.of(metric)
    if one.kind == "funnel":
        return " → ".join(step.event for step in one.steps)
    below = _single(replace(one.denominator, filters=())) if one.denominator else "unit"
    return f"{_amount(one.numerator)} per {below}"


def changed(metric: Stored, *, lost_badge: bool) -> str:
    """What a new definition does to what runs."""
    lost = " It is no longer certified: somebody who may vouch for it has to look at it again." if lost_badge else ""
    return f"This is version {metric.version} of the definition. {UNCHANGED}{lost}"


def placed(place: Place) -> str:
    """A fault of a pasted row: its line, column and what is wrong.

    >>> placed({"pointer": "/0/day", "detail": "Invalid RFC3339 date"})
    'Row 1, day: Invalid RFC3339 date'
    """
    row, *column = place["pointer"].strip("/").split("/")
    if not row:
        return place["detail"]
    return f"Row {int(row) + 1}{''.join(f', {name}' for name in column)}: {place['detail']}"


def differences(changes: Mapping[str, tuple[Any, Any]]) -> list[tuple[str, str, str]]:
    """(what, before, after) of two stored definitions, in words."""
    return [(name.replace("_", " "), _told(before), _told(after)) for name, (before, after) in changes.items()]


def _what(one: Definition) -> str:
    match one.kind:
        case "proportion":
            return f"share of units with {_source(one.numerator)}"
        case "retention":
            return f"share of units that came back with {_source(one.numerator)}"
        case "mean":
            return f"{_source(one.numerator)} per unit"
        case "ratio":
            assert one.denominator is not None
            return f"{_source(one.numerator)} per {_single(one.denominator)}"
        case "quantile":
            share = f"P{(one.quantile or 0.5) * 100:g}"
            return f"{share} of the {'value of one order' if one.per == 'event' else _source(one.numerator)}" + (
                " per unit" if one.per == "unit" else ""
            )
        case "funnel":
            first, *rest = (_source(step) for step in one.steps)
            return f"share of units that went from {first} to {' to '.join(rest)}, of those with {first}"


def _source(source: Source) -> str:
    return f"{_amount(source)}{_conditions(source.filters)}"


def _amount(source: Source) -> str:
    events = EVENTS.get(source.event, f"{source.event} events")
    match source.adds:
        case "value":
            return f"value of {events}"
        case "net":
            return "value of orders less refunds and cancellations"
        case "distinct":
            return f"different {source.field} in {events}"
        case _:
            return events


def _single(source: Source) -> str:
    """As it stands below the line: per impression, per value of orders."""
    one = _amount(source)
    plain = source.adds == "count" and source.event in EVENTS
    return f"{source.event if plain else one}{_conditions(source.filters)}"


def _conditions(filters: Sequence[Filter]) -> str:
    told = [f"{one.field} {OPS[one.op]} {_told(one.value)}" for one in filters]
    return f" ({' and '.join(told)})" if told else ""


def _when(one: Definition) -> str:
    if one.delay_hours and one.window_hours is not None:
        return f"{span(one.delay_hours)} to {span(one.window_hours)} after exposure"
    if one.window_hours is not None:
        return f"within {span(one.window_hours)} of exposure"
    return f"from {span(one.delay_hours)} after exposure on" if one.delay_hours else ""


def _besides(one: Definition) -> list[str]:
    capped = (
        f"What one unit adds is cut at {one.cap_value:,g}."
        if one.cap_value is not None
        else f"What one unit adds is cut at the P{one.cap_share * 100:g} of all units with any."
        if one.cap_share is not None
        else ""
    )
    ripe = f"A unit counts {span(one.maturity_hours)} after its window has closed." if one.maturity_hours else ""
    money = f"Money is converted to {one.currency} by the rate of its day." if one.currency else ""
    better = "Less is better." if one.direction == "decrease" else ""
    return [text for text in (ripe, capped, money, better) if text]


def span(hours: int) -> str:
    """
    >>> span(24), span(36), span(1), span(168)
    ('1 day', '36 hours', '1 hour', '7 days')
    """
    n, noun = (hours // 24, "day") if hours and hours % 24 == 0 else (hours, "hour")
    return f"{n:,} {noun}" + ("" if n == 1 else "s")


def _told(value: Any) -> str:
    match value:
        case None | "" | [] | ():
            return "none"
        case bool():
            return "yes" if value else "no"
        case {"event": event, "adds": adds}:
            kept = Source(event, adds, tuple(Filter(**one) for one in value.get("filters", [])), value.get("field", ""))
            return _source(kept)
        case str():
            return value
        case Iterable():
            return ", ".join(_told(one) for one in value)
    return f"{value:,g}" if isinstance(value, int | float) else str(value)
