"""From published bytes to the `discovery` of an answer."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import msgspec
import numpy as np
import pytest

from bandits import section, slots
from bandits.columns import columned, listed
from bandits.parts import Drawn, Part, Pool
from bandits.policies import beliefs, draws
from bandits.policies.beliefs import Beta
from bandits.policies.policy import Policy
from firstlight.snapshots.sections import Request

AT = datetime(2026, 11, 23, tzinfo=UTC)
PLAIN = Policy()
BELIEVED = Beta(tuple(f"sku-{i}" for i in range(40)), np.linspace(1, 6, 40), np.full(40, 90.0))
POOL = Pool(
    items=BELIEVED.items,
    merchants=columned(f"m-{i % 7}" for i in range(40)),
    categories=columned(("dress", "shoe")[i % 2] for i in range(40)),
    countries=columned(("IN", "CN", "")[i % 3] for i in range(40)),
    tags=listed([["new"], [], ["new", "sale"], ["sale"]][i % 4] for i in range(40)),
)


def drawn(number: int = 55, *, segment: str = "", arm: str = "learned", policy: Policy = PLAIN, **more: Any) -> Drawn:
    rows = draws.table(policy, BELIEVED, more.get("pace"), draws.generators(number), 8)
    return Drawn(
        number=number,
        segment=segment,
        arm=arm,
        seed=number,
        pool=0,
        kind="beta",
        arrays=beliefs.pack(BELIEVED.arrays()),
        pace=more["pace"].tobytes() if "pace" in more else b"",
        policy=policy.kind,
        epsilon=policy.epsilon,
        depth=rows.shape[1],
        rows=rows.astype("<u2").tobytes(),
    )


PART = Part(
    campaign="a-new",
    scenario="home",
    positions=(8, 3, 5),
    most_per_page=None,
    floor=0.2,
    merchant_cap=2,
    segment_by="",
    unit="user_id",
    control=0,
    uniform=0,
    pools=(POOL,),
    tables=(drawn(),),
)


def state(*parts: Part) -> section.State:
    return section.gather({part.campaign: section.load(msgspec.msgpack.encode(part)) for part in parts})


def request(trace: str = "t-1", **more: Any) -> Request:
    return Request(unit={"user_id": "u-1"}, scenario="home", trace_id=trace, at=AT, **more)


def discovery(held: section.State, asked: Request, *, complete: bool = False) -> list[dict[str, Any]]:
    answer: dict[str, Any] = {"experiments": [], "parameters": {}}
    section.decide(held, asked, answer)
    if complete:
        section.complete(held, asked, answer)
    found: list[dict[str, Any]] = answer["discovery"]
    return found


OTHER = msgspec.structs.replace(PART, campaign="b-new", positions=(1, 5, 9), tables=(drawn(56),))


def test_positions_come_in_order_with_propensities_off_the_table() -> None:
    held = state(PART)
    table = held["home"][0].table
    found = discovery(held, request())
    assert [slot["position"] for slot in found] == [3, 5, 8]
    counted = slots.propensities(table, 3)
    for place, slot in enumerate(found):
        assert slot["propensity"] == pytest.approx(counted[place, table.indices[slot["item_id"]]], abs=1e-15)
    assert {(slot["campaign"], slot["table"]) for slot in found} == {("a-new", 55)}


def test_the_same_question_has_the_same_answer_and_another_trace_another() -> None:
    held, again = state(PART, OTHER), state(PART, OTHER)
    assert discovery(held, request()) == discovery(again, request())
    rows = {discovery(held, request(f"t-{i}"))[0]["row"] for i in range(50)}
    assert len(rows) > 40


def test_campaigns_of_one_page_share_no_position_and_no_item() -> None:
    held = state(OTHER, PART)
    for i in range(300):
        found = discovery(held, request(f"t-{i}"))
        assert [slot["position"] for slot in found] == [1, 3, 5, 8, 9]
        assert {slot["position"] for slot in found if slot["campaign"] == "a-new"} == {3, 5, 8}
        assert len({slot["item_id"] for slot in found}) == 5


@pytest.mark.parametrize(("n", "positions"), [(0, []), (1, [1]), (2, [1, 3]), (4, [1, 3, 5, 8]), (99, [1, 3, 5, 8, 9])])
def test_slots_are_the_first_of_the_page(n: int, positions: list[int]) -> None:
    assert [slot["position"] for slot in discovery(state(PART, OTHER), request(slots=n))] == positions


def test_nothing_that_a_request_forbids_is_shown() -> None:
    held = state(PART)
    banned = frozenset(f"sku-{i}" for i in range(30, 40))
    for i in range(300):
        found = discovery(held, request(f"t-{i}", exclude_items=banned, eligible={"category": ["dress"]}))
        assert len(found) == 3
        assert all(int(slot["item_id"][4:]) % 2 == 0 and slot["item_id"] not in banned for slot in found)
        assert all(slot["propensity"] is None for slot in found)
    assert discovery(held, request(eligible={"colour": ["red"]})) == []
    assert discovery(held, msgspec.structs.replace(request(), scenario="cart")) == []


@pytest.mark.parametrize("more", [{"exclude_items": frozenset({"sku-39"})}, {"eligible": {"category": ["shoe"]}}])
def test_what_is_completed_later_is_what_would_have_been_answered_at_once(more: dict[str, Any]) -> None:
    held = state(PART, OTHER)
    later = discovery(held, request(**more), complete=True)
    assert later == discovery(held, request(propensities=True, **more))
    assert all(0 < slot["propensity"] <= 1 for slot in later)


def test_a_logged_decision_replays_from_its_table() -> None:
    held = state(PART)
    table = held["home"][0].table
    for i in range(200):
        limits = slots.Filter({"category": frozenset({"dress"})}) if i % 2 else None
        eligible = {"category": ["dress"]} if i % 2 else {}
        found = discovery(held, request(f"t-{i}", eligible=eligible))
        items = [slot["item_id"] for slot in found]
        assert slots.replay(table, f"t-{i}", 3, limits, row=found[0]["row"], items=items)
        assert not slots.replay(replace(table, number=57), f"t-{i}", 3, limits, row=found[0]["row"], items=items)
