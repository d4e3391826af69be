"""Decisions made here, by the server's own evaluator over the rules that are held. Pure, but for what was exposed."""

import threading
from collections.abc import Hashable, Iterator
from typing import Any

import msgspec

from .answers import Answer, Met
from .assignment import answers as assigning
from .holding import Rules
from .questions import Local

HOUR = 3600  # seconds
MOST_SEEN = 100_000


def decide(rules: Rules, asked: Local, *, age: float, reason: str) -> Answer:
    """As /api/v1/allocations answers, but for journey stage, objectives and discovery, which only the server knows."""
    told: dict[str, Any] = {}
    assigning.decide(rules.published, asked, told)
    whole = {
        **{name: value for name, value in told.items() if name[0] != "_"},
        "trace_id": asked.trace_id,
        "scenario": asked.scenario,
        "snapshot": rules.snapshot,
        "unit": asked.unit,
        "source": "local",
        "reason": reason,
        "age": age,
    }
    return msgspec.convert(whole, Answer)


class Exposed:
    """Who met what in this hour, so that a page view tells only what an analysis does not know yet.

    Of a switchback every view is told: what counts there is who came in which part of a window.
    """

    def __init__(self, most: int = MOST_SEEN) -> None:
        self._most = most
        self._lock = threading.Lock()
        self._hour, self._seen = 0, set[int]()

    def new(self, rules: Rules, asked: Local, answer: Answer) -> Iterator[Met]:
        hour = int(asked.at.timestamp()) // HOUR
        unit = tuple(sorted(asked.unit.items()))
        for met in answer.experiments:
            if met.forced:
                continue
            rule = rules.published.rules.get(met.experiment)
            if (rule and rule.type == "switchback") or self._is_first(hour, (unit, asked.scenario, met)):
                yield met

    def _is_first(self, hour: int, what: Hashable) -> bool:
        key = hash(what)
        with self._lock:
            if hour != self._hour or len(self._seen) >= self._most:
                self._hour, self._seen = hour, set()
            if key in self._seen:
                return False
            self._seen.add(key)
            return True


def unknown(scenario: str) -> str:
    return f"There is no scenario “{scenario}”, or the key is not for it."
