"""Whether and when to ask again. Pure, but for chance.

Full jitter: each pause is uniform on [0, first · 2^failures], so that clients that failed together do not come back
together.
Source: Brooker (2015), “Exponential Backoff And Jitter”, AWS Architecture Blog.
"""

import random
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import NamedTuple

from .transport import Failure, Reply

AGAIN = frozenset({408, 429, 500, 502, 503, 504})  # of these statuses the next try may end otherwise


class Patience(NamedTuple):
    """How long a caller waits, all tries together."""

    deadline: float = 0.3  # seconds
    tries: int = 3
    first: float = 0.02  # seconds; upper end of the first pause
    longest: float = 0.2


def is_worth_another_try(outcome: Reply | Failure) -> bool:
    return isinstance(outcome, Failure) or outcome.status in AGAIN


def pause(outcome: Reply | Failure, tries: int, left: float, patience: Patience) -> float | None:
    """Seconds until the next try after so many; None to be content with what there is."""
    if tries >= patience.tries or not is_worth_another_try(outcome):
        return None
    told = retry_after(outcome) if isinstance(outcome, Reply) else None
    waits = told if told is not None else jitter(tries - 1, patience.first, patience.longest)
    return waits if waits < left else None


def jitter(failures: int, first: float, longest: float) -> float:
    """`failures` before this one."""
    return random.uniform(0, min(longest, first * 2.0 ** min(failures, 60)))


def retry_after(reply: Reply, now: datetime | None = None) -> float | None:
    """Seconds that the server asks for, as a number or as a date; None where it asks for none."""
    text = reply.headers.get("retry-after", "").strip()
    if text.isascii() and text.isdigit():
        return float(text[:9])
    try:
        at = parsedate_to_datetime(text)
    except ValueError:
        return None
    return max(0.0, (at - (now or datetime.now(UTC))).total_seconds()) if at.tzinfo else None
