"""Decisions on their way: question and answer as the bytes they were, many of them in one row of the inbox. Pure.

A web process has the bytes of both at hand; taking them apart into columns costs more than deciding did. So they are
packed as they are, and whoever carries them to the lake takes them apart. A decision has some 6 KB; a thousand of them
are alike, and zstd makes 0.3 KB of each in 4 us, outside of Python's lock.

The ids of a pack's decisions are its own id and those that follow it: whoever reads a pack twice reads the same ids,
and the lake has all of a pack or nothing.
"""

from collections.abc import Iterator, Sequence
from struct import Struct
from typing import Any, NamedTuple
from uuid import UUID

import msgspec
import pyarrow as pa
import uuid_utils

from firstlight.events.parse import Line

MOST = 2**16  # decisions of a pack: so many ids follow its own
UNSTATED: dict[str, Any] = {"attributes": {}, "recent": [], "slots": None, "exclude_items": [], "eligible": {}}
# Of the question: what has a column of its own, or says nothing of how it was answered.
APART = frozenset({"unit", "scenario", "trace_id", "propensities", "log"})

_LENGTH = Struct("<Q")
_zstd = pa.Codec("zstd", compression_level=1)
_encoder = msgspec.json.Encoder()


class Decided(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """One decision, its documents as JSON. Wire names: docs/api.md, POST /api/v1/allocations."""

    at: int  # microseconds since 1970
    asked: bytes
    answer: bytes


class Pack(NamedTuple):
    """A row of the inbox."""

    event_id: str
    n_events: int
    packed: bytes


class Met(msgspec.Struct, frozen=True):
    """What the log keeps of an experiment in an answer."""

    experiment: str
    variant: str
    phase: int
    forced: bool = False


class Answer(msgspec.Struct, frozen=True):
    """What the log reads of an answer; the rest of it stands in other columns or follows from them."""

    trace_id: str
    snapshot: int
    scenario: str
    journey_stage: str | None
    experiments: list[Met]
    parameters: msgspec.Raw
    objectives: msgspec.Raw
    discovery: list[dict[str, Any]]
    floors: dict[str, float] = {}


_batches = msgspec.msgpack.Decoder(list[Decided])
_answers = msgspec.json.Decoder(Answer)


def pack(decisions: Sequence[Decided]) -> Pack:
    """At least one, at most `MOST`, in order."""
    raw = msgspec.msgpack.encode(decisions)
    event_id = UUID(int=uuid_utils.uuid7().int & -MOST)
    return Pack(str(event_id), len(decisions), _LENGTH.pack(len(raw)) + _zstd.compress(raw, asbytes=True))


def unpacked(event_id: str, packed: bytes) -> Iterator[tuple[str, Decided]]:
    """(event id, decision), in order."""
    (length,), first = _LENGTH.unpack_from(packed), UUID(event_id).int
    raw = _zstd.decompress(packed[_LENGTH.size :], decompressed_size=length, asbytes=True)
    for place, decided in enumerate(_batches.decode(raw)):
        yield str(UUID(int=first + place)), decided


def lines(event_id: str, packed: bytes) -> Iterator[bytes]:
    """One JSON line per decision, as other events stand in the inbox."""
    for own, decided in unpacked(event_id, packed):
        yield _encoder.encode(line(own, decided))


def line(event_id: str, decided: Decided) -> Line:
    """Columns: firstlight.lake.schema.EVENTS."""
    asked, answer = msgspec.json.decode(decided.asked), _answers.decode(decided.answer)
    return Line(
        event_id=event_id,
        type="decision",
        at=decided.at,
        scenario=answer.scenario,
        trace_id=answer.trace_id,
        snapshot=answer.snapshot,
        assignments=[_assignment(met) for met in answer.experiments if not met.forced],
        discovery=answer.discovery,
        properties=_encoder.encode(properties(asked, answer)).decode(),
        **{name: key for name, key in asked["unit"].items() if key is not None},
    )


def _assignment(met: Met) -> dict[str, Any]:
    return {"experiment": met.experiment, "variant": met.variant, "phase": met.phase}


def properties(asked: dict[str, Any], answer: Answer) -> dict[str, Any]:
    """All else that the answer depended on, so that it can be given again from the same snapshot."""
    told = {name: value for name, value in asked.items() if name not in APART}
    # Apart from `assignments`, so that nobody who counts exposures meets an arm that was forced on a tester.
    if forced := [_assignment(met) for met in answer.experiments if met.forced]:
        told["forced_arms"] = forced
    eligible = {name: values for name, values in (asked.get("eligible") or {}).items() if values is not None}
    return {
        **UNSTATED,
        **told,
        "exclude_items": sorted(set(asked.get("exclude_items", ()))),
        "eligible": eligible,
        "parameters": answer.parameters,
        "objectives": answer.objectives,
        "journey_stage": answer.journey_stage,
        "floors": answer.floors,
    }
