"""Work that others do, asked for and waited for."""

import time
from collections.abc import Callable

from firstlight.demo.progress import Advance

PATIENCE = 300.0  # seconds
ASK_AGAIN = 20.0  # seconds: a request is lost when its worker found the work locked by one that began too early
POLL = 0.2  # seconds


class TookTooLong(Exception):
    """The words say what was waited for, and how far it came."""


def until(
    done: Callable[[], int],
    total: int,
    *,
    what: str,
    ask: Callable[[], object],
    check: Callable[[], None],
    advance: Advance,
) -> None:
    """Ask the workers and wait until `done()` counts `total`. `check` raises when waiting has no sense any more."""
    deadline = time.monotonic() + PATIENCE
    ask_at = 0.0
    while (so_far := done()) < total:
        check()
        now = time.monotonic()
        if now > deadline:
            raise TookTooLong(f"After {PATIENCE:.0f} s only {so_far} of {total} {what}; see the worker's log.")
        if now >= ask_at:
            ask()
            ask_at = now + ASK_AGAIN
        advance(so_far)
        time.sleep(POLL)
    advance(total)
