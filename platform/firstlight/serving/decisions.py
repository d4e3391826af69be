"""One decision as a row of the inbox: what was asked, what was answered, and with which propensities. Pure."""

from datetime import datetime, timedelta
from typing import Any, NamedTuple

import msgspec
import uuid_utils

from firstlight.events.parse import InboxRow
from firstlight.snapshots.memory import Held
from firstlight.snapshots.sections import Request, completers

EPOCH = datetime.fromisoformat("1970-01-01T00:00:00+00:00")
MICROSECOND = timedelta(microseconds=1)

_encoder = msgspec.json.Encoder()


class Decision(NamedTuple):
    held: Held  # the snapshot that decided
    request: Request
    answer: dict[str, Any]


def completed(decision: Decision) -> Decision:
    """With what the sections left out of the answer because it takes long to count."""
    held, request, answer = decision
    for name, verb in completers():
        verb(held.states[name], request, answer)
    return decision


def row(decision: Decision) -> InboxRow:
    """Columns: firstlight.lake.schema.EVENTS. The id is new, for a client may ask twice under one trace id."""
    _, request, answer = decision
    event_id = str(uuid_utils.uuid7())
    columns = {
        "event_id": event_id,
        "type": "decision",
        "at": (request.at - EPOCH) // MICROSECOND,
        **request.unit,
        "scenario": request.scenario,
        "trace_id": request.trace_id,
        "snapshot": answer["snapshot"],
        "assignments": [
            {"experiment": e["experiment"], "variant": e["variant"], "phase": e["phase"]} for e in answer["experiments"]
        ],
        "discovery": answer["discovery"],
        "properties": _encoder.encode(_properties(request, answer)).decode(),
    }
    return InboxRow(event_id, _encoder.encode(columns))


def _properties(request: Request, answer: dict[str, Any]) -> dict[str, Any]:
    """All else that the answer depended on, so that it can be given again from the same snapshot."""
    return {
        "attributes": request.attributes,
        "recent": request.recent,
        "slots": request.slots,
        "exclude_items": sorted(request.exclude_items),
        "eligible": request.eligible,
        "parameters": answer["parameters"],
        "objectives": answer["objectives"],
        "journey_stage": answer["journey_stage"],
    }
