"""Who waits is told the newest change once, and there are no more streams than may be."""

import asyncio

import pytest

from firstlight.streams.hub import Full, Hub
from tests.loops import run


def test_everybody_is_told_and_who_is_slow_hears_of_the_newest_alone() -> None:
    async def heard() -> list[int | None]:
        hub = Hub()
        with hub.joined("a") as one, hub.joined("b") as other:
            hub.tell(7)
            first = await one.next()
            hub.tell(8)
            hub.tell(9)
            return [first, await one.next(), await other.next()]

    assert run(heard()) == [7, 9, 9]


@pytest.mark.parametrize(("seen", "is_told"), [(None, False), (7, False), (6, True), (8, True)])
def test_who_comes_back_hears_of_what_was_missed(seen: int | None, is_told: bool) -> None:
    """Another number than the newest may also be a higher one: of a database before its backup was restored."""

    async def hears() -> bool:
        hub = Hub()
        hub.tell(7)
        with hub.joined("a", seen) as stream:
            done, _ = await asyncio.wait({asyncio.create_task(stream.next())}, timeout=0.05)
            return bool(done)

    assert run(hears()) == is_told


def test_the_streams_of_a_key_end_with_it() -> None:
    async def heard() -> list[int | None]:
        hub = Hub()
        with hub.joined("a") as one, hub.joined("b") as other:
            hub.end(lambda who: who == "a")
            first = await one.next()
            hub.tell(8)
            return [first, await other.next()]

    assert run(heard()) == [None, 8]


def test_there_are_bounds_in_all_and_for_each_and_a_place_is_free_again() -> None:
    hub = Hub(most=3, most_each=2)
    with hub.joined("a"), hub.joined("a"):
        with pytest.raises(Full):
            hub.joined("a").__enter__()
        with hub.joined("b"), pytest.raises(Full):
            hub.joined("c").__enter__()
        assert len(hub) == 2
    assert len(hub) == 0
    with hub.joined("a"):
        assert len(hub) == 1
