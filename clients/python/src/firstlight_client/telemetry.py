"""What OpenTelemetry is told, where it is installed: spans, counters, a histogram; and the trace context of calls."""

from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from typing import Any, Protocol

NAME = "firstlight_client"


class Span(Protocol):
    def set_attribute(self, key: str, value: Any) -> None: ...


class Telemetry(Protocol):
    def span(self, name: str, attributes: Mapping[str, Any]) -> AbstractContextManager[Span]: ...
    def headers(self) -> dict[str, str]: ...
    def count(self, name: str, n: int, attributes: Mapping[str, Any]) -> None: ...
    def took(self, seconds: float, attributes: Mapping[str, Any]) -> None: ...


class Silent:
    """Nobody listens."""

    @contextmanager
    def span(self, name: str, attributes: Mapping[str, Any]) -> Iterator[Span]:
        yield self

    def set_attribute(self, key: str, value: Any) -> None:
        pass

    def headers(self) -> dict[str, str]:
        return {}

    def count(self, name: str, n: int, attributes: Mapping[str, Any]) -> None:
        pass

    def took(self, seconds: float, attributes: Mapping[str, Any]) -> None:
        pass


class Told:
    """The providers that the application has set up, or those of OpenTelemetry's API, which do nothing."""

    def __init__(self) -> None:
        from opentelemetry import metrics, propagate, trace

        self._inject, self._client = propagate.inject, trace.SpanKind.CLIENT
        self._tracer, meter = trace.get_tracer(NAME), metrics.get_meter(NAME)
        self._took = meter.create_histogram("firstlight.client.duration", "s", "Time until there was an answer.")
        self._counters = {
            "events": meter.create_counter("firstlight.client.events", "{event}", "Events by what became of them."),
            "tries": meter.create_counter("firstlight.client.tries", "{request}", "Requests by their status."),
        }

    def span(self, name: str, attributes: Mapping[str, Any]) -> AbstractContextManager[Span]:
        return self._tracer.start_as_current_span(name, kind=self._client, attributes=dict(attributes))

    def headers(self) -> dict[str, str]:
        """W3C trace context of the span that is current."""
        carrier: dict[str, str] = {}
        self._inject(carrier)
        return carrier

    def count(self, name: str, n: int, attributes: Mapping[str, Any]) -> None:
        self._counters[name].add(n, dict(attributes))

    def took(self, seconds: float, attributes: Mapping[str, Any]) -> None:
        self._took.record(seconds, dict(attributes))


def found() -> Telemetry:
    try:
        return Told()
    except ImportError:
        return Silent()
