"""What time it is, by the server's clock where ours is far off.

The server refuses events that are more than 10 minutes ahead of its clock, and a switchback changes its arm by the
hour: a host whose clock is wrong by more than `TOLERATED` follows the `Date` of the server's replies instead.
"""

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime

from .trouble import log

TOLERATED = 5.0  # seconds; `Date` has whole ones, and a reply is some time under way


class Clock:
    def __init__(self, seconds: Callable[[], float] = time.time) -> None:
        self._seconds = seconds
        self.behind = 0.0  # seconds by which the host is behind the server, 0 where that is tolerated

    def now(self) -> datetime:
        return datetime.fromtimestamp(self._seconds(), UTC) + timedelta(seconds=self.behind)

    def hear(self, date: str | None, took: float = 0.0) -> None:
        """The `Date` of a reply that has just come, `took` seconds after it was asked for."""
        try:
            told = parsedate_to_datetime(date or "").timestamp()
        except ValueError:
            return
        behind = told - self._seconds()  # of a right clock between -took and 0
        behind = behind if not -TOLERATED - took <= behind <= TOLERATED else 0.0
        if abs(behind - self.behind) > TOLERATED + took:
            log.warning("the clock of this host is %.0f s behind the server's; events follow the server's", behind)
            self.behind = behind
