"""Bytes to inbox rows, or to the reasons why not. Pure.

A body is decoded in one go into typed events, which is what nearly all bodies allow; only when something in it is wrong
is it taken apart event by event, so that a bad event is refused by index and field and never sinks its batch.
"""

import re
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, NamedTuple
from uuid import UUID

import msgspec
from msgspec import Meta

MAX_EVENTS = 10_000
MAX_PROPERTIES = 16_384  # bytes of JSON
AHEAD = timedelta(minutes=10)
BEHIND = timedelta(days=30)
EARLIEST = datetime(2000, 1, 1, tzinfo=UTC)  # also of a backfill: what is older is a broken clock

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)

Id = Annotated[str, Meta(min_length=1, max_length=200)]
Int32 = Annotated[int, Meta(ge=1, le=2**31 - 1)]
Money = Annotated[str, Meta(pattern=r"^-?[0-9]{1,14}(\.[0-9]{1,4})?$")]

STANDARD = frozenset({"visit", "exposure", "impression", "click", "cart", "order", "cancel", "refund"})
REQUIRED = {
    "exposure": ("experiment", "variant"),
    **dict.fromkeys(("impression", "click", "cart"), ("item_id", "scenario")),
    **dict.fromkeys(("order", "cancel", "refund"), ("value", "currency", "order_id")),
}


class Unit(msgspec.Struct, frozen=True, forbid_unknown_fields=True, gc=False):
    user_id: Id | None = None
    device_id: Id | None = None
    session_id: Id | None = None
    merchant_id: Id | None = None
    item_id: Id | None = None


class Event(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One event as it is sent. Wire names and rules: docs/api.md, POST /api/v1/events."""

    event_id: UUID
    type: Annotated[str, Meta(min_length=1, max_length=100)]
    at: Annotated[datetime, Meta(tz=True)]
    unit: Unit
    scenario: Id | None = None
    trace_id: Id | None = None
    item_id: Id | None = None
    merchant_id: Id | None = None
    position: Int32 | None = None
    value: Money | None = None
    currency: Annotated[str, Meta(pattern="^[A-Z]{3}$")] | None = None
    order_id: Id | None = None
    recall_source: Id | None = None
    ranker: Id | None = None
    score: float | None = None
    propensity: Annotated[float, Meta(gt=0, le=1)] | None = None
    experiment: Id | None = None
    variant: Id | None = None
    phase: Int32 | None = None
    properties: dict[str, Any] | None = None


class Line(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One event as the inbox keeps it: the columns of the lake. `at` in microseconds since 1970, properties as JSON."""

    event_id: str
    type: str
    at: int
    user_id: str | None = None
    device_id: str | None = None
    session_id: str | None = None
    merchant_id: str | None = None
    item_id: str | None = None
    scenario: str | None = None
    trace_id: str | None = None
    position: int | None = None
    value: str | None = None
    currency: str | None = None
    order_id: str | None = None
    recall_source: str | None = None
    ranker: str | None = None
    score: float | None = None
    propensity: float | None = None
    experiment: str | None = None
    variant: str | None = None
    phase: int | None = None
    assignments: list[dict[str, Any]] | None = None
    discovery: list[dict[str, Any]] | None = None
    snapshot: int | None = None
    properties: str | None = None


class InboxRow(NamedTuple):
    event_id: str
    payload: bytes  # one JSON line, a `Line`


class Rejection(msgspec.Struct, frozen=True):
    index: int  # place in the body, from 0
    pointer: str
    detail: str


class Parsed(NamedTuple):
    rows: list[InboxRow]
    rejected: list[Rejection]


class Malformed(ValueError):
    """The body is not a JSON array or NDJSON at all."""


class TooMany(ValueError):
    """More events than one call may carry."""


class Refused(ValueError):
    """One event is wrong, and where."""

    def __init__(self, pointer: str, detail: str) -> None:
        super().__init__(detail)
        self.pointer = pointer


class Bounds(NamedTuple):
    """What this sender may send now."""

    earliest: datetime
    latest: datetime
    scenarios: frozenset[str] | None  # None: every one


BROKEN = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)  # no JSON, or deeper than anyone needs

_array = msgspec.json.Decoder(list[Event])
_array_of_anything = msgspec.json.Decoder(list[msgspec.Raw])
_event = msgspec.json.Decoder(Event)
_encoder = msgspec.json.Encoder()


def parse(
    body: bytes, content_type: str, *, at: datetime, may_backfill: bool, scenarios: frozenset[str] | None = None
) -> Parsed:
    """The rows to store and the events refused, by their place in the body.

    `content_type` is application/json (an array) or application/x-ndjson. Raises `Malformed` or `TooMany`, which
    concern the body as a whole.
    """
    bounds = Bounds(EARLIEST if may_backfill else at - BEHIND, at + AHEAD, scenarios)
    lines = content_type == "application/x-ndjson"
    try:
        events: Sequence[Event] | None = _event.decode_lines(body) if lines else _array.decode(body)
    except BROKEN:
        events = None
    if events is not None and b"\\u0000" not in body:
        _count(len(events))
        try:
            return Parsed([row(event, bounds) for event in events], [])
        except Refused:
            pass
    return _one_by_one(list(_raw_lines(body)) if lines else _raw_array(body), bounds)


def row(event: Event, bounds: Bounds) -> InboxRow:
    """The inbox row of one event; raises `Refused`."""
    _check(event, bounds)
    unit = event.unit
    event_id = str(event.event_id)
    line = Line(
        event_id=event_id,
        type=event.type,
        at=(event.at - EPOCH) // MICROSECOND,
        user_id=unit.user_id,
        device_id=unit.device_id,
        session_id=unit.session_id,
        merchant_id=event.merchant_id or unit.merchant_id,
        item_id=event.item_id or unit.item_id,
        scenario=event.scenario,
        trace_id=event.trace_id,
        position=event.position,
        value=event.value,
        currency=event.currency,
        order_id=event.order_id,
        recall_source=event.recall_source,
        ranker=event.ranker,
        score=event.score,
        propensity=event.propensity,
        experiment=event.experiment,
        variant=event.variant,
        phase=event.phase,
        properties=_properties(event.properties),
    )
    return InboxRow(event_id, _encoder.encode(line))


def _check(event: Event, bounds: Bounds) -> None:
    kind = event.type
    if kind not in STANDARD and not (kind.startswith("x.") and len(kind) > 2):
        raise Refused("/type", f"Expected one of {', '.join(sorted(STANDARD))}, or a custom x.name.")
    if not bounds.earliest <= event.at <= bounds.latest:
        late = (
            f"Before {bounds.earliest:%Y-%m-%d}; only a key with the scope backfill may send what is over 30 days old."
        )
        raise Refused(
            "/at", late if event.at < bounds.earliest else "More than 10 minutes ahead of the server's clock."
        )
    unit = event.unit
    if not (unit.user_id or unit.device_id or unit.session_id or unit.merchant_id or unit.item_id):
        raise Refused("/unit", "At least one id is needed.")
    for name in REQUIRED.get(kind, ()):
        if getattr(event, name) is None:
            raise Refused(f"/{name}", f"Needed by an event of type {kind}.")
    if bounds.scenarios is not None and event.scenario is not None and event.scenario not in bounds.scenarios:
        raise Refused("/scenario", "This key is not allowed to send events of this scenario.")


def _properties(properties: dict[str, Any] | None) -> str | None:
    if not properties:
        return None
    encoded = _encoder.encode(properties)
    if len(encoded) > MAX_PROPERTIES:
        raise Refused("/properties", f"More than {MAX_PROPERTIES:,} bytes.")
    return encoded.decode()


def _count(n: int) -> None:
    if n > MAX_EVENTS:
        raise TooMany(f"{n:,} events; at most {MAX_EVENTS:,} a call.")


def _raw_array(body: bytes) -> list[bytes]:
    try:
        return [bytes(raw) for raw in _array_of_anything.decode(body)]
    except BROKEN as error:
        raise Malformed(f"Expected a JSON array of events: {error}") from error


def _raw_lines(body: bytes) -> Iterator[bytes]:
    return (line for line in body.split(b"\n") if line.strip())


def _one_by_one(raw: list[bytes], bounds: Bounds) -> Parsed:
    _count(len(raw))
    parsed = Parsed([], [])
    for index, text in enumerate(raw):
        try:
            parsed.rows.append(row(_decoded(text), bounds))
        except Refused as refusal:
            parsed.rejected.append(Rejection(index, refusal.pointer, str(refusal)))
    return parsed


def _decoded(text: bytes) -> Event:
    """One event; raises `Refused` with the field that msgspec names."""
    try:
        event = _event.decode(text)
    except msgspec.ValidationError as error:
        raise Refused(*_located(str(error))) from error
    except BROKEN as error:
        raise Refused("", f"Not a JSON object: {error}") from error
    for name, value in _texts(msgspec.to_builtins(event)):
        if "\x00" in value:
            raise Refused(name, "NUL characters are not allowed.")
    return event


def _located(said: str) -> tuple[str, str]:
    """(pointer, detail) of msgspec's words: "Expected `str`, got `int` - at `$.unit.user_id`"."""
    detail, _, path = said.partition(" - at `")
    pointer = re.sub(r"[.\[]+", "/", path.rstrip("`").removeprefix("$").replace("]", ""))
    if name := re.search(r"(?:missing required|contains unknown) field `(.*)`", detail):
        pointer += f"/{name[1]}"
    return pointer, f"{detail}."


def _texts(value: Any, pointer: str = "") -> Iterator[tuple[str, str]]:
    """Every text in a JSON value, names of members included, with its pointer."""
    match value:
        case str():
            yield pointer, value
        case dict():
            for name, member in value.items():
                yield pointer, name
                yield from _texts(member, f"{pointer}/{name}")
        case list():
            for index, member in enumerate(value):
                yield from _texts(member, f"{pointer}/{index}")
