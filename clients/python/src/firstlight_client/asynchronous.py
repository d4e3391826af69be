"""The client for asyncio: questions are awaited; events and rules go by threads, which no busy loop holds up."""

import asyncio
import os
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from types import TracebackType
from typing import Self, Unpack

from . import calls
from .answers import Answer
from .core import ALLOCATIONS, BATCH, MOST_REQUESTS, Core
from .events import Rejected
from .options import Asked, Options
from .questions import Question, batch
from .transport import AsyncTransport


class AsyncFirstlight(Core):
    """One for each event loop. `assign` and `track` are plain calls: they do not wait."""

    def __init__(
        self,
        url: str,
        key: str,
        *,
        folder: str | os.PathLike[str] | None = None,
        local: bool = False,
        on_rejected: Callable[[Rejected], None] | None = None,
        options: Options | None = None,
    ) -> None:
        super().__init__(url, key, folder=folder, local=local, on_rejected=on_rejected, options=options)
        self._asking = AsyncTransport(self._address, self._options.connections)

    async def allocate(
        self, unit: Mapping[str, str], scenario: str, *, timeout: float | None = None, **asked: Unpack[Asked]
    ) -> Answer:
        """Ask the server, within `timeout` seconds in all. When there is no answer in time, what stands in for it."""
        self._begin()
        question = Question(unit=unit, scenario=scenario, **asked).named()
        with self._reports.of("firstlight.allocate", scenario) as report:
            steps = self._course(ALLOCATIONS, question.body, timeout)
            outcome = report.heard(self._heard(await calls.walk_async(steps, self._asking)))
            return report.answered(self._answering.one(question, outcome))

    async def allocate_batch(self, questions: Sequence[Question], *, timeout: float | None = None) -> list[Answer]:
        """An answer for each, in order; a thousand go in one call, whose seconds `timeout` bounds."""
        self._begin()
        found: list[Answer] = []
        for start in range(0, len(questions), MOST_REQUESTS):
            some = [question.named() for question in questions[start : start + MOST_REQUESTS]]
            with self._reports.of("firstlight.allocate_batch") as report:
                steps = self._course(BATCH, partial(batch, some), timeout)
                outcome = report.heard(self._heard(await calls.walk_async(steps, self._asking)))
                found += self._answering.several(some, outcome)
        return found

    async def wait_until_ready(self, timeout: float = 10.0) -> bool:
        """Whether there are rules for `assign`; waits for the first ones."""
        return await asyncio.to_thread(self._wait, timeout)

    async def flush(self, timeout: float = 5.0) -> bool:
        """Whether the server has every event tracked so far; waits for it."""
        return await asyncio.to_thread(self._flush, timeout)

    async def close(self, timeout: float = 5.0) -> None:
        """Send what waits, as far as it can be sent by then; the rest stays on disk for the next process."""
        if self._end is not None:
            self._end.cancel()
        await asyncio.to_thread(self._finish, timeout)
        await self._asking.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    def _after_fork(self) -> None:
        super()._after_fork()
        self._asking.renew()
