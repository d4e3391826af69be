"""The parts of the client that need no network: pauses, the breaker, what is remembered, what waits in memory."""

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from firstlight_client.breaker import Breaker
from firstlight_client.buffer import Buffer
from firstlight_client.clock import Clock
from firstlight_client.remembered import Memory
from firstlight_client.retrying import Patience, jitter, pause, retry_after
from firstlight_client.transport import Failure, Reply

NOW = datetime(2026, 11, 24, 2, 0, tzinfo=UTC)


def test_pauses_are_uniform_up_to_a_bound_that_doubles() -> None:
    """Full jitter: mean of half the bound; Kolmogorov-Smirnov against the uniform, at 1 in 10,000."""
    for failures, bound in [(0, 0.5), (3, 4.0), (10, 30.0), (10_000, 30.0)]:
        drawn = [jitter(failures, 0.5, 30.0) for _ in range(2_000)]
        assert stats.kstest(drawn, stats.uniform(0, bound).cdf).pvalue > 1e-4


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("7", 7.0),
        ("0", 0.0),
        ("99999999999999999999", 999999999.0),
        (format_datetime(NOW + timedelta(seconds=90), usegmt=True), 90.0),
        (format_datetime(NOW - timedelta(seconds=90), usegmt=True), 0.0),
        ("", None),
        ("soon", None),
        ("-3", None),
        ("٣", None),
    ],
)
def test_the_servers_wish_for_a_pause_is_read_as_number_or_date(text: str, seconds: float | None) -> None:
    assert retry_after(Reply(503, {"retry-after": text}, b""), NOW) == seconds


def test_there_is_another_try_only_while_it_may_help_and_there_is_time() -> None:
    patience, away = Patience(deadline=1, tries=3), Reply(503, {}, b"")
    assert pause(away, 1, 1.0, patience) is not None
    assert pause(away, 3, 1.0, patience) is None
    assert pause(away, 1, 0.0, patience) is None
    assert pause(Reply(503, {"retry-after": "2"}, b""), 1, 1.0, patience) is None
    assert pause(Reply(503, {"retry-after": "2"}, b""), 1, 3.0, patience) == 2.0
    assert pause(Failure("reset"), 1, 1.0, patience) is not None
    for status in (200, 400, 401, 403, 422):
        assert pause(Reply(status, {}, b""), 1, 1.0, patience) is None


class Time:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_the_breaker_opens_after_failures_in_a_row_lets_one_try_and_closes_by_its_success() -> None:
    clock = Time()
    breaker = Breaker(3, 1.0, 30.0, clock)
    for outcome in (breaker.failed, breaker.failed, breaker.succeeded, breaker.failed, breaker.failed):
        assert breaker.admits()
        outcome()
    assert breaker.admits()
    breaker.failed()
    assert not breaker.admits()
    clock.now += breaker.left
    assert [breaker.admits() for _ in range(3)] == [True, False, False]
    breaker.abandoned()
    assert [breaker.admits() for _ in range(2)] == [True, False]
    breaker.failed(at_least=60)
    assert breaker.left >= 60
    clock.now += breaker.left
    assert breaker.admits()
    breaker.succeeded()
    assert all(breaker.admits() for _ in range(5))


def test_a_trial_that_never_comes_back_does_not_close_the_door_for_ever() -> None:
    clock = Time()
    breaker = Breaker(1, 1.0, 30.0, clock)
    breaker.failed()
    clock.now += 31
    assert breaker.admits()
    clock.now += 29
    assert not breaker.admits()
    clock.now += 2
    assert breaker.admits()


def test_pauses_of_the_breaker_stay_under_their_bound() -> None:
    clock = Time()
    breaker = Breaker(1, 1.0, 30.0, clock)
    for _ in range(200):
        breaker.failed()
        assert 1.0 <= breaker.left <= 30.0
        clock.now += breaker.left


def test_the_least_recently_given_answers_are_forgotten_and_old_ones_not_given() -> None:
    clock = Time()
    memory = Memory(3, 60.0, clock)
    for i in range(5):
        memory.keep(bytes([i]), b"%d" % i)
        memory.keep(b"\0", b"first")
    assert len(memory) == 3
    assert [memory.recall(bytes([i])) is not None for i in range(5)] == [True, False, False, True, True]
    clock.now += 60
    assert memory.recall(b"\0") == (b"first", 60.0)
    clock.now += 1
    assert memory.recall(b"\0") is None


@given(st.lists(st.binary(min_size=1, max_size=30), max_size=60), st.integers(1, 20), st.integers(30, 200))
def test_the_buffer_keeps_the_newest_within_its_bounds_and_counts_the_others(
    lines: list[bytes], most_events: int, most_bytes: int
) -> None:
    buffer = Buffer(most_events, most_bytes)
    gone = sum(buffer.add([line]) for line in lines)
    kept = buffer.take(10_000, 10_000)
    assert kept == lines[gone:]
    assert len(kept) <= most_events
    assert sum(map(len, kept)) <= most_bytes
    assert buffer.give_back(kept) == 0
    assert [line for _ in range(len(kept)) for line in buffer.take(1, 1)] == kept


def test_a_wrong_clock_follows_the_servers_and_a_right_one_its_own() -> None:
    ours = Time()
    ours.now = NOW.timestamp()
    clock = Clock(ours)

    def date(seconds: float) -> str:
        return format_datetime(datetime.fromtimestamp(ours.now + seconds, UTC), usegmt=True)

    for noise in (-2, 0, 3):
        clock.hear(date(noise))
        assert clock.now() == NOW
    clock.hear(date(-1200))
    assert clock.now() == NOW - timedelta(seconds=1200)
    clock.hear(date(-1201))  # a reply is some time under way: the same error still
    assert clock.now() == NOW - timedelta(seconds=1200)
    for nothing in (None, "", "yesterday"):
        clock.hear(nothing)
        assert clock.now() == NOW - timedelta(seconds=1200)
    clock.hear(date(1))
    assert clock.now() == NOW


def test_a_reply_that_was_long_under_way_does_not_put_a_right_clock_wrong() -> None:
    ours = Time()
    ours.now = NOW.timestamp()
    clock = Clock(ours)
    clock.hear(format_datetime(NOW - timedelta(seconds=9), usegmt=True), took=9.5)
    assert clock.now() == NOW
    clock.hear(format_datetime(NOW - timedelta(seconds=90), usegmt=True), took=9.5)
    assert clock.now() == NOW - timedelta(seconds=90)
