"""A question of the recommender: from bytes to a checked request, or to what is wrong with it and where."""

import re
from datetime import datetime
from typing import Annotated, Any, NamedTuple, TypeVar

import msgspec
import uuid_utils
from msgspec import Meta

from firstlight.assignment.rules import NO_WISHES, Wishes
from firstlight.doors import problems
from firstlight.serving import previews
from firstlight.serving.wire import Refusal
from firstlight.snapshots.sections import Request

ATTRIBUTES_BYTES = 16 * 2**10
MOST_REQUESTS = 1_000  # in a batch
LONG = 2**16  # bytes of a question that is not kept as it came
LONGEST_DETAIL = 300  # characters: a detail may quote the client's text

Id = Annotated[str, Meta(min_length=1, max_length=200)]
Ids = Annotated[list[Id], Meta(max_length=1_000)]


class _Strict(msgspec.Struct, forbid_unknown_fields=True):
    """A field that nobody reads is most likely a misspelt one."""


class Unit(_Strict):
    user_id: Id | None = None
    device_id: Id | None = None
    session_id: Id | None = None
    merchant_id: Id | None = None
    item_id: Id | None = None


class Recent(_Strict):
    event: Annotated[str, Meta(min_length=1, max_length=50)]
    item_id: Id | None = None
    at: Annotated[datetime, Meta(tz=True)] | None = None


class Eligible(_Strict):
    """An item has, of each that is named, one of the values listed."""

    category: Ids | None = None
    merchant: Ids | None = None
    country: Ids | None = None
    tags: Ids | None = None


class Brought(_Strict):
    """One document of GrowthBook's sticky buckets, as an earlier answer gave it."""

    attributeName: Id  # noqa: N815 - the names are GrowthBook's
    attributeValue: Id  # noqa: N815
    assignments: Annotated[dict[str, Id], Meta(max_length=1_000)]


class Asked(_Strict):
    """The body of POST /api/v1/allocations. Names: docs/api.md."""

    unit: Unit
    scenario: Id
    trace_id: Id | None = None
    attributes: Annotated[dict[str, Any], Meta(max_length=100)] = {}
    recent: Annotated[list[Recent], Meta(max_length=200)] = []
    slots: Annotated[int, Meta(ge=0, le=500)] | None = None
    exclude_items: Ids = []
    eligible: Eligible | None = None
    propensities: bool = False
    log: bool = True
    forced: Annotated[str, Meta(min_length=1, max_length=4_000)] | None = None
    sticky: Annotated[dict[str, Brought], Meta(max_length=20)] = {}
    only: Ids = []  # parameters


class AskedBatch(_Strict):
    requests: Annotated[list[msgspec.Raw], Meta(max_length=MOST_REQUESTS)]


class Question(NamedTuple):
    request: Request
    said: bytes  # for the decision log; empty: not to be logged


T = TypeVar("T")
_one, _batch = msgspec.json.Decoder(Asked), msgspec.json.Decoder(AskedBatch)
_encoder = msgspec.json.Encoder()


def parse(body: bytes, at: datetime) -> Question:
    """The question, with a trace id of its own if it brought none; raises `Refusal` 400 or 422."""
    asked = decode(_one, body)
    unit = {name: key for name in Unit.__struct_fields__ if (key := getattr(asked.unit, name)) is not None}
    if not unit:
        raise _wrong("/unit", "At least one id is needed.")
    if asked.attributes:
        _check_size(asked.attributes)
    request = Request(
        unit=unit,
        scenario=asked.scenario,
        trace_id=asked.trace_id or str(uuid_utils.uuid7()),
        at=at,
        attributes=asked.attributes,
        recent=tuple(msgspec.to_builtins(asked.recent)),
        slots=asked.slots,
        exclude_items=frozenset(asked.exclude_items),
        eligible=_named(asked.eligible),
        propensities=asked.propensities,
        wishes=_wishes(asked, at) if asked.forced or asked.sticky or asked.only else NO_WISHES,
    )
    # A long one is mostly blanks, or fields named twice: what it says is bounded, the bytes are not.
    said = body if len(body) < LONG else _encoder.encode(asked)
    return Question(request, said if asked.log else b"")


def parse_batch(body: bytes) -> list[bytes]:
    """The questions of a batch, each to be parsed by itself: a bad one does not sink the others."""
    return [bytes(one) for one in decode(_batch, body).requests]


def decode(decoder: msgspec.json.Decoder[T], body: bytes) -> T:
    try:
        return decoder.decode(body)
    except msgspec.ValidationError as error:
        raise _misfit(str(error)) from error
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Refusal(400, f"The body is not JSON: {error}"[:LONGEST_DETAIL]) from error


def unknown_scenario(scenario: str) -> Refusal:
    return _wrong("/scenario", f"There is no scenario “{scenario}”.")


def _wishes(asked: Asked, at: datetime) -> Wishes:
    try:
        forced = previews.read(asked.forced, at) if asked.forced else {}
    except previews.Invalid as error:
        raise _wrong("/forced", str(error)) from error
    return Wishes(forced, msgspec.to_builtins(asked.sticky), frozenset(asked.only))


def _named(eligible: Eligible | None) -> dict[str, list[str]]:
    """What is asked for alone, so that a request without a filter is known by it."""
    named = msgspec.structs.asdict(eligible) if eligible else {}
    return {name: values for name, values in named.items() if values is not None}


def _check_size(attributes: dict[str, Any]) -> None:
    try:
        size = len(_encoder.encode(attributes))
    except RecursionError as error:
        raise _wrong("/attributes", "Nested too deep.") from error
    if size > ATTRIBUTES_BYTES:
        raise _wrong("/attributes", f"More than {ATTRIBUTES_BYTES} bytes of JSON.")


def _wrong(pointer: str, detail: str) -> Refusal:
    return Refusal(422, "The request is not as the contract has it.", [{"pointer": pointer, "detail": detail}])


def _misfit(message: str) -> Refusal:
    """msgspec says “… - at `$.unit.user_id`”; a field it misses or does not know is named before that."""
    told, _, path = message.rpartition(" - at `$") if " - at `$" in message else (message, "", "")
    steps: list[object] = []
    for name, index in re.findall(r"\.(\w+)|\[(\d+|\.\.\.)\]", path):
        if index == "...":  # a key of the client's, which msgspec does not name
            break
        steps.append(name or index)
    if field := re.search(r"(?:required|unknown) field `(.*)`", told, re.DOTALL):
        steps.append(field[1][:LONGEST_DETAIL])
    return _wrong(problems.pointer(*steps), told[:LONGEST_DETAIL])
