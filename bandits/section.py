"""What serving knows of campaigns: the latest draw table of each that runs, and the slots it fills."""

from bisect import bisect_right
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

import msgspec
import numpy as np

from bandits import slots
from bandits.models import Campaign, DrawTable, Status
from firstlight.snapshots.sections import Request

name = "bandits"


class Part(msgspec.Struct, frozen=True):
    """One running campaign as bytes."""

    campaign: str
    scenario: str
    positions: tuple[int, ...]
    floor: float
    merchant_cap: int | None
    table: int
    seed: int
    items: tuple[str, ...]
    merchants: tuple[str, ...]
    categories: tuple[str, ...]
    a: bytes  # little-endian float64, in the order of `items`
    b: bytes
    depth: int
    rows: bytes  # as in DrawTable


@dataclass(frozen=True, slots=True)
class Running:
    """One campaign at work."""

    scenario: str
    positions: tuple[int, ...]  # ascending
    table: slots.Table


State = dict[str, tuple[Running, ...]]  # by scenario


def compile(at: datetime) -> dict[str, bytes]:
    """One part per running campaign that has a table."""
    running = Campaign.objects.filter(status=Status.RUNNING).select_related("scenario")
    latest = {c.key: (c, _latest_table(c)) for c in running}
    return {key: msgspec.msgpack.encode(_part(c, table)) for key, (c, table) in latest.items() if table is not None}


def load(payload: bytes) -> Running:
    part = msgspec.msgpack.decode(payload, type=Part)
    n_items = len(part.items)
    table = slots.Table(
        campaign=part.campaign,
        number=part.table,
        seed=part.seed,
        items=part.items,
        merchants=part.merchants,
        categories=part.categories,
        a=np.frombuffer(part.a, "<f8"),
        b=np.frombuffer(part.b, "<f8"),
        rows=np.frombuffer(part.rows, "<u4").reshape(-1, part.depth) if n_items else np.empty((1, 0), np.uint32),
        floor=part.floor,
        merchant_cap=part.merchant_cap,
    )
    running = Running(part.scenario, tuple(sorted(set(part.positions))), table)
    table.unfiltered(len(running.positions))
    return running


def present(campaign: Campaign) -> Running | None:
    """The campaign as it would be served now, from its latest table; None when it never had one."""
    table = _latest_table(campaign)
    return load(msgspec.msgpack.encode(_part(campaign, table))) if table else None


def gather(parts: Mapping[str, Running]) -> State:
    """Campaigns by scenario, in the order of their keys; a position that two of them name is the first one's."""
    state: State = {}
    for key in sorted(parts):
        running = parts[key]
        others = state.get(running.scenario, ())
        taken = {position for other in others for position in other.positions}
        own = tuple(position for position in running.positions if position not in taken)
        running.table.unfiltered(len(own))  # counted now, not in the first request
        state[running.scenario] = (*others, replace(running, positions=own))
    return state


def decide(state: State, request: Request, answer: dict[str, Any]) -> None:
    """Add `discovery`. Propensities under a filter stay null unless the request asks for them; see `complete`.

    A later campaign of the page never repeats an item of an earlier one: to it, that is part of the filter, and its
    propensities are those given the earlier slates.
    """
    discovery: list[dict[str, Any]] = []
    for running, k, limits in _turns(state, request, discovery):
        table = running.table
        row, picks = slots.choose(table, request.trace_id, k, limits)
        if limits is not None and request.propensities:
            chances = slots.propensities(table, k, limits)
            picks = [p._replace(propensity=float(chances[slot, p.item])) for slot, p in enumerate(picks)]
        for position, (item, source, propensity) in zip(running.positions, picks, strict=False):  # the page may go on
            discovery.append(
                {
                    "position": position,
                    "item_id": table.items[item],
                    "campaign": table.campaign,
                    "table": table.number,
                    "row": row,
                    "propensity": propensity,
                    "source": source,
                }
            )
    discovery.sort(key=_position)
    answer["discovery"] = discovery


def complete(state: State, request: Request, answer: dict[str, Any]) -> None:
    """Count the propensities that `decide` left null."""
    if all(slot["propensity"] is not None for slot in answer["discovery"]):
        return
    counted: dict[str, Any] = {}
    decide(state, msgspec.structs.replace(request, propensities=True), counted)
    answer["discovery"] = counted["discovery"]


def _turns(state: State, request: Request, placed: list[dict[str, Any]]) -> Any:
    """(campaign, how many slots, filter or None) in turn; `placed` grows between the turns."""
    campaigns = state.get(request.scenario, ())
    last = _last_position(campaigns, request.slots)
    eligible = {attribute: frozenset(values) for attribute, values in request.eligible.items()}
    for running in campaigns:
        k = len(running.positions) if last is None else bisect_right(running.positions, last)
        if not k:
            continue
        excluded = request.exclude_items
        if placed:
            excluded |= {slot["item_id"] for slot in placed}
        known = running.table.indices
        excluded = frozenset(item for item in excluded if item in known) if excluded else excluded
        yield running, k, slots.Filter(eligible, excluded) if eligible or excluded else None


def _last_position(campaigns: tuple[Running, ...], n_slots: int | None) -> int | None:
    """The page's last position that is filled when at most `n_slots` are; None when all are."""
    if n_slots is None:
        return None
    positions = sorted(position for running in campaigns for position in running.positions)
    if n_slots >= len(positions):
        return None
    return positions[n_slots - 1] if n_slots > 0 else -1


def _position(slot: dict[str, Any]) -> int:
    return slot["position"]  # type: ignore[no-any-return]


def _latest_table(campaign: Campaign) -> DrawTable | None:
    return DrawTable.objects.filter(campaign=campaign).select_related("posterior").first()


def _part(campaign: Campaign, table: DrawTable) -> Part:
    beliefs = table.posterior.beliefs
    return Part(
        campaign.key,
        campaign.scenario.key,
        tuple(campaign.positions),
        float(campaign.floor),
        campaign.merchant_cap,
        table.pk,
        table.seed,
        tuple(table.items),
        tuple(table.merchants),
        tuple(table.categories),
        beliefs.a.astype("<f8").tobytes(),
        beliefs.b.astype("<f8").tobytes(),
        table.depth,
        bytes(table.rows),
    )
