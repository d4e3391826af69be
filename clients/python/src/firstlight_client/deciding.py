"""Decisions made here, by the server's own evaluator over the rules that are held; told as exposures."""

from typing import Any

import msgspec

from . import answers
from .answers import Answer
from .assignment import answers as assigning
from .exposed import Exposed
from .holding import Holding, Rules
from .questions import Local
from .telling import Telling
from .trouble import log


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


class Deciding:
    def __init__(self, holding: Holding, telling: Telling) -> None:
        self._holding, self._telling = holding, telling
        self._exposed = Exposed()

    def answer(self, asked: Local, *, reason: str = "", expose: bool = True) -> Answer:
        """`reason`: why the server's answer is not there, if it was asked. Never raises."""
        rules = self._holding.rules
        if rules is None:
            return _nothing(asked, reason or self._holding.trouble)
        if asked.scenario not in rules.scenarios:
            return _nothing(asked, reason or f"There is no scenario “{asked.scenario}”, or the key is not for it.")
        try:
            answer = decide(rules, asked, age=self._holding.age, reason=reason or self._holding.trouble)
            new = self._exposed.new(rules, asked, answer) if expose else []
        except Exception as error:  # ids or attributes that are nothing of JSON: a page view goes on
            log.exception("no decision")
            return _nothing(asked, f"{type(error).__name__}: {error}")
        self._telling.expose(asked, answer, new)
        return answer

    def after_fork(self) -> None:
        self._exposed = Exposed()


def _nothing(asked: Local, reason: str) -> Answer:
    return answers.defaults(asked.trace_id, asked.scenario, asked.unit, reason)
