"""What is asked, as the server reads it and as an answer is remembered by. Wire names: docs/api.md. Pure."""

import random
import time
from collections.abc import Mapping, Sequence
from datetime import datetime
from hashlib import blake2b
from typing import Any
from uuid import UUID

import msgspec

from .assignment.rules import NO_WISHES, Wishes

_encode = msgspec.json.Encoder().encode

# What only this moment says: yesterday's good answer to the same question is one without them.
MOMENT: dict[str, Any] = {"trace_id": "", "recent": (), "propensities": False, "log": True}


class Question(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One question to /api/v1/allocations. At least one id in `unit`."""

    unit: Mapping[str, str]
    scenario: str
    trace_id: str = ""
    attributes: Mapping[str, Any] = {}
    recent: Sequence[Mapping[str, Any]] = ()  # {"event", "item_id", "at"} of this visit
    slots: int | None = None
    exclude_items: Sequence[str] = ()
    eligible: Mapping[str, Sequence[str]] | None = None
    propensities: bool = False
    log: bool = True
    forced: str | None = None  # the signed token of a preview link
    sticky: Mapping[str, Any] | None = None  # what the last answer gave

    def named(self) -> "Question":
        """With a trace id, so that every try asks for the same answer, and so that it is known whatever happens."""
        return self if self.trace_id else msgspec.structs.replace(self, trace_id=trace_id())

    def body(self) -> bytes:
        return _encode(self)

    def key(self) -> bytes:
        """The same for questions whose good answers stand in for each other."""
        return blake2b(_encode(msgspec.structs.replace(self, **MOMENT)), digest_size=16).digest()


class Local(msgspec.Struct, frozen=True):
    """One question to the rules held here."""

    unit: Mapping[str, str]
    scenario: str
    trace_id: str
    at: datetime
    attributes: Mapping[str, Any] = {}
    wishes: Wishes = NO_WISHES


def trace_id() -> str:
    """A UUID, version 7: by time, so that logs and tables keep those of one hour together."""
    chance = random.getrandbits(74)
    high, low = chance >> 62, chance & (2**62 - 1)
    return str(UUID(int=time.time_ns() // 1_000_000 << 80 | 7 << 76 | high << 64 | 2 << 62 | low))


def event_id() -> str:
    """A UUID, version 4. Nobody guesses it to any use, so it need not be secret; `random` begins anew after a fork."""
    return str(UUID(int=random.getrandbits(128), version=4))


def batch(questions: Sequence[Question]) -> bytes:
    return _encode({"requests": questions})
