"""A trace with its ways, and whether its decision comes out again."""

from datetime import datetime
from typing import Any, NamedTuple

from firstlight.events import traces
from firstlight.events.traces import Trace
from firstlight.kernel.withheld import Reason, Withheld
from firstlight.serving import replaying
from firstlight.serving.replaying import Replay
from firstlight.tracing.journey import Journey, Step, Way, journey

Json = dict[str, Any]


class Told(NamedTuple):
    trace_id: str
    trace: Trace
    journey: Journey
    replay: Replay | Withheld


def told(trace_id: str, *, at: datetime) -> Told | None:
    """None where nothing names the trace."""
    trace = traces.find(trace_id, at=at)
    if trace.decision is None and not trace.events:
        return None
    replay = replaying.replay(trace_id, trace.decision) if trace.decision else Withheld(Reason.NOT_LOGGED)
    return Told(trace_id, trace, journey(trace), replay)


def plain(found: Told) -> Json:
    """As JSON holds it. Names: docs/api.md, GET /api/v1/traces/{trace_id}/."""
    return {
        "trace_id": found.trace_id,
        "decision": found.trace.decision,
        "again": list(found.trace.again),
        "events": found.trace.events,
        "is_cut": found.trace.is_cut,
        "searched": {"start": found.trace.searched.start, "end": found.trace.searched.end},
        "reached": found.journey.reached or None,
        "path": [_way(way) for way in found.journey.ways],
        "replay": _replay(found.replay),
    }


def _way(way: Way) -> Json:
    return {
        "item_id": way.item or None,
        "placed": way.slot,
        "recall_source": way.recall_source,
        "ranker": way.ranker,
        "score": way.score,
        "position": way.position,
        "reached": way.reached or None,
        "steps": [_step(step) for step in way.steps],
    }


def _step(step: Step) -> Json:
    return {
        "event_id": step.event_id,
        "type": step.type,
        "at": step.at,
        "delay": step.delay,
        "position": step.position,
        "value": step.value,
        "currency": step.currency,
        "order_id": step.order_id,
        "waiting": step.is_waiting,
        "late_by": step.late_by,
    }


def _replay(replay: Replay | Withheld) -> Json:
    if isinstance(replay, Withheld):
        return {
            "verdict": "withheld",
            "reason": replay.reason.value,
            "snapshot": None,
            "uncounted": 0,
            "differences": [],
        }
    told = [{"pointer": d.pointer, "logged": d.logged, "replayed": d.replayed} for d in replay.differences]
    return {
        "verdict": replay.verdict,
        "reason": None,
        "snapshot": replay.snapshot,
        "uncounted": replay.uncounted,
        "differences": told,
    }
