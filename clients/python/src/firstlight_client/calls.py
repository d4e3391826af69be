"""The course of one call: tries, pauses and the breaker, told as steps that threads and asyncio walk in their own way.

A course that is closed before its end (its task was cancelled) gives the breaker's trial back.
"""

import asyncio
import time
from collections.abc import Generator
from typing import NamedTuple

from . import retrying
from .breaker import Breaker
from .retrying import Patience
from .transport import AsyncTransport, Failure, Reply, Transport

Outcome = Reply | Failure


class Request(NamedTuple):
    method: str
    path: str
    body: bytes = b""
    headers: dict[str, str] = {}


class Try(NamedTuple):
    request: Request
    within: float  # seconds


class Wait(NamedTuple):
    seconds: float


Course = Generator[Try | Wait, Outcome | None, Outcome]


def course(request: Request, patience: Patience, breaker: Breaker) -> Course:
    if not breaker.admits():
        return Failure(f"the server did not answer before; it is asked again in {breaker.left:.1f} s")
    until, tries, outcome = time.monotonic() + patience.deadline, 0, None
    try:
        while True:
            outcome = yield Try(request, max(0.001, until - time.monotonic()))
            assert outcome is not None
            tries += 1
            waits = retrying.pause(outcome, tries, until - time.monotonic(), patience)
            if waits is None:
                break
            yield Wait(waits)
    except GeneratorExit:
        breaker.abandoned()
        raise
    _tell(breaker, outcome)
    return outcome


def failed(reason: str) -> Course:
    """A call that is not worth a try."""
    return Failure(reason)
    yield  # a course all the same


def _tell(breaker: Breaker, outcome: Outcome) -> None:
    if retrying.is_worth_another_try(outcome):
        breaker.failed((isinstance(outcome, Reply) and retrying.retry_after(outcome)) or 0.0)
    else:
        breaker.succeeded()


def walk(steps: Course, transport: Transport) -> Outcome:
    outcome: Outcome | None = None
    try:
        while True:
            match steps.send(outcome):
                case Try(request, within):
                    outcome = transport.ask(*request, within=within)
                case Wait(seconds):
                    time.sleep(seconds)
                    outcome = None
    except StopIteration as end:
        return end.value  # type: ignore[no-any-return]
    finally:
        steps.close()


async def walk_async(steps: Course, transport: AsyncTransport) -> Outcome:
    outcome: Outcome | None = None
    try:
        while True:
            match steps.send(outcome):
                case Try(request, within):
                    outcome = await transport.ask(*request, within=within)
                case Wait(seconds):
                    await asyncio.sleep(seconds)
                    outcome = None
    except StopIteration as end:
        return end.value  # type: ignore[no-any-return]
    finally:
        steps.close()
