"""The client for threads."""

from collections.abc import Mapping, Sequence
from functools import partial
from types import TracebackType
from typing import Self, Unpack

from . import calls
from .answers import Answer
from .core import ALLOCATIONS, BATCH, MOST_REQUESTS, Core
from .options import Asked
from .questions import Question, batch


class Firstlight(Core):
    """Make one for each process and keep it; it is safe for threads and goes on in forked children."""

    def allocate(
        self, unit: Mapping[str, str], scenario: str, *, timeout: float | None = None, **asked: Unpack[Asked]
    ) -> Answer:
        """Ask the server, within `timeout` seconds in all. When there is no answer in time, what stands in for it."""
        self._begin()
        question = Question(unit=unit, scenario=scenario, **asked).named()
        with self._reports.of("firstlight.allocate", scenario) as report:
            steps = self._course(ALLOCATIONS, question.body, timeout)
            outcome = report.heard(self._heard(calls.walk(steps, self._transport)))
            return report.answered(self._answering.one(question, outcome))

    def allocate_batch(self, questions: Sequence[Question], *, timeout: float | None = None) -> list[Answer]:
        """An answer for each, in order; a thousand go in one call, whose seconds `timeout` bounds."""
        self._begin()
        found: list[Answer] = []
        for start in range(0, len(questions), MOST_REQUESTS):
            some = [question.named() for question in questions[start : start + MOST_REQUESTS]]
            with self._reports.of("firstlight.allocate_batch") as report:
                steps = self._course(BATCH, partial(batch, some), timeout)
                outcome = report.heard(self._heard(calls.walk(steps, self._transport)))
                found += self._answering.several(some, outcome)
        return found

    def wait_until_ready(self, timeout: float = 10.0) -> bool:
        """Whether there are rules for `assign`; waits for the first ones."""
        return self._wait(timeout)

    def flush(self, timeout: float = 5.0) -> bool:
        """Whether the server has every event tracked so far; waits for it."""
        return self._flush(timeout)

    def close(self, timeout: float = 5.0) -> None:
        """Send what waits, as far as it can be sent by then; the rest stays on disk for the next process."""
        if self._end is not None:
            self._end.cancel()
        self._finish(timeout)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
