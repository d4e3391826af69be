"""Events as they are tracked: made once, encoded at once, handed on."""

from collections.abc import Iterable, Mapping

from . import events
from .answers import Answer, Met
from .clock import Clock
from .delivery import Delivery
from .events import Rejected, Said
from .questions import Local, event_id


class Telling:
    """Neither waits nor raises: what is no event is told as rejected."""

    def __init__(self, clock: Clock, delivery: Delivery) -> None:
        self._clock, self._delivery = clock, delivery

    def track(self, kind: str, unit: Mapping[str, str], said: Said) -> None:
        if line := self._line(kind, unit, said):
            self._delivery.add([line])

    def expose(self, asked: Local, answer: Answer, met: Iterable[Met]) -> None:
        """That the unit has met these arms."""
        told = (events.exposure(answer, one, asked.attributes) for one in met)
        lines = [line for said in told if (line := self._line("exposure", asked.unit, said))]
        if lines:
            self._delivery.add(lines)

    def _line(self, kind: str, unit: Mapping[str, str], said: Said) -> bytes | None:
        own = event_id()  # made once: a second try is the same event
        try:
            return events.line(own, kind, self._clock.now(), unit, said)
        except Exception as error:  # whatever somebody put into it: a page view goes on
            self._delivery.refuse(Rejected({"event_id": own, "type": kind}, "", f"no JSON: {error}"))
            return None
