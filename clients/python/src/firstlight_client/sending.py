"""One call to /api/v1/events: what the server's reply means for the events that were sent. Pure, but for the call."""

import gzip
from collections.abc import Sequence
from typing import NamedTuple

import msgspec

from . import answers, events, retrying
from .events import Rejected
from .transport import Failure, Reply

PATH = "/api/v1/events"
HEADERS = {"Content-Type": "application/x-ndjson", "Content-Encoding": "gzip"}
QUICK = 1  # level of gzip
UNREADABLE = frozenset({400, 413, 422})  # of a body that is wrong as a whole: halves are tried


class Taken(NamedTuple):
    """The server has them, but for those that it will never take."""

    accepted: int
    duplicates: int
    rejected: list[Rejected]


class Later(NamedTuple):
    """All of them are to be sent again."""

    reason: str
    after: float | None  # seconds, where the server says so


class Halve(NamedTuple):
    """Not all at once; of a single one: never."""

    reason: str


class _Told(msgspec.Struct):
    accepted: int
    duplicates: int = 0
    rejected: list["_Refusal"] = []


class _Refusal(msgspec.Struct):
    index: int
    pointer: str = ""
    detail: str = ""


_told = msgspec.json.Decoder(_Told)


def body(lines: Sequence[bytes]) -> bytes:
    return gzip.compress(b"".join(lines), QUICK)


def outcome(reply: Reply | Failure, lines: Sequence[bytes]) -> Taken | Later | Halve:
    if isinstance(reply, Failure):
        return Later(reply.reason, None)
    if reply.status == 200:
        return _taken(reply, lines)
    reason = f"{reply.status} {answers.problem(reply.body).said()}".strip()
    if reply.status in UNREADABLE:
        return Halve(reason)
    return Later(reason, retrying.retry_after(reply))


def never(line: bytes, reason: str) -> Rejected:
    return Rejected(events.read(line), "", reason)


def _taken(reply: Reply, lines: Sequence[bytes]) -> Taken | Later:
    try:
        told = _told.decode(reply.body)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return Later("an acknowledgement that cannot be read", None)  # sent again, they are duplicates
    known = [one for one in told.rejected if 0 <= one.index < len(lines)]
    rejected = [Rejected(events.read(lines[one.index]), one.pointer, one.detail) for one in known]
    return Taken(told.accepted, told.duplicates, rejected)
