"""OpenFeature Remote Evaluation Protocol 0.3: every parameter is a flag, and so is the arm of every experiment.

A flag evaluation is an allocation that asks for parameters alone: the same arms, the same decision log, no discovery. A
single flag meets those experiments alone that set it, so that nobody is exposed to what was not asked for.
Source: github.com/open-feature/protocol, service/openapi.yaml, version 0.3.0.
"""

import contextlib
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from functools import partial
from hashlib import blake2b
from typing import Any, NamedTuple, NoReturn
from urllib.parse import parse_qs

import msgspec

from firstlight.accounts.keys import HeldKey
from firstlight.assignment import flags
from firstlight.assignment.flags import Flags
from firstlight.assignment.index import Published
from firstlight.serving import access, allocations, announcing, limits, questions, wire
from firstlight.serving.wire import Answer, Environ, Headers, Refusal
from firstlight.snapshots.memory import Held

ONE, ALL = "/ofrep/v1/evaluate/flags/", "/ofrep/v1/evaluate/flags"
METHODS = ("POST", "OPTIONS")
LONGEST = 200  # characters of a name
WINDOW = 3600  # seconds: switchbacks turn at full hours
PATIENCE = 0.5  # seconds that a client which a stream sent here waits for the snapshot that it was told of
# The key opens the door, and a page sends it only where it means to: no origin is worse than another.
ANYBODY: Headers = (
    ("Access-Control-Allow-Origin", "*"),
    ("Access-Control-Expose-Headers", "ETag, Retry-After, Firstlight-Trace"),
)
PREFLIGHT: Headers = (
    *ANYBODY,
    ("Access-Control-Allow-Methods", "POST"),
    ("Access-Control-Allow-Headers", "Authorization, Content-Type, If-None-Match, X-API-Key"),
    ("Access-Control-Max-Age", "86400"),
)
IDS = questions.Unit.__struct_fields__
# What a context says itself; all else in it are attributes.
SAID = frozenset({*IDS, "targetingKey", "scenario", "trace_id", "forced", "log"})

_encoder = msgspec.json.Encoder()


class Body(msgspec.Struct):
    """More fields are no fault: the protocol grows by them."""

    context: dict[str, Any]


class Unclear(Exception):
    """A context that cannot be evaluated: the protocol's code, and why."""

    def __init__(self, code: str, why: str) -> None:
        super().__init__(why)
        self.code = code


class Shelf:
    """What does not change from request to request: of one state of the experiments."""

    def __init__(self, state: Published, parts: Mapping[str, str]) -> None:
        self.state = state
        self.digest = blake2b(_sorted.encode(dict(parts)), digest_size=16).digest()
        self._flags: dict[str, Flags] = {}

    def flags(self, scenario: str) -> Flags:
        if scenario not in self._flags:
            self._flags[scenario] = Flags.of(self.state, scenario)
        return self._flags[scenario]


class Asked(NamedTuple):
    held: Held
    key: HeldKey
    context: Mapping[str, Any]
    said: bytes  # the same, spelt in one way
    shelf: Shelf
    flags: Flags  # of the scenario


_decoder = msgspec.json.Decoder(Body)
_sorted = msgspec.json.Encoder(order="sorted")  # of JSON, for MessagePack has no whole numbers past 64 bits
_shelf: Shelf | None = None
_waiting = limits.Room(8)


def evaluate_one(environ: Environ) -> Answer:
    name = environ["PATH_INFO"].removeprefix(ONE).encode("latin-1").decode("utf-8", "replace")[:LONGEST]  # PEP 3333
    return _in_their_words(environ, partial(_one, name), key=name)


def evaluate_all(environ: Environ) -> Answer:
    return _in_their_words(environ, _all)


def _in_their_words(environ: Environ, answer: Callable[[Environ], Answer], **key: str) -> Answer:
    """Whatever was wrong, clients find the protocol's two fields in the answer, and pages of any origin may read it."""
    if environ["REQUEST_METHOD"] == "OPTIONS":
        return Answer(204, b"", headers=PREFLIGHT)
    try:
        told = answer(environ)
    except Unclear as error:
        told = _failed(400, error.code, str(error), **key)
    except Refusal as refusal:
        told = _failed(refusal.status, "GENERAL", refusal.detail, **key)._replace(headers=refusal.headers)
    return told._replace(headers=(*told.headers, *ANYBODY))


def _one(name: str, environ: Environ) -> Answer:
    asked = _asked(environ)
    if name not in asked.flags.is_float:
        return _failed(404, "FLAG_NOT_FOUND", f"Nothing that runs here sets “{name}”.", key=name)
    answer = _answered(asked, [name])
    (told,) = _told(asked, answer, [name], {"trace_id": answer["trace_id"]})
    return Answer(200, _encoder.encode(told))


def _all(environ: Environ) -> Answer:
    """Unchanged flags are a 304, which evaluates nothing and logs nothing.

    The trace of the decision is a header, for what has one tag is one body.
    """
    asked = _asked(environ)
    tag = f'"{_digest(asked)}"'
    lasts = "forced" not in asked.context  # a preview link is good until a time of its own
    if lasts and tag in environ.get("HTTP_IF_NONE_MATCH", ""):
        return Answer(304, b"", headers=(("ETag", tag),))
    answer = _answered(asked, ())
    metadata = {"snapshot": asked.held.number, "scenario": asked.context["scenario"]}
    told: dict[str, Any] = {"flags": _told(asked, answer, asked.flags.is_float, {}), "metadata": metadata}
    if stream := announcing.stream(asked.key):
        told["eventStreams"] = [stream]
    return Answer(200, _encoder.encode(told), headers=(("ETag", tag), ("Firstlight-Trace", answer["trace_id"])))


def _asked(environ: Environ) -> Asked:
    held = _fresh(environ)
    key = access.admit(_with_key(environ), held, "allocate")
    wire.media_type(environ, "application/json")
    try:
        context = _decoder.decode(wire.body(environ)).context
        said = _sorted.encode(context)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise Unclear("PARSE_ERROR", str(error)[: questions.LONGEST_DETAIL]) from error
    scenario = context.get("scenario") or _only(held, key)
    if not isinstance(scenario, str) or scenario not in held.state("scenarios"):
        raise Unclear("INVALID_CONTEXT", f"There is no scenario “{str(scenario)[:200]}”.")
    shelf = _shelf_of(held)
    return Asked(held, key, {**context, "scenario": scenario}, said, shelf, shelf.flags(scenario))


def _fresh(environ: Environ) -> Held:
    """What is held; for a client that a stream told of something newer, that: it is on its way here as well.

    Few may wait, and not for long: a number that was made up must not take every thread.
    """
    held = access.snapshot()
    wanted = _number(environ.get("QUERY_STRING", ""))
    if wanted > held.number:
        with contextlib.suppress(Refusal), _waiting:
            end = time.monotonic() + PATIENCE
            while (held := access.snapshot()).number < wanted and time.monotonic() < end:
                time.sleep(PATIENCE / 50)
    return held


def _number(query: str) -> int:
    """Of the snapshot that a stream told of; 0 where the client was told nothing."""
    if "flagConfigEtag=" not in query:
        return 0
    told = parse_qs(query[:1_000]).get("flagConfigEtag", [""])[0].strip('"')
    return int(told) if told.isascii() and told.isdigit() and len(told) < 19 else 0


def _shelf_of(held: Held) -> Shelf:
    """Made anew when the experiments changed; two threads that do so at once make the same."""
    global _shelf  # noqa: PLW0603 - the one of the process
    shelf, state = _shelf, held.state("experiments")
    if shelf is None or shelf.state is not state:
        _shelf = shelf = Shelf(state, held.parts.get("experiments", {}))
    return shelf


def _with_key(environ: Environ) -> Environ:
    """Providers send a key in one of two places."""
    if "HTTP_AUTHORIZATION" in environ or "HTTP_X_API_KEY" not in environ:
        return environ
    return {**environ, "HTTP_AUTHORIZATION": f"Bearer {environ['HTTP_X_API_KEY']}"}


def _only(held: Held, key: HeldKey) -> str:
    """The scenario that a context need not name, for there is no other."""
    there = [one for one in held.state("scenarios") if not key.scenarios or one in key.scenarios]
    if len(there) == 1:
        return str(there[0])
    raise Unclear("INVALID_CONTEXT", "Say `scenario` in the context: there are several.")


def _told(asked: Asked, answer: Mapping[str, Any], names: Iterable[str], more: Mapping[str, Any]) -> list[Any]:
    found = flags.evaluated(asked.held.state("experiments"), answer)
    metadata = {"snapshot": asked.held.number, **more}
    return [asked.flags.told(name, found.get(name), metadata) for name in names]


def _answered(asked: Asked, only: Sequence[str]) -> dict[str, Any]:
    try:
        question = questions.parse(_question(asked.context, only), datetime.now(UTC))
        return allocations.answered(asked.held, asked.key, question)[0]
    except Refusal as refusal:
        if refusal.status != 422:
            raise
        _refused(refusal)


def _question(context: Mapping[str, Any], only: Sequence[str]) -> bytes:
    """As /allocations would be asked. Raises `Unclear`."""
    unit = {name: context[name] for name in IDS if context.get(name) is not None}
    if (who := context.get("targetingKey")) and "user_id" not in unit:
        unit["user_id"] = who
    if not unit:
        raise Unclear("TARGETING_KEY_MISSING", f"The context has neither targetingKey nor any of {', '.join(IDS)}.")
    given = {name: context[name] for name in ("scenario", "trace_id", "forced") if name in context}
    if isinstance(context.get("log"), bool):
        given["log"] = context["log"]
    rest = {name: value for name, value in context.items() if name not in SAID}
    return _encoder.encode({**given, "unit": unit, "attributes": rest, "slots": 0, "only": only})


def _refused(refusal: Refusal) -> NoReturn:
    told = [f"{place.get('pointer', '')}: {place['detail']}" for place in refusal.errors]
    raise Unclear("INVALID_CONTEXT", "; ".join(told) or refusal.detail) from refusal


def _digest(asked: Asked) -> str:
    """Of all that the answer follows from: key, context, what is published, and the hour where it matters."""
    hour = int(datetime.now(UTC).timestamp()) // WINDOW if asked.flags.turns else 0
    told = _encoder.encode([hour, asked.key.public_id, asked.context["scenario"]])
    return blake2b(asked.shelf.digest + told + asked.said, digest_size=16).hexdigest()


def _failed(status: int, code: str, why: str, **more: str) -> Answer:
    """As the protocol has it, not as a problem document: providers read these two fields."""
    return Answer(status, _encoder.encode({**more, "errorCode": code, "errorDetails": why}))
