"""The rate of a key over a made-up clock, and over processes that share a folder."""

import multiprocessing
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from firstlight.accounts.keys import HeldKey
from firstlight.serving import limits, rates, siblings
from firstlight.serving.rates import Counters, Rates
from firstlight.serving.wire import Refusal


def key(number: int = 1, **limited: Any) -> HeldKey:
    return HeldKey("id", bytes(32), frozenset(), frozenset(), number=number, **limited)


def admitted(here: Rates, one: HeldKey, times: Iterator[float], until: float) -> int:
    found = 0
    for at in times:
        if at >= until:
            break
        found += here.wait(one, at) == 0
    return found


@pytest.mark.parametrize(("rate", "burst"), [(10, None), (10, 30), (200, 10), (3, 2)])
def test_over_any_time_as_many_as_the_bucket_brings(rate: int, burst: int | None) -> None:
    """Asked a thousand times a second for 20 s: the burst, and `rate` for each second."""
    asked = (100 + step / 1000 for step in count())
    found = admitted(Rates(Counters(None)), key(rate=rate, burst=burst), asked, 120)
    assert abs(found - ((burst or rate) + 20 * rate)) <= 1


def test_who_asks_less_is_never_refused() -> None:
    here = Rates(Counters(None))
    assert all(here.wait(key(rate=10, burst=1), 100 + step * 0.1001) == 0 for step in range(1_000))


def test_what_it_says_to_wait_suffices_and_is_whole() -> None:
    here, one = Rates(Counters(None)), key(rate=1, burst=1)
    assert here.wait(one, 0.0) == 0
    seconds = here.wait(one, 0.1)
    assert seconds == 1
    assert here.wait(one, 0.1 + seconds) == 0


def test_keys_do_not_share_a_bucket() -> None:
    here = Rates(Counters(None))
    assert [here.wait(key(number, rate=1, burst=1), 5.0) for number in (1, 2, 1, 2)] == [0, 0, 1, 1]


def test_each_of_several_servers_admits_its_share() -> None:
    asked = (step / 1000 for step in count())
    assert abs(admitted(Rates(Counters(None), servers=4), key(rate=40, burst=40), asked, 10) - (10 + 100)) <= 1


def _ask(folder: Path, start: float, n: int, results: Any) -> None:
    here, found = Rates(Counters(folder)), 0
    while time.monotonic() < start:
        time.sleep(0.001)
    while (at := time.monotonic()) < start + 3:
        found += here.wait(key(rate=100, burst=100), at) == 0
        time.sleep(0.001)
    results.put((n, found))
    time.sleep(1)


def test_processes_share_one_rate(tmp_path: Path) -> None:
    """Three processes ask for 3 s, each faster than the key may: 100 + 3 x 100 together, not three times that.

    They see a sibling within `LOOK`, which may add what one of them admits until then: the burst.
    """
    context = multiprocessing.get_context("fork")
    results, start = context.Queue(), time.monotonic() + 0.5
    asking = [context.Process(target=_ask, args=(tmp_path, start, n, results)) for n in range(3)]
    for process in asking:
        process.start()
    found = [results.get(timeout=20)[1] for _ in asking]
    for process in asking:
        process.join(10)
    assert 350 <= sum(found) <= 520, "900 if each had a rate of its own"


def test_a_key_past_its_rate_is_refused_with_the_time_to_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rates, "_rates", Rates(Counters(None)))
    one = key(rate=2, burst=1)
    limits.admit(one)
    with pytest.raises(Refusal) as refused:
        limits.admit(one)
    assert refused.value.status == 429
    assert dict(refused.value.headers)["Retry-After"] == "1"
    for _ in range(100):
        limits.admit(key(7))  # without a rate


def test_many_that_ask_first_count_in_one_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A second one of its name, emptied while the first was counted in, killed the process and its siblings."""
    made = []

    class Slow(Counters):
        def __init__(self, folder: Path | None) -> None:
            time.sleep(0.05)
            super().__init__(folder)
            made.append(self)

    monkeypatch.setenv(siblings.VARIABLE, str(tmp_path))
    monkeypatch.setattr(rates, "Counters", Slow)
    rates.forget()
    try:
        with ThreadPoolExecutor(8) as threads:
            assert sum(threads.map(lambda _: rates.wait(key(rate=10**6)), range(64))) == 0
    finally:
        rates.forget()
    (counters,) = made
    assert counters.own[1] == 64


def _make_again_and_again(folder: Path) -> None:
    while True:
        Counters(folder)


def test_a_sibling_that_begins_is_seen_whole_or_not_at_all(tmp_path: Path) -> None:
    begins = multiprocessing.get_context("fork").Process(target=_make_again_and_again, args=(tmp_path,))
    begins.start()
    seen, end = 0, time.monotonic() + 1
    while time.monotonic() < end:
        seen += Counters(tmp_path).others(1, at=0.0) == 0 and (tmp_path / f"admitted-{begins.pid}").exists()
    begins.kill()
    begins.join()
    assert seen > 100
