"""What a metric counts, as frozen values, and what is wrong with one that cannot be counted. Pure."""

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from firstlight.metrics.models import Metric

Op = Literal["eq", "ne", "in", "gt", "ge", "lt", "le"]
Scalar = str | int | float

TEXT = frozenset(
    {
        "user_id",
        "device_id",
        "session_id",
        "merchant_id",
        "item_id",
        "scenario",
        "trace_id",
        "currency",
        "order_id",
        "recall_source",
        "ranker",
        "experiment",
        "variant",
    }
)
NUMBERS = frozenset({"position", "value", "score", "propensity", "phase"})
OPS: dict[str, str] = {
    "eq": "is",
    "ne": "is not (or is unknown)",
    "in": "is one of",
    "gt": "is over",
    "ge": "is at least",
    "lt": "is under",
    "le": "is at most",
}
ORDERED = frozenset({"gt", "ge", "lt", "le"})
TYPES = frozenset({"visit", "exposure", "impression", "click", "cart", "order", "cancel", "refund"})
CUSTOM = re.compile(r"x\.[A-Za-z0-9][A-Za-z0-9._-]*\Z")
MOST_FILTERS = 20
MOST_VALUES = 1_000


@dataclass(frozen=True, slots=True)
class Filter:
    """One condition on a column of the event table. An event without the field passes only `ne`."""

    field: str
    op: Op
    value: Scalar | tuple[Scalar, ...]  # a tuple for `in` alone


@dataclass(frozen=True, slots=True)
class Source:
    """Which events are summed per unit, and what each adds.

    `net` is the value of orders less that of refunds and cancellations; `distinct` counts how many values of `field`
    the unit met.
    """

    event: str
    adds: Literal["count", "value", "net", "distinct"]
    filters: tuple[Filter, ...] = ()
    field: str = ""  # column that is counted distinct


@dataclass(frozen=True, slots=True)
class Definition:
    """One metric: what each unit adds, from its first exposure on.

    proportion: units with any such event. mean: its sum per unit. ratio: one sum over another. quantile: of the sums
    per unit, or of single events. retention: units with such an event between `delay_hours` and `window_hours` after
    exposure. funnel: units that took all `steps` in order, of those that took the first.
    """

    key: str
    kind: Literal["proportion", "mean", "ratio", "quantile", "retention", "funnel"]
    numerator: Source
    denominator: Source | None = None
    steps: tuple[Source, ...] = ()  # of a funnel, the first included
    delay_hours: int = 0  # from the unit's first exposure; earlier events do not count
    window_hours: int | None = None  # from the unit's first exposure; None: until the look
    maturity_hours: int = 0  # after the window: only then is a unit counted at all, for refunds come late
    in_scenario: bool = True
    direction: Literal["increase", "decrease"] = "increase"
    objective: Literal["user", "merchant", "platform"] = "user"
    cap_value: float | None = None  # of one unit's sum, in the metric's unit
    cap_share: float | None = None  # 0.999: at the pooled P99.9 of the sums that are not zero
    currency: str = ""  # ISO 4217, what money is converted to by the rate of its day; empty: as it comes
    quantile: float | None = None  # in (0, 1)
    per: Literal["unit", "event"] = "unit"  # what a quantile is of
    version: int = 1

    @classmethod
    def of(cls, metric: "Metric") -> "Definition":
        """Of a stored metric that `clean` let pass."""
        steps = tuple(_source(one["event"], "count", one.get("filters", [])) for one in metric.steps)
        top = (metric.numerator_event, metric.numerator_value, metric.numerator_filter, metric.numerator_field)
        below = (
            metric.denominator_event,
            metric.denominator_value,
            metric.denominator_filter,
            metric.denominator_field,
        )
        values: dict[str, Any] = {
            "kind": str(metric.kind),
            "numerator": steps[-1] if steps else _source(*top),
            "denominator": _source(*below) if metric.denominator_event else None,
            "steps": steps,
            "direction": str(metric.direction),
            "objective": str(metric.objective),
            "per": str(metric.per),
        }
        return cls(**values, **{name: getattr(metric, name) for name in _AS_STORED})

    @property
    def sources(self) -> tuple[Source, ...]:
        """Every source whose events are counted."""
        if self.steps:
            return self.steps
        return (self.numerator,) if self.denominator is None else (self.numerator, self.denominator)

    @property
    def ripe_after(self) -> int:
        """Hours after exposure from which a unit counts; 0: at once, its window still open."""
        return (self.window_hours or 0) + self.maturity_hours if self.maturity_hours else 0

    def stored(self) -> dict[str, Any]:
        """As JSON, without key and version, which stand beside it. `read` is its inverse."""
        found: dict[str, Any] = json.loads(json.dumps(asdict(self)))
        return {name: value for name, value in found.items() if name not in ("key", "version")}

    @classmethod
    def read(cls, key: str, version: int, stored: Mapping[str, Any]) -> "Definition":
        """What `stored` gave, of this release or an earlier one: what it does not name has its default."""
        below = stored.get("denominator")
        values: dict[str, Any] = {
            **{name: stored[name] for name in stored.keys() & cls.__dataclass_fields__.keys()},
            "key": key,
            "version": version,
            "numerator": _read(stored["numerator"]),
            "denominator": _read(below) if below else None,
            "steps": tuple(_read(one) for one in stored.get("steps", ())),
        }
        return cls(**values)


_AS_STORED = (  # fields that a metric names alike
    "key",
    "version",
    "delay_hours",
    "window_hours",
    "maturity_hours",
    "in_scenario",
    "cap_value",
    "cap_share",
    "currency",
    "quantile",
)


@dataclass(frozen=True, slots=True)
class Fault:
    """What is wrong, and where: `pointer` is a JSON pointer into what was given."""

    pointer: str
    detail: str

    def __str__(self) -> str:
        return f"{self.pointer} {self.detail}".strip()


def validate(filters: object) -> list[Fault]:
    """Everything wrong with a list of filters as sent or stored; empty when it can be counted.

    >>> validate([{"field": "postion", "op": "le", "value": 3}])[0].pointer
    '/0/field'
    """
    if not isinstance(filters, list):
        return [Fault("", "Give a list of filters, each with field, op and value.")]
    if len(filters) > MOST_FILTERS:
        return [Fault("", f"At most {MOST_FILTERS} filters.")]
    return [fault for i, one in enumerate(filters) for fault in _faults(one, f"/{i}")]


def validate_event(event: str) -> list[Fault]:
    """What is wrong with an event type that a metric shall count."""
    if event in TYPES or CUSTOM.match(event):
        return []
    return [Fault("", f"“{event}” is no type of event: {', '.join(sorted(TYPES))}, or x.name for your own.")]


def validate_denominator(kind: str, event: str) -> list[Fault]:
    """A ratio divides by events, nothing else does."""
    if kind != "ratio":
        return [Fault("", "Only a ratio divides; leave this empty.")] if event else []
    return validate_event(event) if event else [Fault("", "A ratio needs the event to divide by.")]


def _faults(one: object, at: str) -> Iterable[Fault]:
    if not isinstance(one, Mapping):
        yield Fault(at, "A filter has field, op and value.")
        return
    yield from (Fault(f"{at}/{name}", "is missing.") for name in ("field", "op", "value") if name not in one)
    yield from (Fault(f"{at}/{name}", "is not known here.") for name in one if name not in ("field", "op", "value"))
    if {"field", "op", "value"} <= one.keys():
        yield from _misfits(one["field"], one["op"], one["value"], at)


def _misfits(field: object, op: object, value: object, at: str) -> Iterable[Fault]:
    if not isinstance(field, str) or field not in TEXT | NUMBERS:
        yield Fault(f"{at}/field", f"is no column that can be filtered: {', '.join(sorted(TEXT | NUMBERS))}.")
    elif not isinstance(op, str) or op not in OPS:
        yield Fault(f"{at}/op", f"is none of {', '.join(OPS)}.")
    elif op in ORDERED and field in TEXT:
        yield Fault(f"{at}/op", f"cannot order “{field}”, which is text: use eq, ne or in.")
    else:
        yield from _misfit_values(field, op, value, f"{at}/value")


def _misfit_values(field: str, op: str, value: object, at: str) -> Iterable[Fault]:
    if op != "in":
        if not _fits(field, value):
            yield Fault(at, f"should be {_wanted(field)}.")
    elif not isinstance(value, list) or not 1 <= len(value) <= MOST_VALUES:
        yield Fault(at, f"should be a list of 1 to {MOST_VALUES} values.")
    else:
        yield from (
            Fault(f"{at}/{i}", f"should be {_wanted(field)}.") for i, v in enumerate(value) if not _fits(field, v)
        )


def _fits(field: str, value: object) -> bool:
    if field in TEXT:
        return isinstance(value, str) and 1 <= len(value) <= 200 and "\0" not in value
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) <= 1e14  # NaN fails as well


def _wanted(field: str) -> str:
    return "text of 1 to 200 characters" if field in TEXT else "a number of at most 14 digits"


def _source(event: str, adds: str, filters: list[dict[str, Any]], field: str = "") -> Source:
    what: Any = str(adds) or "count"
    return Source(event, what, tuple(_filter(**one) for one in filters), field)


def _read(stored: Mapping[str, Any]) -> Source:
    return _source(stored["event"], stored["adds"], stored.get("filters", []), stored.get("field", ""))


def _filter(field: str, op: Op, value: Any) -> Filter:
    return Filter(field, op, tuple(value) if op == "in" else value)
