"""Who has to come back later: a key past its rate (429), and anybody while requests wait too long already (503).

What is known of the wait is told by `pulse`; here it becomes the share of requests that are refused at once, so that
the rest is answered in time. Probes are never refused.
"""

from random import random
from threading import BoundedSemaphore

from firstlight.accounts.keys import HeldKey
from firstlight.serving import meters, rates
from firstlight.serving.wire import Refusal

LONGEST = 0.25  # seconds that a request may wait to be begun; past it more and more are refused
RISE, FALL = 0.2, 0.7  # the share goes up by this for each look past the bound, and down to this part of it otherwise
MOST = 0.9  # share refused: some must come through to tell how long they wait
RETRY_AFTER = (("Retry-After", "1"),)


class Shedding:
    """The share of requests that is refused, of one process."""

    def __init__(self) -> None:
        self.share = 0.0

    def learn(self, waited: float) -> None:
        """From how long a request waited, in seconds."""
        if waited > LONGEST:
            self.share = min(MOST, self.share + RISE)
        else:
            self.share = self.share * FALL if self.share > 0.01 else 0.0


class Room:
    """So many at once, and who comes then is refused: who waits for a database must not take every thread."""

    def __init__(self, most: int) -> None:
        self._places = BoundedSemaphore(most)

    def __enter__(self) -> None:
        if not self._places.acquire(blocking=False):
            meters.shed.inc()
            raise Refusal(503, "Too many requests are under way. Come back in a second.", headers=RETRY_AFTER)

    def __exit__(self, *_: object) -> None:
        self._places.release()


shedding = Shedding()
# Of the 48 threads of a web process (demo.services); what is answered from memory always finds one.
django, events = Room(16), Room(24)


def shed() -> None:
    """Raises where requests wait too long; called first, before anything is spent on this one."""
    if shedding.share and random() < shedding.share:  # noqa: S311 - nobody gains by guessing it
        meters.shed.inc()
        raise Refusal(503, "Too many requests are waiting. Come back in a second.", headers=RETRY_AFTER)


def admit(key: HeldKey) -> None:
    """Raises where the key asks more than it may."""
    if key.rate is None:
        return
    if seconds := rates.wait(key):
        meters.limited(key.public_id).inc()
        said = f"This key may ask {key.rate} times a second."
        raise Refusal(429, said, headers=(("Retry-After", str(seconds)),))
