"""A logged decision, decided again by the snapshot that it names, and held against all that was logged, bit for bit.

The logged row is made a question again and goes the way of every question, so that what a release adds to questions
(wishes, filters) is replayed without a word here. Only sections that decide are loaded, and of those only what the
snapshot of the last replay did not have.
"""

import threading
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

import msgspec

from firstlight.kernel.withheld import Reason, Withheld
from firstlight.lake.schema import UNITS
from firstlight.serving import allocations, questions
from firstlight.serving.wire import Refusal
from firstlight.snapshots import memory
from firstlight.snapshots.lists import Damaged
from firstlight.snapshots.memory import Held, NoSnapshot
from firstlight.snapshots.models import Part, Version
from firstlight.snapshots.sections import Request, deciders

Json = dict[str, Any]
MOST_DIFFERENCES = 50
# What the log says of an answer, and what it says where it says nothing.
LOGGED: Json = {"parameters": {}, "objectives": None, "journey_stage": None}


@dataclass(frozen=True, slots=True)
class Difference:
    pointer: str  # RFC 6901, into what was logged
    logged: Any
    replayed: Any


@dataclass(frozen=True, slots=True)
class Replay:
    snapshot: int
    differences: tuple[Difference, ...]  # the first of them
    uncounted: int  # propensities that the log left open when it fell behind

    @property
    def verdict(self) -> Literal["same", "differs"]:
        return "differs" if self.differences else "same"


class Shelf:
    """The snapshot that was replayed last: its neighbours share most of its parts."""

    def __init__(self) -> None:
        self._held: Held | None = None
        self._taking = threading.Lock()

    def held(self, number: int) -> Held | Withheld:
        with self._taking:
            if self._held is None or self._held.number != number:
                found = _loaded(number, self._held or _serving())
                if isinstance(found, Withheld):
                    return found
                self._held = found
            return self._held


_shelf = Shelf()


def replay(trace_id: str, decision: Mapping[str, Any], shelf: Shelf = _shelf) -> Replay | Withheld:
    """Of a decision as `firstlight.events.traces` reads it; withheld where it cannot be asked again, and why."""
    held = shelf.held(decision.get("snapshot") or 0)
    if isinstance(held, Withheld):
        return held
    try:
        request = asked(trace_id, decision)
    except Refusal:
        return Withheld(Reason.NO_QUESTION)
    answer = allocations.decide(held, request)
    return compared(decision, answer, held.number)


def replays(decisions: Iterable[tuple[str, Mapping[str, Any]]]) -> Iterator[tuple[str, Replay | Withheld]]:
    """(trace, replay) of many, one snapshot after the other."""
    shelf = Shelf()
    for trace_id, decision in sorted(decisions, key=lambda one: one[1].get("snapshot") or 0):
        yield trace_id, replay(trace_id, decision, shelf)


def asked(trace_id: str, decision: Mapping[str, Any]) -> Request:
    """The question that a logged decision answered, propensities wanted. Raises `Refusal`: it never was a question."""
    told = decision.get("properties") or {}
    body = {name: told[name] for name in questions.Asked.__struct_fields__ if name in told} | {
        "unit": {name: decision[name] for name in UNITS if name in decision},
        "scenario": decision.get("scenario"),
        "trace_id": trace_id,
        "propensities": True,
    }
    return questions.parse(msgspec.json.encode(body), datetime.fromisoformat(decision["at"])).request


def compared(decision: Mapping[str, Any], answer: Mapping[str, Any], snapshot: int) -> Replay:
    logged, replayed = _logged(decision), _answered(answer)
    open_ones = sum(slot.get("propensity") is None for slot in logged["discovery"])
    found = list(_differences("", logged, {name: replayed.get(name) for name in logged}))
    return Replay(snapshot, tuple(found[:MOST_DIFFERENCES]), open_ones)


def _logged(decision: Mapping[str, Any]) -> Json:
    told = decision.get("properties") or {}
    return {
        "assignments": decision.get("assignments") or [],
        "discovery": decision.get("discovery") or [],
        "forced_arms": told.get("forced_arms", []),
        **{name: told.get(name, nothing) for name, nothing in LOGGED.items()},
        **({"floors": told["floors"]} if "floors" in told else {}),  # an older release did not tell
    }


def _answered(answer: Mapping[str, Any]) -> Json:
    """The same of an answer, as JSON brings it to the log."""
    met: dict[bool, list[Json]] = {False: [], True: []}
    for one in answer["experiments"]:
        met[bool(one.get("forced"))].append({name: one[name] for name in ("experiment", "variant", "phase")})
    told = {name: answer[name] for name in (*LOGGED, "discovery", "floors") if name in answer}
    given = {"assignments": met[False], "forced_arms": met[True], "floors": {}, **told}
    return msgspec.json.decode(msgspec.json.encode(given))  # type: ignore[no-any-return]


def _differences(pointer: str, logged: Any, replayed: Any) -> Iterator[Difference]:
    """Down to the leaves; a float equals another when all its bits do, and 1 is not 1.0."""
    if isinstance(logged, dict) and isinstance(replayed, dict):
        for name in sorted({*logged, *replayed}):
            if name == "propensity" and logged.get(name, ...) is None:
                continue  # left open: nothing was said
            step = name.replace("~", "~0").replace("/", "~1")
            yield from _differences(f"{pointer}/{step}", logged.get(name), replayed.get(name))
    elif isinstance(logged, list) and isinstance(replayed, list):
        for place in range(max(len(logged), len(replayed))):
            pair = (one[place] if place < len(one) else None for one in (logged, replayed))
            yield from _differences(f"{pointer}/{place}", *pair)
    elif msgspec.json.encode(logged) != msgspec.json.encode(replayed):
        yield Difference(pointer, logged, replayed)


def _loaded(number: int, before: Held | None) -> Held | Withheld:
    version = Version.objects.filter(number=number).first()
    if version is None:
        return Withheld(Reason.NO_SNAPSHOT)
    try:
        parts = {name: version.parts.get(name, {}) for name, _ in deciders()}
        known = before.loaded if before else {}
        missing = {d for name, named in parts.items() for d in named.values() if (name, d) not in known}
        payloads = Part.objects.filter(digest__in=missing).values_list("digest", "payload")
        return memory.renewed(
            before, version.number, version.created_at, parts, {digest: bytes(payload) for digest, payload in payloads}
        )
    except Damaged:
        return Withheld(Reason.DAMAGED_SNAPSHOT)


def _serving() -> Held | None:
    """What this process serves from, if it does."""
    try:
        return memory.current()
    except NoSnapshot:
        return None
