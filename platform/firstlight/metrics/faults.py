"""Everything that keeps a metric from being counted, each at its field. Pure."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from firstlight.metrics.definitions import NUMBERS, TEXT, Fault, validate, validate_denominator, validate_event

# Columns of a metric that define what is counted: a change of any of them makes a new version.
FIELDS = (
    "kind",
    "numerator_event",
    "numerator_value",
    "numerator_field",
    "numerator_filter",
    "denominator_event",
    "denominator_value",
    "denominator_field",
    "denominator_filter",
    "steps",
    "quantile",
    "per",
    "delay_hours",
    "window_hours",
    "maturity_hours",
    "in_scenario",
    "cap_value",
    "cap_share",
    "currency",
    "direction",
    "objective",
)
DISTINCT = TEXT | NUMBERS | {"category"}  # of the item, as the catalogue has it when it is read
FEWEST_STEPS, MOST_STEPS = 2, 10
MONEY = frozenset({"value", "net"})
CAPPED = frozenset({"mean", "ratio"})  # kinds whose sums have tails
SHARES = frozenset({"proportion", "retention"})  # ask of a unit only whether there was any
Values = Mapping[str, Any]


def of_metric(values: Values) -> list[Fault]:
    """Of values by the names of `FIELDS`; each pointer begins with the field's name. Empty when it can be counted.

    >>> [fault.pointer for fault in of_metric({"kind": "ratio", "numerator_event": "click"})]
    ['/denominator_event']
    """
    given = {name: values.get(name) for name in FIELDS}
    checks = (_numerator, _denominator, _steps, _quantile, _times, _caps, _currency)
    return [fault for check in checks for fault in check(given)]


def by_field(faults: Iterable[Fault]) -> dict[str, list[str]]:
    """Field -> what to tell beside it, with the place inside it where it has one."""
    found: dict[str, list[str]] = {}
    for fault in faults:
        name, inside = split(fault)
        found.setdefault(name, []).append(f"{inside} {fault.detail}".strip())
    return found


def split(fault: Fault) -> tuple[str, str]:
    """(field, pointer inside of it)."""
    name, slash, inside = fault.pointer.removeprefix("/").partition("/")
    return name, slash + inside


def _at(place: str, faults: Iterable[Fault]) -> Iterator[Fault]:
    return (Fault(place + fault.pointer, fault.detail) for fault in faults)


def _numerator(given: Values) -> Iterator[Fault]:
    if given["kind"] == "funnel":
        if given["numerator_event"]:
            yield Fault("/numerator_event", "A funnel counts its steps; leave this empty.")
        if given["numerator_filter"]:
            yield Fault("/numerator_filter", "A funnel has a filter in each step; leave this empty.")
        if given["numerator_value"] not in (None, "count"):
            yield Fault("/numerator_value", "A funnel counts units; use count.")
        return
    yield from _at("/numerator_event", validate_event(given["numerator_event"] or ""))
    yield from _source("numerator", given)
    if given["kind"] in SHARES and given["numerator_value"] not in (None, "count", "net"):
        yield Fault("/numerator_value", "A share of units asks only whether there was any: use count, or net.")


def _denominator(given: Values) -> Iterator[Fault]:
    yield from _at("/denominator_event", validate_denominator(given["kind"] or "", given["denominator_event"] or ""))
    yield from _source("denominator", given)


def _source(side: str, given: Values) -> Iterator[Fault]:
    adds, field = given[f"{side}_value"], given[f"{side}_field"] or ""
    yield from _at(f"/{side}_filter", validate(_or_none(given[f"{side}_filter"])))
    if adds == "net" and given[f"{side}_event"] != "order":
        yield Fault(
            f"/{side}_value", "Net is the value of orders less refunds and cancellations: count the event order."
        )
    if adds != "distinct" and field:
        yield Fault(f"/{side}_field", "Only a count of distinct values names a field.")
    elif adds == "distinct" and field not in DISTINCT:
        yield Fault(f"/{side}_field", f"Name the column that is counted distinct: {', '.join(sorted(DISTINCT))}.")


def _or_none(filters: object) -> object:
    return [] if filters is None else filters


def _steps(given: Values) -> Iterator[Fault]:
    steps = _or_none(given["steps"])
    if given["kind"] != "funnel":
        if steps != []:
            yield Fault("/steps", "Only a funnel has steps; leave this empty.")
    elif not isinstance(steps, list) or not FEWEST_STEPS <= len(steps) <= MOST_STEPS:
        yield Fault(
            "/steps", f"A funnel is a list of {FEWEST_STEPS} to {MOST_STEPS} steps, each with event and filters."
        )
    else:
        for i, step in enumerate(steps):
            yield from _at(f"/steps/{i}", _step(step))


def _step(step: object) -> Iterator[Fault]:
    if not isinstance(step, Mapping):
        yield Fault("", "A step has event and filters.")
        return
    yield from (Fault(f"/{name}", "is not known here.") for name in step if name not in ("event", "filters"))
    event = step.get("event")
    if not isinstance(event, str) or len(event) > 100:
        yield Fault("/event", "Name the type of event of this step.")
    else:
        yield from _at("/event", validate_event(event))
    yield from _at("/filters", validate(step.get("filters", [])))


def _quantile(given: Values) -> Iterator[Fault]:
    quantile, per = given["quantile"], given["per"] or "unit"
    if given["kind"] != "quantile":
        if quantile is not None:
            yield Fault("/quantile", "Only a quantile has one; leave this empty.")
        if per != "unit":
            yield Fault("/per", "Only a quantile can be of single events.")
        return
    if quantile is None or not 0 < quantile < 1:
        yield Fault("/quantile", "A quantile lies between 0 and 1, as 0.9 for the P90.")
    if per == "event" and given["numerator_value"] != "value":
        yield Fault("/per", "A single event has no other size than its value: count its value, or take units.")


def _times(given: Values) -> Iterator[Fault]:
    window, delay, maturity = given["window_hours"], given["delay_hours"] or 0, given["maturity_hours"] or 0
    if given["kind"] == "retention" and window is None:
        yield Fault("/window_hours", "Say until when a unit may come back: 168 for the seventh day.")
    if given["kind"] == "funnel" and delay:
        yield Fault("/delay_hours", "A funnel begins with the exposure; leave this at 0.")
    if window is not None and window <= delay:
        yield Fault("/window_hours", f"The window closes before the delay of {delay} hours is over.")
    if maturity and window is None:
        yield Fault("/maturity_hours", "Only what has a window can mature after it: set the window as well.")


def _caps(given: Values) -> Iterator[Fault]:
    value, share = given["cap_value"], given["cap_share"]
    for name, cap in (("cap_value", value), ("cap_share", share)):
        if cap is not None and given["kind"] not in CAPPED:
            yield Fault(f"/{name}", "Only a mean or a ratio has sums to cut.")
    if value is not None and not 0 < value <= 1e14:
        yield Fault("/cap_value", "A cap lies above 0, and has at most 14 digits.")
    if share is not None and not 0.5 <= share < 1:
        yield Fault("/cap_share", "A share from 0.5 to under 1, as 0.999.")
    if value is not None and share is not None:
        yield Fault("/cap_share", "Cut at a value or at a share, not at both.")


def _currency(given: Values) -> Iterator[Fault]:
    money = MONEY & {given["numerator_value"], given["denominator_value"] if given["denominator_event"] else ""}
    if given["currency"] and (not money or given["kind"] in SHARES):
        yield Fault("/currency", "Nothing here is money; leave this empty.")
