"""The generated schema made whole: the hot paths, which REST framework does not serve, and the refusals of them all."""

import re
from typing import Annotated, Any

import msgspec
from django.core.exceptions import ImproperlyConfigured

from firstlight.doors.problems import CONTENT_TYPE
from firstlight.events import parse
from firstlight.serving import questions

PROBLEM: dict[str, Any] = {
    "type": "object",
    "description": "RFC 9457",
    "required": ["type", "title", "status", "detail"],
    "properties": {
        "type": {"type": "string"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
        "errors": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["detail"],
                "properties": {
                    "pointer": {"type": "string", "description": "JSON pointer into the body"},
                    "parameter": {"type": "string", "description": "Name of a query parameter"},
                    "detail": {"type": "string"},
                },
            },
        },
    },
}
REFUSALS = {
    "400": "Malformed",
    "401": "No key, or an unknown or revoked one",
    "403": "The key lacks the scope, or the role the permission",
    "404": "There is nothing of this name",
    "405": "Not with this method",
    "406": "Only JSON can be had",
    "409": "Not now, in words",
    "413": "Too large",
    "415": "Wrong content type",
    "422": "Well-formed but wrong",
    "429": "Too fast",
    "503": "What it stands on is away",
}


def complete(result: dict[str, Any], **_: Any) -> dict[str, Any]:
    """drf-spectacular's postprocessing hook."""
    more, known = {"Problem": PROBLEM} | _components(), result["components"]["schemas"]
    if both := sorted(more.keys() & known.keys()):
        raise ImproperlyConfigured(f"Two components of the schema have one name: {', '.join(both)}.")
    known |= more
    result["paths"] |= hot_paths()
    for operations in result["paths"].values():
        for operation in operations.values():
            operation["responses"] = refusals() | operation["responses"]
    return result


def refusals() -> dict[str, Any]:
    schema = {"$ref": "#/components/schemas/Problem"}
    return {s: {"description": words, "content": {CONTENT_TYPE: {"schema": schema}}} for s, words in REFUSALS.items()}


class Assigned(msgspec.Struct):
    experiment: str
    variant: str
    phase: int
    in_holdout: bool


Pair = Annotated[
    list[float], msgspec.Meta(min_length=2, max_length=2)
]  # of a tuple, generators of clients make nothing


class Team(msgspec.Struct):
    variant: str
    parameters: dict[str, Any]


class Interleaved(msgspec.Struct):
    """Two rankers make one list: how to draft it, and which ranker an event speaks for, stands in docs/api.md."""

    experiment: str
    phase: int
    seed: str
    teams: list[Team]


class Share(msgspec.Struct):
    seed: str
    range: Pair


class Span(msgspec.Struct):
    variant: str
    range: Pair
    parameters: dict[str, Any]


class Shared(msgspec.Struct):
    """The rule by which each item or merchant finds its arm."""

    experiment: str
    phase: int
    unit: str  # item_id or merchant_id
    hash_version: int
    seed: str
    filters: list[Share]
    arms: list[Span]


class InForce(msgspec.Struct):
    weights: dict[str, float]
    source: str  # default, scenario, stage or experiment:<key>
    version: int


class Discovered(msgspec.Struct):
    position: int
    item_id: str
    campaign: str
    table: int
    row: int | None
    propensity: float | None
    source: str


class Allocation(msgspec.Struct):
    """The answer of POST /api/v1/allocations."""

    trace_id: str
    snapshot: int
    expires_in: int  # seconds
    scenario: str
    journey_stage: str | None
    experiments: list[Assigned]
    parameters: dict[str, Any]
    objectives: InForce | None
    discovery: list[Discovered]
    floors: dict[str, float] | msgspec.UnsetType = msgspec.UNSET  # by campaign, of those that this unit sees
    interleaving: list[Interleaved] | msgspec.UnsetType = msgspec.UNSET  # where rankers are interleaved here
    shared_experiments: list[Shared] | msgspec.UnsetType = msgspec.UNSET  # where items or merchants are randomised


class Stored(msgspec.Struct):
    """The answer of POST /api/v1/events: what is durable, what was known, what was refused."""

    accepted: int
    duplicates: int
    rejected: list[parse.Rejection]


def hot_paths() -> dict[str, Any]:
    asked, allocation, event, stored = _schemas()[0]
    either = {"oneOf": [allocation, {"$ref": "#/components/schemas/Problem"}]}
    batch = _object(requests={"type": "array", "items": asked, "maxItems": questions.MOST_REQUESTS})
    events = {
        "application/json": {"schema": {"type": "array", "items": event, "maxItems": parse.MAX_EVENTS}},
        "application/x-ndjson": {"schema": {"type": "string"}},
    }
    return {
        "/api/v1/allocations": _post("allocations_create", _json(asked), allocation),
        "/api/v1/allocations/batch": _post(
            "allocations_batch", _json(batch), _object(results={"type": "array", "items": either})
        ),
        "/api/v1/events": _post("events_create", events, stored),
        "/api/v1/rules": _rules(),
    }


def _post(name: str, content: dict[str, Any], answer: dict[str, Any]) -> dict[str, Any]:
    return {
        "post": {
            "operationId": name,
            "tags": ["hot"],
            "security": [{"key": []}],
            "requestBody": {"required": True, "content": content},
            "responses": {"200": {"description": "", "content": _json(answer)}},
        }
    }


def _rules() -> dict[str, Any]:
    """For clients that decide by themselves; what a rule says is known by the evaluator that reads it."""
    members = {
        "scenarios": {"type": "array", "items": {"type": "string"}},
        "rules": {"type": "array", "items": {"type": "object"}},
        "groups": {"type": "object", "additionalProperties": {"type": "array"}},
    }
    told = {"description": "", "content": _json({"type": "object", "properties": members})}
    same = {"description": "As the one that If-None-Match names"}
    return {
        "get": {
            "operationId": "rules_retrieve",
            "tags": ["hot"],
            "security": [{"key": []}],
            "responses": {"200": told, "304": same},
        }
    }


def _json(schema: dict[str, Any]) -> dict[str, Any]:
    return {"application/json": {"schema": schema}}


def _object(**properties: Any) -> dict[str, Any]:
    return {"type": "object", "required": list(properties), "properties": properties}


def _schemas() -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """From the very types that decode the requests, so that the two cannot differ."""
    found = msgspec.json.schema_components(
        (questions.Asked, Allocation, parse.Event, Stored), ref_template="#/components/schemas/{name}"
    )
    # Questions and events each have a type Unit, of the same fields: msgspec names both with their modules, at which
    # generators of clients stumble.
    text = re.sub(rb"\bfirstlight[\w.]+\.(?=Unit\b)", b"", msgspec.json.encode(found))
    schemas, components = msgspec.json.decode(text)
    return schemas, components


def _components() -> dict[str, Any]:
    return _schemas()[1]
