"""What the log is told: the same trouble once a minute, however often it comes."""

import logging
import time

SILENCE = 60.0  # seconds

log = logging.getLogger("firstlight_client")


class Trouble:
    """Of one part of the client."""

    def __init__(self) -> None:
        self._said_at = float("-inf")

    def say(self, words: str, *values: object, exc_info: bool = False) -> None:
        if time.monotonic() - self._said_at > SILENCE:
            self._said_at = time.monotonic()
            log.warning(words, *values, exc_info=exc_info)
