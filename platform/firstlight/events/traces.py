"""What became of one answer of the allocation API: the decision as it was logged, and the events that name it."""

import json
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any, NamedTuple
from uuid import UUID

from firstlight.kernel.windows import Window
from firstlight.lake import engine

BEFORE, AFTER = timedelta(days=1), timedelta(days=7)  # clocks of senders differ; clicks and orders come later
MOST_EVENTS = 1_000
HIDDEN = {"day", "batch", "trace_id"}


class Trace(NamedTuple):
    decision: dict[str, Any] | None  # None: not logged, or not yet in the lake
    events: list[dict[str, Any]]  # by time, at most 1,000
    searched: Window

    @property
    def scenarios(self) -> set[str]:
        return {row["scenario"] for row in (self.decision, *self.events) if row and "scenario" in row}


def find(trace_id: str, *, at: datetime) -> Trace:
    """From the lake, which an event reaches seconds after it was accepted."""
    window = searched(trace_id, at)
    with engine.events(window) as events:
        mine = events.filter(events.trace_id == trace_id).order_by("at", "event_id").limit(MOST_EVENTS + 1)
        rows = [plain(row) for row in mine.to_pyarrow().to_pylist()]
    decisions = [row for row in rows if row["type"] == "decision"]
    others = [row for row in rows if row["type"] != "decision"]
    return Trace(decisions[0] if decisions else None, others[:MOST_EVENTS], window)


def searched(trace_id: str, at: datetime) -> Window:
    """The days to look at: those after a UUIDv7 was made, which says when that was; else the last week."""
    made = _made(trace_id)
    if made is None or made > at + BEFORE:
        return Window(at - AFTER, at + BEFORE)
    return Window(made - BEFORE, made + AFTER)


def _made(trace_id: str) -> datetime | None:
    try:
        number = UUID(trace_id)
    except ValueError:
        return None
    if number.version != 7:
        return None
    since = timedelta(milliseconds=number.int >> 80)  # RFC 9562, 5.7
    return datetime(1970, 1, 1, tzinfo=UTC) + since if since < timedelta(days=365 * 1000) else None


def plain(row: dict[str, Any]) -> dict[str, Any]:
    """A row of the event table as JSON holds it, without what it does not have."""
    known = {name: _plain(value) for name, value in row.items() if value is not None and name not in HIDDEN}
    return known | ({"properties": json.loads(row["properties"])} if row.get("properties") else {})


def _plain(value: Any) -> Any:
    match value:
        case datetime():
            return value.replace(tzinfo=UTC).isoformat().replace("+00:00", "Z")
        case Decimal() | date():
            return str(value)
    return value
