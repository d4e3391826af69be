"""POST /api/v1/allocations: one snapshot, one question, one answer. No query, no clock in the answer, no chance."""

from datetime import UTC, datetime
from typing import Any

import msgspec
import structlog

from firstlight.accounts.keys import HeldKey
from firstlight.serving import access, decisions, journal, questions, wire
from firstlight.serving.questions import Question
from firstlight.serving.wire import Answer, Environ, Refusal
from firstlight.snapshots.memory import Held
from firstlight.snapshots.sections import Request, deciders

EXPIRES_IN = 10  # seconds for which a client may keep an answer

log = structlog.get_logger(__name__)


def allocate(environ: Environ) -> Answer:
    held = access.snapshot()
    key = access.admit(environ, held, "allocate")
    wire.media_type(environ, "application/json")
    return Answer(200, _allocated(held, key, wire.body(environ), datetime.now(UTC)))


def allocate_batch(environ: Environ) -> Answer:
    """An answer or a problem for each, in order, all from the same snapshot."""
    held = access.snapshot()
    key = access.admit(environ, held, "allocate")
    wire.media_type(environ, "application/json")
    at = datetime.now(UTC)
    results = [_allocated_or_refused(held, key, raw, at) for raw in questions.parse_batch(wire.body(environ))]
    return Answer(200, b'{"results":[%b]}' % b",".join(results))


def decide(held: Held, request: Request) -> dict[str, Any]:
    """What every section has to say, in their order. The same snapshot and request give the same answer, bit for bit.

    Keys that start with "_" are words between sections.
    """
    answer: dict[str, Any] = {
        "trace_id": request.trace_id,
        "snapshot": held.number,
        "expires_in": EXPIRES_IN,
        "scenario": request.scenario,
        "journey_stage": None,
        "experiments": [],
        "parameters": {},
        "objectives": None,
        "discovery": [],
    }
    for name, verb in deciders():
        verb(held.states[name], request, answer)
    return answer


def _allocated(held: Held, key: HeldKey, body: bytes, at: datetime) -> bytes:
    return answered(held, key, questions.parse(body, at))[1]


def answered(held: Held, key: HeldKey, question: Question) -> tuple[dict[str, Any], bytes]:
    """The answer, logged where the question asks for it, and its bytes."""
    request, asked = question
    if request.scenario not in held.state("scenarios"):
        raise questions.unknown_scenario(request.scenario)
    if key.scenarios and request.scenario not in key.scenarios:
        raise Refusal(403, f"The key is not for the scenario “{request.scenario}”.")
    answer = _decided(held, request)
    sent = decisions.encoded(answer)
    if asked:
        journal.add(decisions.decided(held, request, asked, answer, sent))
    return answer, sent


def _allocated_or_refused(held: Held, key: HeldKey, body: bytes, at: datetime) -> bytes:
    try:
        return _allocated(held, key, body, at)
    except Refusal as refusal:
        return msgspec.json.encode(refusal.document())


def _decided(held: Held, request: Request) -> dict[str, Any]:
    try:
        return decide(held, request)
    except Exception as error:
        log.exception("allocation failed", trace_id=request.trace_id, scenario=request.scenario, snapshot=held.number)
        raise Refusal(500, f"Our mistake; it is logged under trace {request.trace_id}.") from error
