"""What serving knows of campaigns: the latest draw tables of each that runs, and the slots they fill.

A unit is of one arm of a campaign by a hash of its own: none (it never sees the campaign), uniform, or learned. The
answer says so among its experiments, so that what the campaign is worth is read as any experiment is. The parameter
`discovery.<key>` of an experiment, with an arm as its value, stands before the hash: then the campaign is an arm of
that experiment, and the experiment says who is in it.
"""

from bisect import bisect_right
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any, NamedTuple

import msgspec

from bandits import parts, slots
from bandits.models import Campaign
from bandits.parts import Running
from bandits.served import Filter, Table
from bandits.slots import Pick
from firstlight.assignment.hashing import bucket
from firstlight.snapshots.sections import Request

name = "bandits"

LEARNED, UNIFORM, NONE = ARMS = ("learned", "uniform", "none")
CATEGORY = "category"  # segments by what may be shown, not by an attribute of the request

State = dict[str, tuple[Running, ...]]  # by scenario
load = parts.load


class Turn(NamedTuple):
    """A campaign's part in one answer."""

    running: Running
    arm: str
    table: Table | None  # None: this unit sees none of it
    k: int  # slots
    limits: Filter | None


def compile(at: datetime) -> Mapping[str, Callable[[], bytes]]:
    """One part per running campaign that has a table."""
    return parts.compiled()


def present(campaign: Campaign) -> Running | None:
    """The campaign as it would be served now, alone; None when it never had a table."""
    running = parts.present(campaign)
    return replace(running, positions=running.positions[: running.most_per_page]) if running else None


def gather(parts: Mapping[str, Running]) -> State:
    """Campaigns by scenario, in the order of their keys; a position that two of them name is the first one's."""
    state: State = {}
    for running in sorted(parts.values(), key=lambda running: running.campaign):
        others = state.get(running.scenario, ())
        taken = {position for other in others for position in other.positions}
        own = tuple(position for position in running.positions if position not in taken)[: running.most_per_page]
        for table in running.tables.values():
            slots.prepare(table, len(own))  # counted now, not in the first request
        state[running.scenario] = (*others, replace(running, positions=own))
    return state


def decide(state: State, request: Request, answer: dict[str, Any]) -> None:
    """Add `discovery`, and the arm of each campaign that is not for everybody to `experiments`.

    Propensities under a filter stay null unless the request asks for them; see `complete`. A later campaign of the page
    never repeats an item of an earlier one: to it, that is part of the filter, and its propensities are those given the
    earlier slates. `floors` says how often each campaign that this unit sees draws a slot at random.
    """
    discovery: list[dict[str, Any]] = []
    floors: dict[str, float] = {}
    for turn in turns(state, request, answer, discovery):
        discovery.extend(filled(turn, request))
        if turn.table is not None:
            floors[turn.running.campaign] = turn.table.floor
    discovery.sort(key=_position)
    answer["discovery"] = discovery
    if floors:
        answer["floors"] = floors


def filled(turn: Turn, request: Request) -> list[dict[str, Any]]:
    """The slots of one campaign."""
    running, _, table, k, limits = turn
    if table is None or not k:
        return []
    row, picks = slots.choose(table, request.trace_id, k, limits)
    if limits is not None and request.propensities:
        chances = slots.propensities(table, k, limits)
        picks = [Pick(p.item, p.source, float(chances[slot, p.item])) for slot, p in enumerate(picks)]
    return [
        {
            "position": position,
            "item_id": table.items[pick.item],
            "campaign": table.campaign,
            "table": table.number,
            "row": row,
            "propensity": pick.propensity,
            "source": pick.source,
        }
        for position, pick in zip(running.positions, picks, strict=False)  # the page may go on
    ]


def is_open(answer: dict[str, Any]) -> bool:
    return any(slot["propensity"] is None for slot in answer["discovery"])


def complete(state: State, request: Request, answer: dict[str, Any]) -> None:
    """Count the propensities that `decide` left null."""
    if not is_open(answer):
        return
    counted: dict[str, Any] = {"parameters": answer["parameters"], "experiments": []}
    decide(state, msgspec.structs.replace(request, propensities=True), counted)
    answer["discovery"] = counted["discovery"]


def turns(state: State, request: Request, answer: dict[str, Any], placed: list[dict[str, Any]]) -> Iterator[Turn]:
    """The campaigns of the page in turn; `placed` grows between the turns.

    The slots of a campaign that this unit does not see stay empty: what others show must not depend on its arm.
    """
    if request.slots == 0:  # who asks for parameters alone meets no campaign
        return
    campaigns = state.get(request.scenario, ())
    last = _last_position(campaigns, request.slots)
    eligible = {attribute: frozenset(values) for attribute, values in request.eligible.items()}
    for running in campaigns:
        arm = _met(running, request, answer)
        table = None if arm == NONE else running.table_of(arm, segment(running, request))
        k = len(running.positions) if last is None else bisect_right(running.positions, last)
        excluded = request.exclude_items
        if placed:
            excluded |= {slot["item_id"] for slot in placed}
        if excluded and table is not None:
            known = table.indices
            excluded = frozenset(item for item in excluded if item in known)
        yield Turn(running, arm, table, k, Filter(eligible, excluded) if eligible or excluded else None)


def arm_of(running: Running, unit: Mapping[str, str], parameters: Mapping[str, Any]) -> tuple[str, str]:
    """(arm, why): "experiment" by a parameter, "share" by the hash, "everybody" where nobody is left out."""
    given = parameters.get(f"discovery.{running.campaign}")
    if given in ARMS:
        return given, "experiment"
    outside = running.control + running.uniform
    who = unit.get(running.unit)
    if not outside or who is None:
        return LEARNED, "everybody"
    place = bucket(f"campaign:{running.campaign}", who)
    return (NONE if place < running.control else UNIFORM if place < outside else LEARNED), "share"


def segment(running: Running, request: Request) -> str:
    """The value that tells its table apart; "" for all traffic."""
    if not running.segment_by:
        return ""
    if running.segment_by == CATEGORY:
        categories = request.eligible.get(CATEGORY, ())
        return categories[0] if len(categories) == 1 else ""
    return str(request.attributes.get(running.segment_by, ""))


def _met(running: Running, request: Request, answer: dict[str, Any]) -> str:
    arm, why = arm_of(running, request.unit, answer["parameters"])
    if why == "share":
        met = {"experiment": f"campaign:{running.campaign}", "variant": arm, "phase": 1, "in_holdout": False}
        answer["experiments"].append(met)
    return arm


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
