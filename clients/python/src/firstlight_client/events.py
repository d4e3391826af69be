"""One event as it is sent. Wire names and rules: docs/api.md, POST /api/v1/events. Pure."""

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any, TypedDict

import msgspec

from .answers import Answer, Met

_encode = msgspec.json.Encoder().encode


class Said(TypedDict, total=False):
    """What an event may say beside its type and unit."""

    scenario: str
    trace_id: str
    item_id: str
    merchant_id: str
    position: int
    value: Decimal | str | int  # money
    currency: str
    order_id: str
    recall_source: str
    ranker: str
    score: float
    propensity: float
    experiment: str
    variant: str
    phase: int
    properties: Mapping[str, Any]


class Rejected(msgspec.Struct, frozen=True):
    """An event that the server, or this client before it, will never take."""

    event: dict[str, Any]
    pointer: str
    detail: str


def line(event_id: str, kind: str, at: datetime, unit: Mapping[str, str], said: Said) -> bytes:
    """One line of NDJSON, the very bytes of every try. Raises TypeError or ValueError for what is no JSON."""
    told: dict[str, Any] = {"event_id": event_id, "type": kind, "at": at, "unit": unit, **said}
    if isinstance(worth := told.get("value"), int | Decimal):
        told["value"] = format(worth, "f") if isinstance(worth, Decimal) else str(worth)
    return _encode({name: value for name, value in told.items() if value is not None}) + b"\n"


def shown(answer: Answer) -> Said:
    """What every event says that follows from an answer."""
    return {"scenario": answer.scenario, "trace_id": answer.trace_id}


def exposure(answer: Answer, met: Met, attributes: Mapping[str, Any]) -> Said:
    """That the unit met an arm by a decision made here; attributes tell the segments that an analysis asks for."""
    said: Said = {**shown(answer), "experiment": met.experiment, "variant": met.variant, "phase": met.phase}
    return {**said, "properties": attributes} if attributes else said


def read(one: bytes) -> dict[str, Any]:
    """The event of a line, for those who are told of it."""
    try:
        event = msgspec.json.decode(one, type=dict[str, Any])
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return {"unreadable": one.decode(errors="replace")}
    return event
