"""What became of one answer of the allocation API: the decision as it was logged, and the events that name it.

Most stands in the lake; what came seconds ago still waits in the inbox, and is read there.
"""

from collections.abc import Iterable, Mapping
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any, NamedTuple
from uuid import UUID

import ibis
import msgspec

from firstlight.events import pending
from firstlight.kernel.windows import Window
from firstlight.lake import engine
from firstlight.lake.models import Batch

BEFORE, AFTER = timedelta(days=1), timedelta(days=7)  # clocks of senders differ; clicks and orders come later
MOST_EVENTS = 1_000
HIDDEN = {"day", "batch", "trace_id"}

Row = dict[str, Any]


class Trace(NamedTuple):
    decision: Row | None  # the first one; None: not logged, or not yet stored
    events: list[Row]  # by time, at most 1,000
    searched: Window
    again: tuple[Row, ...] = ()  # decisions that were made later under the same trace
    waiting: frozenset[str] = frozenset()  # ids of events that are not in the lake yet
    arrived: Mapping[str, datetime] = {}  # by id: when the batch was drawn up that brought it
    is_cut: bool = False  # there are more events

    @property
    def scenarios(self) -> set[str]:
        return {row["scenario"] for row in (self.decision, *self.again, *self.events) if row and "scenario" in row}


def find(trace_id: str, *, at: datetime) -> Trace:
    """From the inbox and the lake; it is there a second after it was accepted."""
    window, waiting = searched(trace_id, at), pending.of_trace(trace_id)
    with engine.events(window) as events:
        mine = events.filter(events.trace_id == trace_id).order_by("at", "event_id").limit(MOST_EVENTS + 1)
        kept = mine.to_pyarrow().to_pylist()
    known = {row["event_id"] for row in kept}
    fresh = [row for row in waiting if row["event_id"] not in known]
    rows = [plain(row) for row in sorted([*kept, *fresh], key=lambda row: (row["at"], row["event_id"]))]
    decisions = [row for row in rows if row["type"] == "decision"]
    others = [row for row in rows if row["type"] != "decision"]
    return Trace(
        decision=decisions[0] if decisions else None,
        events=others[:MOST_EVENTS],
        searched=window,
        again=tuple(decisions[1:]),
        waiting=frozenset(row["event_id"] for row in fresh),
        arrived=_arrived(kept),
        is_cut=len(rows) > MOST_EVENTS,
    )


def _arrived(rows: Iterable[Row]) -> dict[str, datetime]:
    """Of a batch that the ledger does not know (a restored lake) nothing is said."""
    by_batch = dict(Batch.objects.filter(number__in={row["batch"] for row in rows}).values_list("number", "drawn_at"))
    return {row["event_id"]: by_batch[row["batch"]] for row in rows if row["batch"] in by_batch}


def sample(window: Window, most: int, *, scenario: str = "") -> list[tuple[str, Row]]:
    """(trace, decision) of at most so many logged decisions of the window: the same ones whenever it is asked.

    Drawn by the hash of their ids, which says nothing about them.
    """
    with engine.events(window) as events:
        rows = events.filter(events["type"] == "decision", *_within(events, window, scenario))
        drawn = rows.order_by(rows.event_id.hash(), "event_id").limit(most).to_pyarrow().to_pylist()
    return [(row["trace_id"], plain(row)) for row in drawn]


def recent(window: Window, most: int, *, scenario: str = "", unit: str = "") -> list[tuple[str, Row]]:
    """(trace, decision) of the newest logged decisions of the window; `unit` is an id of any kind."""
    with engine.events(window) as events:
        rows = events.filter(events["type"] == "decision", *_within(events, window, scenario))
        if unit:
            rows = rows.filter((rows.user_id == unit) | (rows.device_id == unit) | (rows.session_id == unit))
        newest = rows.order_by(ibis.desc("at"), "event_id").limit(most).to_pyarrow().to_pylist()
    return [(row["trace_id"], plain(row)) for row in newest]


def _within(events: Any, window: Window, scenario: str) -> list[Any]:
    start, end = (ibis.literal(edge.astimezone(UTC).replace(tzinfo=None)) for edge in (window.start, window.end))
    inside = [events["at"] >= start, events["at"] < end, events.trace_id.notnull()]
    return [*inside, events.scenario == scenario] if scenario else inside


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


def plain(row: Row) -> Row:
    """A row of the event table as JSON holds it, without what it does not have."""
    known = {name: _plain(value) for name, value in row.items() if value is not None and name not in HIDDEN}
    return known | ({"properties": msgspec.json.decode(row["properties"])} if row.get("properties") else {})


def _plain(value: Any) -> Any:
    match value:
        case datetime():
            return value.replace(tzinfo=UTC).isoformat().replace("+00:00", "Z")
        case Decimal() | date():
            return str(value)
    return value
