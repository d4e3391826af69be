"""When a delivery that failed is tried again. Pure."""

from datetime import datetime, timedelta

FIRST_PAUSE = timedelta(seconds=30)
LONGEST_PAUSE = timedelta(hours=4)
GIVE_UP_AFTER = timedelta(hours=24)


def next_try(first_at: datetime, now: datetime, n_tries: int) -> datetime | None:
    """After `n_tries` that failed, the last one now: the pauses double; None when a day has passed.

    >>> start = datetime(2026, 1, 1)
    >>> next_try(start, start, 1), next_try(start, start, 2)
    (datetime.datetime(2026, 1, 1, 0, 0, 30), datetime.datetime(2026, 1, 1, 0, 1))
    """
    due = now + min(FIRST_PAUSE * 2 ** min(n_tries - 1, 30), LONGEST_PAUSE)
    return due if due <= first_at + GIVE_UP_AFTER else None
