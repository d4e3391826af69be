from datetime import UTC, datetime, timedelta
from itertools import pairwise

from firstlight.notices.tries import FIRST_PAUSE, GIVE_UP_AFTER, LONGEST_PAUSE, next_try

START = datetime(2026, 11, 23, 10, tzinfo=UTC)


def moments():
    """When a delivery that always fails at once is tried."""
    at, n = START, 1
    yield at
    while (due := next_try(START, at, n)) is not None:
        at, n = due, n + 1
        yield at


def test_pauses_double_to_the_longest_and_end_within_a_day():
    at = list(moments())
    pauses = [after - before for before, after in pairwise(at)]
    assert pauses[0] == FIRST_PAUSE
    assert all(later in (2 * earlier, LONGEST_PAUSE) for earlier, later in pairwise(pauses))
    assert max(pauses) == LONGEST_PAUSE
    assert GIVE_UP_AFTER - LONGEST_PAUSE < at[-1] - START <= GIVE_UP_AFTER


def test_a_delivery_that_waited_too_long_for_a_worker_is_not_tried_for_ever():
    assert next_try(START, START + timedelta(hours=25), 1) is None
