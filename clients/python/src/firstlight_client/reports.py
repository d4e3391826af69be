"""One call as a span and in the histogram."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from .answers import Answer
from .telemetry import Telemetry
from .transport import Failure, Reply


class Report:
    """What a span says at its end."""

    def __init__(self) -> None:
        self._answer: Answer | None = None
        self._status: int | None = None
        self._reason = ""

    def heard(self, outcome: Reply | Failure) -> Reply | Failure:
        if isinstance(outcome, Reply):
            self._status = outcome.status
        else:
            self._reason = outcome.reason
        return outcome

    def answered(self, answer: Answer) -> Answer:
        self._answer, self._reason = answer, answer.reason
        return answer

    def dimensions(self) -> dict[str, Any]:
        """Of few values each, for a histogram."""
        source = {"firstlight.source": self._answer.source} if self._answer else {}
        return source | ({"http.response.status_code": self._status} if self._status else {})

    def attributes(self) -> dict[str, Any]:
        trace = {"firstlight.trace_id": self._answer.trace_id} if self._answer else {}
        return self.dimensions() | trace | ({"firstlight.reason": self._reason} if self._reason else {})


class Reports:
    def __init__(self, telemetry: Telemetry, server: str) -> None:
        self._telemetry, self._server = telemetry, server

    @contextmanager
    def of(self, name: str, scenario: str | None = None) -> Iterator[Report]:
        began, report = time.monotonic(), Report()
        about = {"server.address": self._server, **({"firstlight.scenario": scenario} if scenario else {})}
        with self._telemetry.span(name, about) as span:
            yield report
            for key, value in report.attributes().items():
                span.set_attribute(key, value)
        self._telemetry.took(time.monotonic() - began, {"operation": name, **report.dimensions()})

    def headers(self) -> dict[str, str]:
        """The trace context of the span that is current."""
        return self._telemetry.headers()

    def count_events(self, outcome: str, n: int) -> None:
        self._telemetry.count("events", n, {"outcome": outcome})
