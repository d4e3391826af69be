"""Raw events, and logged decisions one row per experiment, straight from the lake."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pyarrow as pa
from django.conf import settings

from firstlight.exports.columns import BATCH, Column, columns, schema
from firstlight.exports.pseudonyms import key_of, pseudonyms
from firstlight.exports.sources import Asked, Refused, Rows, Source
from firstlight.kernel.windows import Window
from firstlight.lake import engine

PEOPLE = ("user_id", "device_id", "session_id")
LONGEST = timedelta(days=366)

EVENTS: tuple[Column, ...] = (
    *columns("text", "event_id type"),
    *columns("time", "at"),
    *columns("text", "user_id device_id session_id merchant_id item_id scenario trace_id"),
    *columns("integer", "position"),
    *columns("money", "value"),
    *columns("text", "currency order_id recall_source ranker"),
    *columns("number", "score propensity"),
    *columns("text", "experiment variant"),
    *columns("integer", "phase snapshot"),
    *columns("text", "properties"),
)
DECISIONS: tuple[Column, ...] = (
    *columns("text", "trace_id"),
    *columns("time", "at"),
    *columns("text", "scenario user_id device_id session_id experiment variant"),
    *columns("integer", "phase snapshot"),
)


def _events(events: Any, asked: Asked) -> Any:
    """Those of the window; decisions have an export of their own."""
    return _within(events, asked).filter(lambda t: t["type"] != "decision").select([one.name for one in EVENTS])


def _decisions(events: Any, asked: Asked) -> Any:
    """One row for each experiment that an answer named; of one experiment when it is asked for."""
    own = ("trace_id", "at", "scenario", *PEOPLE, "snapshot")
    answers = _within(events, asked).filter(lambda t: t["type"] == "decision")
    each = answers.select(*own, assignment=answers.assignments).unnest("assignment")
    told = each.select(
        *own,
        experiment=each.assignment.experiment,
        variant=each.assignment.variant,
        phase=each.assignment.phase,
    ).select([one.name for one in DECISIONS])
    return told.filter(told.experiment == asked.experiment) if asked.experiment else told


def _within(events: Any, asked: Asked) -> Any:
    window = _window(asked)
    rows = events.filter(events["at"] >= _naive(window.start), events["at"] < _naive(window.end))
    return rows.filter(rows.scenario.isin(asked.scenarios)) if asked.scenarios else rows


def _naive(at: datetime) -> datetime:
    """As the lake has it."""
    return at.astimezone(UTC).replace(tzinfo=None)


def _window(asked: Asked) -> Window:
    assert asked.start and asked.end
    return Window(asked.start, asked.end)


def _check(asked: Asked) -> None:
    assert asked.start and asked.end
    if not asked.start < asked.end:
        raise Refused("The end must lie behind the start.", "end")
    if asked.end - asked.start > LONGEST:
        raise Refused(f"At most {LONGEST.days} days at a time.", "end")


def _source(kind: str, of: tuple[Column, ...], ask: Callable[[Any, Asked], Any], takes: str) -> Source:
    def read(asked: Asked) -> Rows:
        with engine.events(_window(asked)) as events:
            total = ask(events, asked).count().to_pyarrow().as_py()
        return Rows(_batches(asked, of, ask), total)

    needs = frozenset({"start", "end"})
    return Source(kind, lambda _: of, needs | frozenset(takes.split()), needs, _check, read)


def _batches(asked: Asked, of: tuple[Column, ...], ask: Callable[[Any, Asked], Any]) -> Iterator[pa.RecordBatch]:
    """As the engine hands them out; the names of people replaced on the way when that is asked for."""
    key = key_of(settings.SECRET_KEY, asked.experiment or "events") if asked.pseudonyms else None
    with engine.events(_window(asked)) as events:
        for batch in engine.batches(ask(events, asked), BATCH):
            yield _exported(batch, of, key)


def _exported(batch: pa.RecordBatch, of: tuple[Column, ...], key: bytes | None) -> pa.RecordBatch:
    wanted = schema(of)
    arrays = [_column(batch.column(field.name), field, key) for field in wanted]
    return pa.RecordBatch.from_arrays(arrays, schema=wanted)


def _column(values: Any, field: Any, key: bytes | None) -> Any:
    if key is not None and field.name in PEOPLE:
        return pa.array(pseudonyms(key, values.to_pylist()), pa.string())
    if key is not None and field.name == "properties":
        return pa.nulls(len(values), pa.string())  # may hold what people typed
    return values.cast(field.type)


SOURCES = (
    _source("events", EVENTS, _events, "pseudonyms"),
    _source("decisions", DECISIONS, _decisions, "experiment pseudonyms"),
)
