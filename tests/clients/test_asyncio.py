"""The client for asyncio: the same answers, tasks that are cancelled, a loop that is never held up."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from firstlight_client import AsyncFirstlight, Options, Patience, Question, Unavailable
from tests import loops
from tests.clients.pretend import Say, Shop, answer
from tests.clients.test_local import serve
from tests.firstlight.assignment.test_assignment import rule

UNIT = {"user_id": "u-81"}


def run(shop: Shop, course: Callable[[AsyncFirstlight], Awaitable[Any]], *, local: bool = False, **options: Any) -> Any:
    options.setdefault("patience", Patience(deadline=10.0))  # of a busy machine; who watches clocks says so

    async def main() -> Any:
        async with AsyncFirstlight(shop.url, "fl_1_secret", local=local, options=Options(**options)) as here:
            return await asyncio.wait_for(course(here), 30)

    return loops.run(main())


def test_many_tasks_share_one_client(shop: Shop) -> None:
    async def course(here: AsyncFirstlight) -> list[Any]:
        found = await asyncio.gather(
            *(here.allocate({"user_id": f"u-{i}"}, "home", trace_id=f"t-{i}") for i in range(300))
        )
        for one in found:
            here.track("click", answer=one, item_id="a")
        assert await here.flush(10)
        return found

    found = run(shop, course, patience=Patience(deadline=20.0))
    assert [(one.source, one.trace_id, one.get("ranker")) for one in found] == [
        ("remote", f"t-{i}", "din") for i in range(300)
    ]
    assert {event["trace_id"] for event in shop.stored.values()} == {f"t-{i}" for i in range(300)}


@pytest.mark.parametrize(
    "trouble",
    [
        Say(after=5),
        Say(body={"filler": "x" * 999}, drip=0.05),
        Say(500),
        Say(200, b"<html>"),
        Say(body={"a": 1}, part=0.5),
    ],
    ids=["silent", "drips", "500", "html", "half"],
)
def test_whatever_comes_the_page_has_an_answer_in_time(shop: Shop, trouble: Say) -> None:
    async def course(here: AsyncFirstlight) -> tuple[Any, Any, float]:
        good = await here.allocate(UNIT, "home", timeout=5)
        shop.say = lambda asked: trouble
        began = time.monotonic()
        return good, await here.allocate(UNIT, "home"), time.monotonic() - began

    good, stale, took = run(shop, course, patience=Patience(deadline=0.4))
    assert (stale.source, stale.trace_id) == ("remembered", good.trace_id)
    assert took < 2.5  # of 5 s, or of 50 s in single bytes


def test_the_loop_goes_on_while_an_answer_is_waited_for(shop: Shop) -> None:
    shop.say = lambda asked: Say(after=0.5, body=answer(asked).body)

    async def course(here: AsyncFirstlight) -> int:
        asking, turns = asyncio.create_task(here.allocate(UNIT, "home", timeout=5)), 0
        while not asking.done():
            await asyncio.sleep(0.01)
            turns += 1
        assert (await asking).source == "remote"
        return turns

    assert run(shop, course) > 10


def test_tasks_that_are_cancelled_leave_the_client_whole(shop: Shop) -> None:
    """Among them the one that tries for all whether a dead server is back: another one may try then."""

    async def course(here: AsyncFirstlight) -> None:
        shop.say = lambda asked: Say(after=0.3, body=answer(asked).body)
        tasks = [asyncio.create_task(here.allocate(UNIT, "home", timeout=5)) for _ in range(200)]
        await asyncio.sleep(0.15)
        for task in tasks:
            task.cancel()
        ended = await asyncio.gather(*tasks, return_exceptions=True)
        assert all(isinstance(one, asyncio.CancelledError) for one in ended)
        shop.say = shop.well
        assert (await here.allocate(UNIT, "home", timeout=5)).source == "remote"
        shop.close()
        for _ in range(2):
            await here.allocate(UNIT, "home")
        assert here._breaker.is_open
        shop.open()
        shop.say = lambda asked: Say(after=5)
        await asyncio.sleep(here._breaker.left + 0.01)
        trial = asyncio.create_task(here.allocate(UNIT, "home", timeout=10))
        await asyncio.sleep(0.2)
        trial.cancel()
        await asyncio.gather(trial, return_exceptions=True)
        shop.say = shop.well
        assert (await here.allocate(UNIT, "home", timeout=5)).source == "remote"

    run(shop, course, failures=2, connections=8)


def test_a_batch_and_a_refusal_to_fall_back(shop: Shop) -> None:
    async def course(here: AsyncFirstlight) -> None:
        questions = [Question(unit={"user_id": f"u-{i}"}, scenario="home") for i in range(1_200)]
        found = await here.allocate_batch(questions)
        assert [one.unit["user_id"] for one in found if one.source == "remote"] == [f"u-{i}" for i in range(1_200)]
        shop.close()
        with pytest.raises(Unavailable):
            await here.allocate(UNIT, "home")

    run(shop, course, raises=True)


def test_rules_are_held_and_decided_by_without_waiting(shop: Shop) -> None:
    serve(shop, [rule("a")])

    async def course(here: AsyncFirstlight) -> Any:
        assert await here.wait_until_ready(5)
        return here.assign(UNIT, "home")

    assert run(shop, course, local=True).variant("a") in ("0", "1")
