"""What OpenTelemetry is told: spans with the trace id of the answer, the context of calls, counters, a histogram."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind

from firstlight_client import Firstlight, telemetry
from tests.clients.pretend import Shop

SOURCE = Path(__file__).parents[2] / "clients" / "python" / "src"
UNIT = {"user_id": "u-81"}


@pytest.fixture
def seen(monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[InMemorySpanExporter, InMemoryMetricReader]]:
    from opentelemetry import metrics, trace

    spans, reader = InMemorySpanExporter(), InMemoryMetricReader()
    tracing, meters = TracerProvider(), MeterProvider([reader])
    tracing.add_span_processor(SimpleSpanProcessor(spans))
    monkeypatch.setattr(trace, "get_tracer", tracing.get_tracer)
    monkeypatch.setattr(metrics, "get_meter", meters.get_meter)
    yield spans, reader
    tracing.shutdown()
    meters.shutdown()


def test_a_call_is_a_span_and_the_server_is_told_its_context(shop: Shop, seen: Any) -> None:
    spans, _ = seen
    with Firstlight(shop.url, "fl_1_secret") as here:
        answer = here.allocate(UNIT, "home")
        here.track("click", answer=answer, item_id="a")
        assert here.flush(5)
    told = {span.name: span for span in spans.get_finished_spans()}
    asked = told["firstlight.allocate"]
    assert asked.kind is SpanKind.CLIENT
    assert dict(asked.attributes) == {
        "server.address": shop.url,
        "firstlight.scenario": "home",
        "firstlight.source": "remote",
        "firstlight.trace_id": answer.trace_id,
        "http.response.status_code": 200,
    }
    for path, name in [("/api/v1/allocations", "firstlight.allocate"), ("/api/v1/events", "firstlight.events")]:
        context = told[name].context
        header = f"00-{context.trace_id:032x}-{context.span_id:016x}-"  # and flags
        assert [heard.headers["traceparent"][:-2] for heard in shop.paths(path)] == [header]


def test_what_stood_in_for_an_answer_says_why(shop: Shop, seen: Any) -> None:
    spans, _ = seen
    shop.close()
    with Firstlight(shop.url, "fl_1_secret") as here:
        answer = here.allocate(UNIT, "home")
    (asked,) = (span for span in spans.get_finished_spans() if span.name == "firstlight.allocate")
    assert asked.attributes["firstlight.source"] == "defaults"
    assert asked.attributes["firstlight.reason"] == answer.reason


def test_events_are_counted_by_what_became_of_them_and_calls_timed(shop: Shop, seen: Any) -> None:
    _, reader = seen
    shop.say = lambda asked: (
        shop.take(asked, lambda event: event["type"] == "cart") if "events" in asked.path else shop.well(asked)
    )
    with Firstlight(shop.url, "fl_1_secret") as here:
        for kind in ("visit", "visit", "cart"):
            here.track(kind, UNIT)
        here.allocate(UNIT, "home")
        assert here.flush(5)
    metrics = {
        metric.name: metric.data.data_points
        for resource in reader.get_metrics_data().resource_metrics
        for scope in resource.scope_metrics
        for metric in scope.metrics
    }
    counted = {point.attributes["outcome"]: point.value for point in metrics["firstlight.client.events"]}
    assert counted == {"tracked": 3, "accepted": 2, "rejected": 1}
    timed = {point.attributes["operation"]: point for point in metrics["firstlight.client.duration"]}
    assert timed["firstlight.allocate"].count == 1
    assert timed["firstlight.allocate"].sum > 0
    assert dict(timed["firstlight.allocate"].attributes)["firstlight.source"] == "remote"


def test_without_opentelemetry_everything_is_as_well(shop: Shop) -> None:
    code = (
        "import sys; sys.modules['opentelemetry'] = None; from firstlight_client import Firstlight, telemetry\n"
        "assert type(telemetry.found()) is telemetry.Silent\n"
        "with Firstlight(sys.argv[1], 'fl_1_secret') as here:\n"
        "    answer = here.allocate({'user_id': 'u'}, 'home', timeout=10); here.track('visit', answer=answer)\n"
        "    assert answer.source == 'remote' and here.flush(5)"
    )
    subprocess.run([sys.executable, "-c", code, shop.url], env={"PYTHONPATH": str(SOURCE)}, check=True)
    assert len(shop.stored) == 1
    assert isinstance(telemetry.found(), telemetry.Told)
