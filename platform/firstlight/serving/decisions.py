"""One decision on its way to the log: the bytes that came and went, and what is still to be counted. Pure."""

from datetime import datetime, timedelta
from typing import Any, NamedTuple

import msgspec

from firstlight.events.packs import Decided
from firstlight.snapshots.memory import Held
from firstlight.snapshots.sections import Request, completers

EPOCH = datetime.fromisoformat("1970-01-01T00:00:00+00:00")
MICROSECOND = timedelta(microseconds=1)

_encoder = msgspec.json.Encoder()


class Left(NamedTuple):
    """What sections need to finish an answer."""

    held: Held  # the snapshot that decided
    request: Request
    answer: dict[str, Any]  # with the words between sections


class Decision(NamedTuple):
    at: datetime
    asked: bytes  # as the client said it
    answer: bytes  # as it was sent
    left: Left | None  # None: nothing


def decided(held: Held, request: Request, asked: bytes, answer: dict[str, Any], sent: bytes) -> Decision:
    is_open = any(asks(answer) for _, asks, _ in completers())
    return Decision(request.at, asked, sent, Left(held, request, answer) if is_open else None)


def encoded(answer: dict[str, Any]) -> bytes:
    """As it is sent: words between sections begin with "_"."""
    return _encoder.encode({name: value for name, value in answer.items() if name[0] != "_"})


def completed(decision: Decision) -> Decision:
    """With what the sections left out of the answer because it takes long to count."""
    if decision.left is None:
        return decision
    held, request, answer = decision.left
    for name, _, verb in completers():
        verb(held.states[name], request, answer)
    return decision._replace(answer=encoded(answer), left=None)


def kept(decision: Decision) -> Decided:
    """What the log keeps of it."""
    return Decided((decision.at - EPOCH) // MICROSECOND, decision.asked, decision.answer)
