"""Why these items were shown in one request: the logged decision, given again step by step from what decided it.

What decided is the snapshot that the decision names, which is kept for 30 days; after that its draw tables, which are
kept for good, with the campaign as it is now. Either way it is told whether all came out as it was logged, bit for bit.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any

import msgspec

from bandits import parts, retracing, section
from bandits.models import Campaign, DrawTable
from bandits.retracing import Retraced
from bandits.section import State, Turn
from firstlight.assignment.hashing import bucket
from firstlight.events import traces
from firstlight.kernel.withheld import Reason, Withheld
from firstlight.lake.schema import UNITS
from firstlight.snapshots.models import Part, Version
from firstlight.snapshots.sections import Request

Json = dict[str, Any]

# What is told of a request in which the campaign filled no slot.
BLANK = ("table", "segment", "row", "filter", "merchant_cap", "floor", "turned_by")
NOTHING: Json = {**dict.fromkeys(BLANK), "steps": [], "slots": []}


def why(campaign: Campaign, trace_id: str, *, at: datetime) -> Json | Withheld:
    """JSON-ready; withheld where the trace has no logged decision in the campaign's scenario, or it took no part."""
    decision = traces.find(trace_id, at=at).decision
    if decision is None or decision.get("scenario") != campaign.scenario.key:
        return Withheld(Reason.NO_DECISION)
    kept = _of_snapshot(campaign, decision)
    state = kept or _of_tables(campaign, decision)
    told = explained(campaign.key, trace_id, decision, state)
    return told if isinstance(told, Withheld) else told | {"retraced_from": "snapshot" if kept else "tables"}


def explained(key: str, trace_id: str, decision: Mapping[str, Any], state: State) -> Json | Withheld:
    """From the decision as it was logged and what decided it. Pure."""
    request, parameters = asked(trace_id, decision)
    answer: Json = {"parameters": parameters, "experiments": []}
    placed: list[Json] = []
    for turn in section.turns(state, request, answer, placed):
        found = section.filled(turn, request)
        if turn.running.campaign == key:
            return _told(turn, request, parameters, found, decision)
        placed.extend(found)
    return Withheld(Reason.NO_DECISION)


def asked(trace_id: str, decision: Mapping[str, Any]) -> tuple[Request, Json]:
    """The request, with propensities counted, and the parameters that experiments gave it."""
    properties = decision.get("properties", {})
    request = Request(
        unit={name: decision[name] for name in UNITS if name in decision},
        scenario=decision["scenario"],
        trace_id=trace_id,
        at=datetime.fromisoformat(decision["at"]),
        attributes=properties.get("attributes", {}),
        slots=properties.get("slots"),
        exclude_items=frozenset(properties.get("exclude_items", ())),
        eligible=properties.get("eligible", {}),
        propensities=True,
    )
    return request, properties.get("parameters", {})


def _of_snapshot(campaign: Campaign, decision: Mapping[str, Any]) -> State | None:
    """All campaigns of the page, as they were; None when the snapshot is gone or did not have this one."""
    version = Version.objects.filter(number=decision.get("snapshot") or 0).first()
    here = set(Campaign.objects.filter(scenario=campaign.scenario).values_list("key", flat=True))
    digests = {
        digest: parts.campaign_of(name)
        for name, digest in (version.parts.get(section.name, {}) if version else {}).items()
        if parts.campaign_of(name) in here
    }
    payloads = Part.objects.filter(digest__in=digests).values_list("digest", "payload")
    kept = {digests[digest]: bytes(payload) for digest, payload in payloads}
    if campaign.key not in kept:
        return None
    return section.gather({key: section.load(payload) for key, payload in kept.items()})


def _of_tables(campaign: Campaign, decision: Mapping[str, Any]) -> State:
    """This campaign and those whose items were shown, from the tables that the decision names."""
    numbers = {slot["table"] for slot in decision.get("discovery") or ()}
    rows = DrawTable.objects.filter(pk__in=numbers).select_related("campaign__scenario")
    of: dict[Campaign, list[int]] = {}
    for row in rows:
        of.setdefault(row.campaign, []).append(row.pk)
    made = {c.key: parts.of_tables(c, sorted(numbers)) for c, numbers in of.items()}
    if campaign not in of and (running := parts.present(campaign)):
        made[campaign.key] = running  # it showed nothing then: which table is all the same
    return section.gather(made)


def _told(
    turn: Turn, request: Request, parameters: Mapping[str, Any], found: Sequence[Json], decision: Mapping[str, Any]
) -> Json:
    logged = _logged(decision, turn.running.campaign)
    common = {
        "trace_id": request.trace_id,
        "campaign": turn.running.campaign,
        "scenario": request.scenario,
        "at": decision["at"],
        "snapshot": decision.get("snapshot"),
        "arm": _arm(turn, request, parameters),
        "replays": _bare(found) == _bare(logged),
        "logged": logged,
    }
    if turn.table is None or not turn.k:
        return common | NOTHING
    return common | _tabled(turn, request, found)


def _tabled(turn: Turn, request: Request, found: Sequence[Json]) -> Json:
    running, _, table, k, limits = turn
    assert table is not None
    story = retracing.retraced(table, request.trace_id, k, limits)
    excluded = limits.excluded if limits else frozenset()
    return {
        "table": {
            "number": table.number,
            "segment": table.segment,
            "arm": table.arm,
            "policy": table.policy.kind,
            "n_items": len(table.items),
            "n_served": int(table.everything.sum()),
            "n_rows": table.n_rows,
        },
        "segment": {"by": running.segment_by, "asked": section.segment(running, request)},
        "row": story.row,
        "filter": {
            "eligible": {name: sorted(values) for name, values in (limits.eligible if limits else {}).items()},
            "excluded": sorted(excluded & request.exclude_items),
            "on_the_page": sorted(excluded - request.exclude_items),
            "n_allowed": story.n_allowed,
        },
        "merchant_cap": table.merchant_cap,
        "floor": _floor(turn, story, table.floor),
        "turned_by": story.turned_by,
        "steps": [_step(asdict(step), running.positions) for step in story.steps],
        "slots": [_slot(slot, story) for slot in found],
    }


def _arm(turn: Turn, request: Request, parameters: Mapping[str, Any]) -> Json:
    running = turn.running
    who = request.unit.get(running.unit)
    return {
        "arm": turn.arm,
        "because": section.arm_of(running, request.unit, parameters)[1],
        "unit": running.unit,
        "bucket": bucket(f"campaign:{running.campaign}", who) if who is not None else None,
        "none_below": running.control,
        "uniform_below": running.control + running.uniform,
    }


def _floor(turn: Turn, story: Retraced, share: float) -> Json:
    return {
        "share": share,
        "drawn": story.floor_drawn,
        "position": None if story.floor_slot is None else turn.running.positions[story.floor_slot],
        "instead_of": story.instead_of,
    }


def _step(step: Json, positions: Sequence[int]) -> Json:
    slot = step.pop("slot")
    return step | {"position": None if slot is None else positions[slot]}


def _slot(slot: Json, story: Retraced) -> Json:
    """With what the row says of the item; blank where it was not among the steps told: the floor's, a turned one."""
    step = next((step for step in story.steps if step.item == slot["item_id"]), None)
    drawn = {name: getattr(step, name) if step else None for name in ("rank", "score", "mean", "low", "high")}
    return {name: slot[name] for name in ("position", "item_id", "source", "propensity")} | drawn


def _logged(decision: Mapping[str, Any], campaign: str) -> list[Json]:
    slots = (dict(slot) for slot in decision.get("discovery") or () if slot["campaign"] == campaign)
    return sorted(slots, key=lambda slot: slot["position"])


def _bare(slots: Sequence[Json]) -> list[bytes]:
    """To compare, each float to its last bit."""
    return [msgspec.json.encode(slot, order="sorted") for slot in sorted(slots, key=lambda slot: slot["position"])]
