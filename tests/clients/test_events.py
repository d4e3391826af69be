"""Events under a dead, slow and lying server, a kill, a full disk: each counted once, none lost in silence."""

import os
import resource
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from firstlight_client import Firstlight, Rejected
from tests.clients.pretend import Heard, Say, Shop, within

Make = Callable[..., Firstlight]
UNIT = {"user_id": "u-81"}
SOURCE = Path(__file__).parents[2] / "clients" / "python" / "src"
TRACKING = Path(__file__).parent / "tracking.py"


@pytest.fixture(params=["disk", "memory"])
def folder(request: pytest.FixtureRequest, tmp_path: Path) -> Path | None:
    return tmp_path if request.param == "disk" else None


def numbers(shop: Shop) -> Counter[int]:
    return Counter(event["properties"]["i"] for event in shop.stored.values())


def track(here: Firstlight, numbers: range) -> None:
    for i in numbers:
        here.track("visit", UNIT, properties={"i": i})


def files(folder: Path) -> list[Path]:
    return [path for path in (folder / "events").rglob("*") if path.is_file()]


def test_an_event_is_sent_as_the_contract_has_it(shop: Shop, client: Make, folder: Path | None) -> None:
    here = client(folder)
    answer = here.allocate(UNIT, "home")
    here.track("order", answer=answer, value=Decimal("12.50"), currency="INR", order_id="o-5", properties={"q": "ä"})
    assert here.flush(5)
    (heard,) = shop.paths("/api/v1/events")
    assert heard.headers["content-type"] == "application/x-ndjson"
    assert heard.headers["content-encoding"] == "gzip"
    (event,) = heard.events
    at = datetime.fromisoformat(event.pop("at"))
    assert abs(datetime.now(UTC) - at) < timedelta(seconds=10)
    assert len(event.pop("event_id")) == 36
    assert event == {
        "type": "order",
        "unit": UNIT,
        "scenario": "home",
        "trace_id": answer.trace_id,
        "value": "12.50",
        "currency": "INR",
        "order_id": "o-5",
        "properties": {"q": "ä"},
    }


def test_the_servers_own_parser_takes_every_event_that_is_written() -> None:
    from firstlight.events import parse
    from firstlight_client import events

    at = datetime.now(UTC)
    said: Any = {
        "scenario": "home",
        "trace_id": "t",
        "item_id": "i",
        "merchant_id": "m",
        "position": 3,
        "value": Decimal("-0.0001"),
        "currency": "INR",
        "order_id": "o",
        "recall_source": "i2i",
        "ranker": "din",
        "score": 0.5,
        "propensity": 0.25,
        "experiment": "e",
        "variant": "v",
        "phase": 2,
        "properties": {"a": [1, None, {"b": True}]},
    }
    line = events.line("01936f10-7d3e-7cc3-98c4-dc0c0c07398f", "click", at, UNIT, said)
    parsed = parse.parse(line, "application/x-ndjson", at=at, may_backfill=False)
    assert parsed.rejected == []
    assert set(said) == set(events.Said.__annotations__)
    assert set(events.Said.__annotations__) == set(parse.Event.__struct_fields__) - {"event_id", "type", "at", "unit"}


def test_what_the_server_rejects_is_told_and_the_others_are_kept(shop: Shop, client: Make, folder: Path | None) -> None:
    told: list[Rejected] = []
    shop.say = lambda asked: shop.take(asked, lambda event: event["properties"]["i"] % 10 == 0)
    here = client(folder, on_rejected=told.append)
    track(here, range(100))
    assert here.flush(5)
    assert sorted(one.event["properties"]["i"] for one in told) == list(range(0, 100, 10))
    assert {(one.pointer, one.detail) for one in told} == {("/type", "bad")}
    assert here.counts._replace(duplicates=0) == (100, 90, 0, 10, 0, 0)


def test_a_callback_that_fails_stops_nothing(shop: Shop, client: Make, folder: Path | None) -> None:
    shop.say = lambda asked: shop.take(asked, lambda event: event["properties"]["i"] == 0)
    here = client(folder, on_rejected=lambda rejected: 1 / 0)
    track(here, range(10))
    assert here.flush(5)
    assert len(shop.stored) == 9


def test_what_is_no_event_does_not_break_the_page(shop: Shop, client: Make) -> None:
    told: list[Rejected] = []
    here = client(on_rejected=told.append)
    here.track("click", UNIT, properties={"x": object()})
    here.track("click", UNIT, properties={"x": "\ud800"})
    here.track("visit", UNIT, properties={"i": 1})
    assert here.flush(5)
    assert len(shop.stored) == 1
    assert [one.detail[:7] for one in told] == ["no JSON"] * 2
    assert here.counts == (3, 1, 0, 2, 0, 0)


def test_a_dead_server_gets_everything_once_it_is_back(shop: Shop, client: Make, folder: Path | None) -> None:
    here = client(folder)
    track(here, range(50))
    assert here.flush(5)
    shop.close()
    track(here, range(50, 5_000))
    assert not here.flush(0.7)
    assert here.counts.waiting == 4_950
    shop.open()
    assert within(20, lambda: here.flush(1))
    assert numbers(shop) == Counter(range(5_000))
    assert here.counts == (5_000, 5_000, 0, 0, 0, 0)
    assert folder is None or within(2, lambda: all(path.suffix == ".lock" for path in files(folder)))


def test_an_acknowledgement_that_is_lost_stores_nothing_twice(shop: Shop, client: Make, folder: Path | None) -> None:
    """At least once, by the same ids: the server tells duplicates."""
    left = [Say(part=0.5, body={"cut": "short"}), Say(200, b"<html>"), Say(500)]

    def say(asked: Heard) -> Say:
        taken = shop.take(asked)
        return left.pop() if left else taken

    shop.say = say
    here = client(folder)
    track(here, range(30))
    assert within(20, lambda: here.flush(1))
    assert numbers(shop) == Counter(range(30))
    assert shop.received == 4 * 30
    assert here.counts == (30, 0, 30, 0, 0, 0)


@pytest.mark.parametrize("status", [429, 503])
def test_the_server_says_when_to_come_again(shop: Shop, client: Make, folder: Path | None, status: int) -> None:
    times: list[float] = []

    def say(asked: Heard) -> Say:
        times.append(time.monotonic())
        return Say(status, {"title": "later"}, {"Retry-After": "1"}) if len(times) == 1 else shop.take(asked)

    shop.say = say
    here = client(folder)
    track(here, range(3))
    assert within(10, lambda: here.flush(1))
    assert 1.0 <= times[1] - times[0] < 3.0
    assert numbers(shop) == Counter(range(3))


@pytest.mark.parametrize("status", [401, 403, 404, 502])
def test_events_wait_while_key_or_address_are_wrong(shop: Shop, client: Make, tmp_path: Path, status: int) -> None:
    shop.say = lambda asked: Say(status, {"title": "no"})
    here = client(tmp_path)
    track(here, range(3))
    assert not here.flush(0.5)
    shop.say = shop.well
    assert within(10, lambda: here.flush(1))
    assert numbers(shop) == Counter(range(3))


@pytest.mark.parametrize("status", [400, 413])
def test_one_event_that_no_body_may_hold_is_found_by_halves(
    shop: Shop, client: Make, folder: Path | None, status: int
) -> None:
    """As of a proxy that lets small bodies pass, or one that will not have a certain word."""
    told: list[Rejected] = []

    def say(asked: Heard) -> Say:
        bad = any(event["properties"]["i"] == 13 for event in asked.events)
        return Say(status, {"detail": "no"}) if bad else shop.take(asked)

    shop.say = say
    here = client(folder, on_rejected=told.append)
    track(here, range(40))
    assert within(10, lambda: here.flush(1))
    assert numbers(shop) == Counter(set(range(40)) - {13})
    assert [one.event["properties"]["i"] for one in told] == [13]


def test_a_page_never_waits_for_a_server_that_hangs_and_events_reach_the_disk_meanwhile(
    shop: Shop, client: Make, tmp_path: Path
) -> None:
    shop.say = lambda asked: Say(after=30)
    here = client(tmp_path)
    track(here, range(1))
    assert within(5, lambda: len(shop.heard) == 1)  # now the sender hangs
    began = time.monotonic()
    track(here, range(1, 1_000))
    assert time.monotonic() - began < 1.0
    assert within(2, lambda: sum(path.read_bytes().count(b"\n") for path in files(tmp_path)) == 1_000)


def test_what_is_tracked_before_a_close_is_on_disk_though_the_sender_hangs(
    shop: Shop, client: Make, tmp_path: Path
) -> None:
    shop.say = lambda asked: Say(after=30)
    here = client(tmp_path)
    track(here, range(1))
    assert within(5, lambda: len(shop.heard) == 1)
    track(here, range(1, 10))
    here.close(0.1)
    assert sum(path.read_bytes().count(b"\n") for path in files(tmp_path)) == 10


def test_memory_is_bounded_and_what_gives_way_is_counted(shop: Shop, client: Make) -> None:
    shop.close()
    here = client(buffer_events=100)
    track(here, range(1_000))
    within(1, lambda: here.counts.waiting == 100)
    assert here.counts.dropped + here.counts.waiting == 1_000
    shop.open()
    assert within(20, lambda: here.flush(1))
    assert len(shop.stored) == 1_000 - here.counts.dropped
    assert set(numbers(shop)) > set(range(950, 1_000))


def test_the_disks_share_is_bounded_and_the_oldest_give_way(shop: Shop, client: Make, tmp_path: Path) -> None:
    shop.close()
    here, share = client(tmp_path, spill_bytes=300_000), 300_000
    for start in range(0, 10_000, 500):
        track(here, range(start, start + 500))
        assert within(5, lambda: not len(here._delivery._buffer))
        assert sum(path.stat().st_size for path in files(tmp_path)) <= share
    counts = here.counts
    assert counts.dropped > 0
    assert counts.dropped + counts.waiting == 10_000
    shop.open()
    assert within(20, lambda: here.flush(1))
    assert set(numbers(shop)) == set(range(counts.dropped, 10_000))


def test_a_process_that_was_killed_leaves_its_events_to_the_next(shop: Shop, client: Make, tmp_path: Path) -> None:
    """kill -9 while it writes: everything that reached the disk is delivered, a line cut short is no event."""
    url = shop.url
    shop.close()
    environment = {**os.environ, "PYTHONPATH": str(SOURCE)}
    for _ in range(2):
        with subprocess.Popen(
            [sys.executable, TRACKING, url, str(tmp_path), "3000"], env=environment, stdout=subprocess.PIPE
        ) as process:
            assert process.stdout
            assert process.stdout.readline() == b"spilled\n"
            time.sleep(0.3)
            process.send_signal(signal.SIGKILL)
    victim = next(path for path in files(tmp_path) if path.suffix == ".ndjson")
    with victim.open("ab") as file:
        file.write(b'{"event_id": "cut sho')
    shop.open()
    here = client(tmp_path)
    assert within(30, lambda: here.flush(1))
    found = Counter(event["properties"]["i"] for event in shop.stored.values() if "properties" in event)
    assert found == Counter(dict.fromkeys(range(3000), 2))
    assert list((tmp_path / "events").iterdir()) == []


def test_what_is_kept_is_for_nobody_elses_eyes_and_a_broken_file_holds_nothing_up(
    shop: Shop, client: Make, tmp_path: Path
) -> None:
    """A folder in the place of a file cannot be read, whoever asks, root too."""
    shop.close()
    first = client(tmp_path)
    for start in (0, 3_000):
        track(first, range(start, start + 3_000))
        assert within(5, lambda: not len(first._delivery._buffer))
    broken = min(path for path in files(tmp_path) if path.suffix == ".ndjson")
    assert {path.stat().st_mode & 0o077 for path in files(tmp_path) if path.suffix == ".ndjson"} == {0}
    lost = broken.read_bytes().count(b"\n")
    broken.unlink()
    broken.mkdir()
    shop.open()
    assert within(20, lambda: first.flush(1))
    assert first.counts.dropped == lost > 0
    assert len(shop.stored) == 6_000 - lost


def test_what_a_living_process_keeps_is_left_to_it(shop: Shop, client: Make, tmp_path: Path) -> None:
    shop.close()
    first, second = client(tmp_path), client(tmp_path)
    track(first, range(10))
    assert within(2, lambda: not len(first._delivery._buffer))
    second._delivery._look_at = 0
    time.sleep(0.5)
    assert (first.counts.waiting, second.counts.waiting) == (10, 0)
    first.close(0.1)
    second._delivery._look_at = 0
    assert within(3, lambda: second.counts.waiting == 10)
    shop.open()
    assert within(20, lambda: second.flush(1))
    assert numbers(shop) == Counter(range(10))


FULL = """
import resource, signal, sys, time
from firstlight_client import Firstlight
resource.setrlimit(resource.RLIMIT_FSIZE, (4_000, 4_000))  # every write past it fails, as on a full disk
here = Firstlight(sys.argv[1], "fl_1_secret", folder=sys.argv[2])
for i in range(400):
    here.track("visit", {"user_id": "u"}, properties={"i": i})
    time.sleep(0.002)
time.sleep(0.5)
print(here.counts.waiting, flush=True)
sys.stdin.readline()
print(here.flush(20), *here.counts, flush=True)
"""


def test_a_full_disk_costs_nothing_while_memory_lasts(shop: Shop, tmp_path: Path) -> None:
    assert resource.getrlimit(resource.RLIMIT_FSIZE)[0] != 4_000
    url = shop.url
    shop.close()
    with subprocess.Popen(
        [sys.executable, "-c", FULL, url, str(tmp_path)],
        env={**os.environ, "PYTHONPATH": str(SOURCE)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout
        waiting = int(process.stdout.readline())
        shop.open()
        said, errors = process.communicate("go\n", timeout=40)
    assert waiting == 400
    assert said.split() == ["True", "400", "400", "0", "0", "0", "0"], errors
    assert "events stay in memory" in errors
    assert numbers(shop) == Counter(range(400))


def test_what_is_tracked_just_before_the_end_of_a_process_is_sent(shop: Shop) -> None:
    code = (
        "import sys; from firstlight_client import Firstlight; here = Firstlight(sys.argv[1], 'fl_1_secret')\n"
        "for i in range(100): here.track('visit', {'user_id': 'u'}, properties={'i': i})"
    )
    environment = {**os.environ, "PYTHONPATH": str(SOURCE)}
    done = subprocess.run([sys.executable, "-c", code, shop.url], env=environment, capture_output=True, check=True)
    assert done.stderr == b""
    assert numbers(shop) == Counter(range(100))


def test_a_closed_client_counts_what_it_cannot_take(shop: Shop, client: Make) -> None:
    here = client()
    track(here, range(5))
    here.close(5)
    track(here, range(5, 8))
    assert here.counts == (8, 5, 0, 0, 3, 0)


def test_times_are_the_servers_where_the_host_is_far_off(
    shop: Shop, client: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The server would refuse what is over 10 minutes ahead of its clock."""
    shop.ahead = -3 * 3600
    here = client()
    here.allocate(UNIT, "home")
    track(here, range(1))
    assert here.flush(5)
    (event,) = shop.stored.values()
    late = datetime.now(UTC) - datetime.fromisoformat(event["at"])
    assert abs(late - timedelta(hours=3)) < timedelta(seconds=10)


def test_many_threads_track_at_once(shop: Shop, client: Make, folder: Path | None) -> None:
    here = client(folder)
    threads = [threading.Thread(target=track, args=[here, range(i * 500, i * 500 + 500)]) for i in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert within(10, lambda: here.flush(1))
    assert numbers(shop) == Counter(range(8_000))
    assert {heard.headers["content-encoding"] for heard in shop.heard} == {"gzip"}
