"""Questions to a server that is well, slow, broken, gone and back: a page view always has an answer in time."""

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from uuid import UUID

import pytest

from firstlight_client import Firstlight, Patience, Question, Refused, Unavailable
from tests.clients.pretend import Heard, Say, Shop, answer

Make = Callable[..., Firstlight]
UNIT = {"user_id": "u-81"}


def test_the_servers_answer_is_given_as_typed_values(shop: Shop, client: Make) -> None:
    slot = {"position": 3, "item_id": "sku-88", "campaign": "new", "table": 55, "row": 812, "propensity": 0.25}
    shop.say = lambda asked: answer(asked, discovery=[slot], later={"a": "member"}, journey_stage="browsing")
    found = client().allocate(UNIT, "home", attributes={"country": "IN"}, slots=5)
    assert (found.source, found.reason, found.is_stale, found.age) == ("remote", "", False, 0)
    assert (found.get("ranker"), found.get("quota", 120), found.variant("ranker-din")) == ("din", 120, "din")
    assert found.variant("other") is None
    assert [(one.position, one.item_id, one.propensity) for one in found.discovery] == [(3, "sku-88", 0.25)]
    assert (found.journey_stage, found.unit, found.snapshot) == ("browsing", UNIT, 7)
    (heard,) = shop.heard
    assert heard.headers["authorization"] == "Bearer fl_1_secret"
    asked = heard.json
    assert UUID(asked.pop("trace_id")).version == 7
    assert asked == {"unit": UNIT, "scenario": "home", "attributes": {"country": "IN"}, "slots": 5}


def test_ids_of_requests_are_ordered_by_time_and_never_the_same(shop: Shop, client: Make) -> None:
    from firstlight_client.questions import trace_id

    ids = [trace_id() for _ in range(5_000)]
    assert len(set(ids)) == 5_000
    assert [one[:13] for one in ids] == sorted(one[:13] for one in ids)
    assert {(UUID(one).version, UUID(one).variant) for one in ids} == {(7, "specified in RFC 4122")}


def test_a_try_that_fails_is_followed_by_another_under_the_same_trace(shop: Shop, client: Make) -> None:
    says = iter([Say(503, {"title": "away"}), Say(part=0.5, body={"cut": "short"})])
    shop.say = lambda asked: next(says, None) or answer(asked)
    found = client(patience=Patience(deadline=2.0)).allocate(UNIT, "home")
    assert found.source == "remote"
    assert len(shop.heard) == 3
    assert {heard.json["trace_id"] for heard in shop.heard} == {found.trace_id}


@pytest.mark.parametrize(
    "trouble",
    [
        Say(500, {"title": "our mistake"}),
        Say(200, b"<html>a proxy's page</html>"),
        Say(200, b""),
        Say(200, b'{"trace_id": 7}'),
        Say(200, b"\xff\xfe\x00"),
        Say(200, {"trace_id": "t", "scenario": "home", "filler": "x" * 999}, part=0.5),
        Say(302, headers={"Location": "http://127.0.0.1:9/"}),
        Say(429, headers={"Retry-After": "1"}),
    ],
    ids=["500", "html", "empty", "misfit", "bytes", "half", "redirect", "429"],
)
def test_whatever_comes_instead_of_an_answer_the_page_has_defaults_then_the_last_good_answer(
    shop: Shop, client: Make, trouble: Say
) -> None:
    here = client(patience=Patience(deadline=1.0, tries=2))
    shop.say = lambda asked: trouble
    nothing = here.allocate(UNIT, "home")
    assert (nothing.source, nothing.parameters, nothing.experiments) == ("defaults", {}, ())
    assert nothing.reason
    assert nothing.get("ranker", "mine") == "mine"
    shop.say = shop.well
    good = here.allocate(UNIT, "home", recent=[{"event": "view", "item_id": "a"}])
    shop.say = lambda asked: trouble
    stale = here.allocate(UNIT, "home", recent=[{"event": "view", "item_id": "b"}])
    assert (stale.source, stale.parameters, stale.trace_id) == ("remembered", {"ranker": "din"}, good.trace_id)
    assert stale.is_stale
    assert 0 < stale.age < 60
    assert here.allocate({"user_id": "u-82"}, "home").source == "defaults"
    assert here.allocate(UNIT, "search").source == "defaults"
    assert here.allocate(UNIT, "home", exclude_items=["a"]).source == "defaults"


@pytest.mark.parametrize("trouble", [Say(after=5), Say(body={"filler": "x" * 999}, drip=0.05)], ids=["silent", "drips"])
def test_a_slow_server_costs_the_deadline_and_not_more(shop: Shop, client: Make, trouble: Say) -> None:
    """`drips` never lets a read time out: 50 s of single bytes, each in time."""
    shop.say = lambda asked: trouble
    here = client(patience=Patience(deadline=0.3))
    began = time.monotonic()
    found = here.allocate(UNIT, "home")
    assert time.monotonic() - began < 2.5
    assert (found.source, found.reason) == ("defaults", "no answer in time")
    began = time.monotonic()
    here.allocate(UNIT, "home", timeout=0.05)
    assert time.monotonic() - began < 2.0


def test_a_refusal_is_not_tried_again_and_says_what_is_wrong(shop: Shop, client: Make) -> None:
    place = {"pointer": "/scenario", "detail": "There is no scenario “x”."}
    shop.say = lambda asked: Say(422, {"title": "Unprocessable", "detail": "Wrong.", "errors": [place]})
    found = client().allocate(UNIT, "x")
    assert (found.source, found.reason) == ("defaults", "422: Wrong. /scenario: There is no scenario “x”.")
    assert len(shop.heard) == 1
    with pytest.raises(Refused, match="There is no scenario") as raised:
        client(raises=True).allocate(UNIT, "x")
    assert raised.value.status == 422


def test_who_asked_for_it_is_told_by_an_exception(shop: Shop, client: Make) -> None:
    shop.close()
    with pytest.raises(Unavailable):
        client(raises=True).allocate(UNIT, "home")


def test_a_request_to_come_later_is_respected(shop: Shop, client: Make) -> None:
    """Of a server that sheds load: no second try within a deadline that is shorter, and nobody else asks."""
    shop.say = lambda asked: Say(503, {"title": "busy"}, headers={"Retry-After": "30"})
    here = client(failures=2, patience=Patience(deadline=1.0))
    for _ in range(5):
        assert here.allocate(UNIT, "home").source == "defaults"
    assert len(shop.heard) == 2
    assert here._breaker.left > 25


def test_a_dead_server_is_asked_by_one_at_a_time_and_by_all_once_it_is_back(shop: Shop, client: Make) -> None:
    here = client(failures=3, patience=Patience(deadline=1.0, tries=1))
    good = here.allocate(UNIT, "home")
    shop.close()
    for _ in range(3):
        assert here.allocate(UNIT, "home").source == "remembered"
    began = time.monotonic()
    for _ in range(200):
        assert here.allocate(UNIT, "home").trace_id == good.trace_id
    assert time.monotonic() - began < 1.0  # nobody was asked
    shop.open()
    asked = len(shop.heard)
    shop.say = lambda asked: Say(200, answer(asked).body, after=0.3)
    time.sleep(here._breaker.left + 0.05)
    with ThreadPoolExecutor(16) as pool:
        found = list(pool.map(lambda _: here.allocate(UNIT, "home").source, range(16)))
    assert sorted(found) == ["remembered"] * 15 + ["remote"]
    assert len(shop.heard) == asked + 1
    assert here.allocate(UNIT, "home").source == "remote"


def test_many_threads_share_one_client(shop: Shop, client: Make) -> None:
    here = client(patience=Patience(deadline=10.0))

    def ask(i: int) -> tuple[str, str]:
        found = here.allocate({"user_id": f"u-{i}"}, "home", trace_id=f"t-{i}")
        here.track("click", answer=found, item_id="a")
        return found.source, found.trace_id

    with ThreadPoolExecutor(32) as pool:
        found = list(pool.map(ask, range(400)))
    assert found == [("remote", f"t-{i}") for i in range(400)]
    assert here.flush(10)
    clicks = {(event["unit"]["user_id"], event["trace_id"]) for event in shop.stored.values()}
    assert clicks == {(f"u-{i}", f"t-{i}") for i in range(400)}


def test_a_batch_is_answered_in_order_and_a_problem_sinks_only_itself(shop: Shop, client: Make) -> None:
    def say(asked: Heard) -> Say:
        said = shop.well(asked)
        for i, one in enumerate(asked.json["requests"]):
            if one["scenario"] == "x":
                said.body["results"][i] = {"type": "about:blank", "status": 422, "title": "Wrong", "detail": "No x."}
        return said

    shop.say = say
    questions = [Question(unit={"user_id": f"u-{i}"}, scenario="x" if i == 700 else "home") for i in range(1_500)]
    found = client().allocate_batch(questions)
    assert [one.unit["user_id"] for one in found] == [f"u-{i}" for i in range(1_500)]
    assert [i for i, one in enumerate(found) if one.source != "remote"] == [700]
    assert found[700].reason == "422: No x."
    assert [len(heard.json["requests"]) for heard in shop.heard] == [1_000, 500]
    shop.close()
    later = [one.source for one in client().allocate_batch(questions[:3])]
    assert later == ["defaults"] * 3


def test_what_a_batch_answered_is_remembered_for_single_questions(shop: Shop, client: Make) -> None:
    here = client()
    here.allocate_batch([Question(unit=UNIT, scenario="home")])
    shop.close()
    assert here.allocate(UNIT, "home").source == "remembered"
