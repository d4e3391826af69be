"""Work is asked for until it is done, and patience has an end with words."""

from collections.abc import Callable
from typing import Any

import pytest

from firstlight.demo import waiting


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    now = [1000.0]
    monkeypatch.setattr("firstlight.demo.waiting.time.monotonic", lambda: now[0])
    monkeypatch.setattr("firstlight.demo.waiting.time.sleep", lambda seconds: now.__setitem__(0, now[0] + seconds))
    return now


def wait(done: Callable[[], int], **changed: Any) -> list[str]:
    asked: list[str] = []
    given = {"ask": lambda: asked.append("asked"), "check": lambda: None, "advance": lambda _: None}
    waiting.until(done, 3, what="things done", **{**given, **changed})
    return asked


def test_what_is_done_is_not_asked_for(clock: list[float]) -> None:
    assert wait(lambda: 3) == []


def test_asked_once_when_it_goes_well_and_again_when_it_takes_long(clock: list[float]) -> None:
    assert wait(lambda: 3 if clock[0] > 1001 else 0) == ["asked"]
    clock[0] = 1000.0
    assert len(wait(lambda: 3 if clock[0] > 1000 + 2.5 * waiting.ASK_AGAIN else 0)) == 3


def test_impatience_says_what_was_waited_for_and_how_far_it_came(clock: list[float]) -> None:
    with pytest.raises(waiting.TookTooLong, match="only 2 of 3 things done"):
        wait(lambda: 2)


def test_waiting_ends_when_it_has_no_sense_any_more(clock: list[float]) -> None:
    def check() -> None:
        raise RuntimeError("the worker died")

    with pytest.raises(RuntimeError, match="the worker died"):
        wait(lambda: 2, check=check)


def test_the_bar_follows(clock: list[float]) -> None:
    seen: list[int] = []
    steps = iter([0, 1, 2, 3])
    wait(lambda: next(steps), advance=seen.append)
    assert seen == [0, 1, 2, 3]
