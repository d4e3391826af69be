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
from bandits.policies.policy import UNIFORM, Policy
from firstlight.snapshots.sections import Request

AT = datetime(2026, 11, 23, tzinfo=UTC)
PLAIN, NO = Policy(), np.empty(0)
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


SHARED = msgspec.structs.replace(
    PART, control=1_000, uniform=2_000, tables=(drawn(), drawn(60, arm="uniform", policy=UNIFORM))
)


def answered(held: section.State, asked: Request, **parameters: Any) -> dict[str, Any]:
    answer: dict[str, Any] = {"experiments": [], "parameters": parameters}
    section.decide(held, asked, answer)
    return answer


def of_user(number: int, trace: str = "t-1") -> Request:
    return msgspec.structs.replace(request(trace), unit={"user_id": f"u-{number}"})


def test_units_meet_the_arms_of_a_campaign_as_its_shares_say_and_keep_them() -> None:
    """20,000 users, three shares: each within 4 standard errors."""
    held, n = state(SHARED), 20_000
    arms = [answered(held, of_user(i))["experiments"][0]["variant"] for i in range(n)]
    for arm, share in (("none", 0.1), ("uniform", 0.2), ("learned", 0.7)):
        assert abs(arms.count(arm) / n - share) < 4 * np.sqrt(share * (1 - share) / n), arm
    for i in range(500):
        assert answered(held, of_user(i, "another"))["experiments"][0]["variant"] == arms[i]


def test_the_answer_says_which_arm_a_unit_is_in_whatever_it_is_shown() -> None:
    held = state(SHARED)
    for i in range(300):
        answer = answered(held, of_user(i, f"t-{i}"))
        (met,) = answer["experiments"]
        assert met == {"experiment": "campaign:a-new", "variant": met["variant"], "phase": 1, "in_holdout": False}
        tables = {slot["table"] for slot in answer["discovery"]}
        assert tables == {"none": set(), "uniform": {60}, "learned": {55}}[met["variant"]]


def test_who_asks_for_parameters_alone_meets_no_campaign() -> None:
    """A flag is no page: to be counted with those who saw one would make a campaign look smaller than it is."""
    answer = answered(state(SHARED), msgspec.structs.replace(of_user(1), slots=0))
    assert (answer["experiments"], answer["discovery"]) == ([], [])


def test_a_campaign_for_everybody_or_a_unit_without_the_id_is_in_no_arm() -> None:
    for held, unit in ((state(PART), {"user_id": "u-1"}), (state(SHARED), {"device_id": "d-1"})):
        answer = answered(held, msgspec.structs.replace(request(), unit=unit))
        assert answer["experiments"] == []
        assert {slot["table"] for slot in answer["discovery"]} == {55}


def test_an_experiment_puts_units_into_an_arm_by_its_parameter() -> None:
    held = state(SHARED)
    for arm, tables in (("none", set()), ("uniform", {60}), ("learned", {55})):
        for i in range(50):
            answer = answered(held, of_user(i), **{"discovery.a-new": arm})
            assert answer["experiments"] == []
            assert {slot["table"] for slot in answer["discovery"]} == tables
    assert answered(held, of_user(1), **{"discovery.a-new": "else"})["experiments"]
    without = state(PART)
    assert answered(without, of_user(1), **{"discovery.a-new": "uniform"})["discovery"] == []


def test_what_others_show_does_not_depend_on_the_arm_of_a_campaign() -> None:
    """Their slots; items that it shows they cannot, which is what a page without repetition means."""
    held = state(SHARED, OTHER)
    for n_slots in (None, 1, 2, 3, 4):
        places = set()
        for i in range(60):
            found = discovery(held, msgspec.structs.replace(of_user(i, f"t-{i}"), slots=n_slots))
            places.add(tuple(slot["position"] for slot in found if slot["campaign"] == "b-new"))
        assert len(places) == 1


SEGMENTED = msgspec.structs.replace(
    PART, segment_by="country", tables=(drawn(), drawn(61, segment="IN"), drawn(62, segment="7"))
)


@pytest.mark.parametrize(
    ("attributes", "table"),
    [({}, 55), ({"country": "IN"}, 61), ({"country": "CN"}, 55), ({"country": 7}, 62), ({"country": None}, 55)],
)
def test_a_segment_has_a_table_of_its_own_and_all_others_share_one(attributes: dict[str, Any], table: int) -> None:
    found = discovery(state(SEGMENTED), request(attributes=attributes))
    assert {slot["table"] for slot in found} == {table}


@pytest.mark.parametrize(
    ("eligible", "table"),
    [({}, 55), ({"category": ["shoe"]}, 63), ({"category": ["dress"]}, 55), ({"category": ["shoe", "dress"]}, 55)],
)
def test_a_segment_may_be_the_one_category_that_is_asked_for(eligible: dict[str, Any], table: int) -> None:
    part = msgspec.structs.replace(PART, segment_by="category", tables=(drawn(), drawn(63, segment="shoe")))
    assert {slot["table"] for slot in discovery(state(part), request(eligible=eligible))} == {table}


def test_at_most_so_many_items_of_a_campaign_are_on_a_page() -> None:
    few = msgspec.structs.replace(PART, most_per_page=2)
    found = discovery(state(few), request())
    assert [slot["position"] for slot in found] == [3, 5]
    both = discovery(state(few, msgspec.structs.replace(OTHER, positions=(8,))), request())
    assert [(slot["position"], slot["campaign"]) for slot in both] == [(3, "a-new"), (5, "a-new"), (8, "b-new")]


def test_an_empty_pool_fills_no_slot() -> None:
    pool = Pool((), columned([]), columned([]), columned([]), listed([]))
    bare = msgspec.structs.replace(drawn(), arrays=beliefs.pack(Beta((), NO, NO).arrays()), depth=0, rows=b"")
    held = state(msgspec.structs.replace(PART, pools=(pool,), tables=(bare,)))
    for more in ({}, {"eligible": {"category": ["dress"]}}, {"propensities": True}):
        assert discovery(held, request(**more), complete=True) == []


@pytest.mark.parametrize("floor", [0.0, 1.0])
@pytest.mark.parametrize("policy", [PLAIN, UNIFORM])
def test_what_is_closed_by_its_pace_is_never_served(floor: float, policy: Policy) -> None:
    pace = np.where(np.arange(40) % 3 == 0, -np.inf, 0.0)
    for cap in (None, 2):
        closed = msgspec.structs.replace(
            PART, floor=floor, merchant_cap=cap, tables=(drawn(70, pace=pace, policy=policy),)
        )
        held = state(closed)
        for i in range(200):
            more: dict[str, Any] = {"eligible": {"country": ["CN", "IN"]}} if i % 2 else {}
            found = discovery(held, request(f"t-{i}", propensities=True, **more))
            assert len(found) == 3
            assert all(int(slot["item_id"][4:]) % 3 for slot in found)
            assert all(slot["propensity"] > 0 for slot in found)
        told = slots.propensities(held["home"][0].table, 3)
        assert (told[:, np.isneginf(pace)] == 0).all()
        assert told.sum(axis=1) == pytest.approx(np.ones(3), abs=1e-12)


@pytest.mark.parametrize(
    ("eligible", "fits"),
    [
        ({"merchant": ["m-3"]}, lambda i: i % 7 == 3),
        ({"country": ["IN"]}, lambda i: i % 3 == 0),
        ({"country": [""]}, lambda i: False),
        ({"tags": ["sale"]}, lambda i: i % 4 >= 2),
        ({"tags": ["sale", "new"], "category": ["dress"]}, lambda i: i % 4 in (0, 2)),
    ],
)
def test_a_request_may_name_whatever_the_table_knows_of_its_items(eligible: dict[str, Any], fits: Any) -> None:
    held = state(msgspec.structs.replace(PART, merchant_cap=None))
    allowed = {f"sku-{i}" for i in range(40) if fits(i)}
    seen: set[str] = set()
    for i in range(400):
        found = discovery(held, request(f"t-{i}", eligible=eligible))
        assert len(found) == min(3, len(allowed))
        seen |= {slot["item_id"] for slot in found}
    assert seen <= allowed and bool(seen) == bool(allowed)


def test_a_part_that_came_from_bytes_decides_as_the_values_it_was_made_of() -> None:
    held = state(PART)
    loaded = held["home"][0].table
    rows = draws.table(PLAIN, BELIEVED, None, draws.generators(55), 8)
    shelf = (loaded.items, loaded.merchants, loaded.categories)
    made = slots.Table("a-new", 55, 55, *shelf, BELIEVED, rows, 0.2, 2, attributes=loaded.attributes)
    for i in range(300):
        limits = slots.Filter({"tags": frozenset({"sale"})}) if i % 2 else None
        assert slots.choose(made, f"t-{i}", 3, limits) == slots.choose(loaded, f"t-{i}", 3, limits)
    assert (slots.propensities(made, 3) == slots.propensities(loaded, 3)).all()
