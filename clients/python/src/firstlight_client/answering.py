"""From the outcome of a call to an answer: the server's own, or what stands in for it."""

from collections.abc import Callable, Sequence

import msgspec

from . import answers
from .answers import Answer, Undecodable
from .calls import Outcome
from .errors import FirstlightError, Refused, Unavailable
from .questions import Question
from .remembered import Memory, Remembered
from .retrying import is_worth_another_try
from .transport import Failure, Reply
from .trouble import Trouble


class Answering:
    """`decide` makes a decision here, for the reason it is given; None where no rules are held."""

    def __init__(self, memory: Memory, decide: Callable[[Question, str], Answer] | None, *, raises: bool) -> None:
        self._memory, self._decide, self._raises = memory, decide, raises
        self._trouble = Trouble()

    def one(self, question: Question, outcome: Outcome) -> Answer:
        if isinstance(outcome, Reply) and outcome.status == 200:
            return self._read(question, outcome.body)
        return self._instead(question, outcome)

    def several(self, questions: Sequence[Question], outcome: Outcome) -> list[Answer]:
        if isinstance(outcome, Reply) and outcome.status == 200:
            try:
                results = answers.decode_batch(outcome.body, len(questions))
                return [self._of_batch(*pair) for pair in zip(questions, results, strict=True)]
            except Undecodable as error:
                outcome = Failure(str(error))
        return [self._instead(question, outcome) for question in questions]

    def _of_batch(self, question: Question, raw: msgspec.Raw) -> Answer:
        """An answer or a problem."""
        if status := answers.problem(raw).status:
            return self._instead(question, Reply(status, {}, bytes(raw)))
        return self._read(question, bytes(raw))

    def _read(self, question: Question, body: bytes) -> Answer:
        try:
            answer = answers.decode(body, question.unit)
        except Undecodable as error:
            return self._instead(question, Failure(str(error)))
        self._memory.keep(question.key(), body)
        return answer

    def _instead(self, question: Question, outcome: Outcome) -> Answer:
        """The last good answer, else a decision made here, else everybody's defaults; or raises, if asked to."""
        error = refusal(outcome)
        if self._raises:
            raise error
        reason = str(error)
        self._trouble.say("falling back: %s", reason)
        if known := self._recalled(question):
            return answers.remembered(known.body, question.unit, reason, known.age)
        if self._decide:
            return self._decide(question, reason)
        return answers.defaults(question.trace_id, question.scenario, question.unit, reason)

    def _recalled(self, question: Question) -> Remembered | None:
        try:
            return self._memory.recall(question.key())
        except (TypeError, ValueError):  # no JSON, so never answered
            return None


def refusal(outcome: Outcome) -> FirstlightError:
    """Why an outcome is no answer."""
    if isinstance(outcome, Failure):
        return Unavailable(outcome.reason)
    detail = answers.problem(outcome.body).said()
    if is_worth_another_try(outcome):
        return Unavailable(f"{outcome.status}: {detail}")
    return Refused(outcome.status, detail)
