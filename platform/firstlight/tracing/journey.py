"""From the rows of a trace to the way of each item: placed, recalled by whom, seen, clicked, put into a cart, ordered.

Pure. Rows are as `firstlight.events.traces` reads them.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from firstlight.events.traces import Trace

Row = Mapping[str, Any]

STEPS = ("impression", "click", "cart", "order")  # of an item, in their order
BACK = ("cancel", "refund")
LATE = timedelta(hours=1)  # between what an event says of its time and its arrival
RECALL = ("recall_source", "ranker", "score")


@dataclass(frozen=True, slots=True)
class Step:
    """One event."""

    event_id: str
    type: str
    at: datetime
    delay: float | None  # seconds since the decision; None without one. Below 0: the sender's clock is behind
    position: int | None
    value: str | None  # decimal
    currency: str | None
    order_id: str | None
    is_waiting: bool  # in the inbox: not in the lake yet
    late_by: float | None  # seconds, where it arrived more than an hour after it happened


@dataclass(frozen=True, slots=True)
class Way:
    """Of one item; "" is what names none."""

    item: str
    slot: Row | None  # of a discovery campaign, as logged
    recall_source: str | None  # by the first event that says so
    ranker: str | None
    score: float | None
    position: int | None  # as the first event says, else the slot's
    steps: tuple[Step, ...]  # by time

    @property
    def reached(self) -> str:
        """The furthest: placed, or a type of event; "" where there is none of those."""
        there = {step.type for step in self.steps}
        return next((name for name in reversed(STEPS) if name in there), "placed" if self.slot else "")


@dataclass(frozen=True, slots=True)
class Journey:
    asked_at: datetime | None  # None: no decision is logged
    ways: tuple[Way, ...]  # slots by position, then others as they come; without an item last

    @property
    def reached(self) -> str:
        """The furthest that any item came."""
        there = {way.reached for way in self.ways}
        return next((name for name in (*reversed(STEPS), "placed") if name in there), "")

    @property
    def steps(self) -> tuple[Step, ...]:
        return tuple(step for way in self.ways for step in way.steps)


def journey(trace: Trace) -> Journey:
    asked_at = datetime.fromisoformat(trace.decision["at"]) if trace.decision else None
    slots = {slot["item_id"]: slot for slot in (trace.decision or {}).get("discovery") or ()}
    named: dict[str, list[Row]] = {item: [] for item in sorted(slots, key=lambda item: slots[item]["position"])}
    for row in trace.events:
        named.setdefault(row.get("item_id") or "", []).append(row)
    without = named.pop("", None)
    ordered = [*named.items(), *([("", without)] if without else [])]
    return Journey(asked_at, tuple(_way(item, slots.get(item), rows, asked_at, trace) for item, rows in ordered))


def _way(item: str, slot: Row | None, rows: Sequence[Row], asked_at: datetime | None, trace: Trace) -> Way:
    recalled = {name: _first(rows, name) for name in RECALL} if item else dict.fromkeys(RECALL)
    position = _first(rows, "position") if item else None
    if position is None and slot:
        position = slot["position"]
    steps = tuple(_step(row, asked_at, trace) for row in rows)
    return Way(item=item, slot=slot, position=position, steps=steps, **recalled)


def _first(rows: Iterable[Row], name: str) -> Any:
    return next((row[name] for row in rows if row.get(name) is not None), None)


def _step(row: Row, asked_at: datetime | None, trace: Trace) -> Step:
    at, arrived = datetime.fromisoformat(row["at"]), trace.arrived.get(row["event_id"])
    is_late = arrived is not None and arrived - at > LATE
    return Step(
        event_id=row["event_id"],
        type=row["type"],
        at=at,
        delay=(at - asked_at).total_seconds() if asked_at else None,
        position=row.get("position"),
        value=row.get("value"),
        currency=row.get("currency"),
        order_id=row.get("order_id"),
        is_waiting=row["event_id"] in trace.waiting,
        late_by=(arrived - at).total_seconds() if arrived and is_late else None,
    )
