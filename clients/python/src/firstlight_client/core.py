"""What the client for threads and the one for asyncio share: all but the way of a question over the network."""

import logging
import os
import time
import weakref
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from hashlib import sha256
from multiprocessing.util import Finalize
from pathlib import Path
from typing import Any, Unpack
from uuid import uuid4

from . import answers, calls, events, local, sending, telemetry
from .answers import Answer, Undecodable
from .assignment.rules import NO_WISHES, Wishes
from .breaker import Breaker
from .buffer import Buffer
from .calls import Course, Outcome, Request
from .clock import Clock
from .delivery import Counts, Delivery
from .errors import FirstlightError, Refused, Unavailable
from .events import Rejected, Said
from .holding import PATH as RULES
from .holding import Holding, Shelf
from .options import Options
from .questions import Local, Question, trace_id
from .remembered import Memory, Remembered
from .retrying import is_worth_another_try
from .spill import Spill
from .transport import Address, Failure, Reply, Transport

ALLOCATIONS = "/api/v1/allocations"
BATCH = f"{ALLOCATIONS}/batch"
JSON = {"Content-Type": "application/json"}
MOST_REQUESTS = 1_000  # in a batch
SILENCE = 60.0  # seconds between two log lines about the same trouble

log = logging.getLogger("firstlight_client")


class Core:
    """Safe for threads and forks. Nothing here waits for the network unless it says so."""

    def __init__(
        self,
        url: str,
        key: str,
        *,
        folder: str | os.PathLike[str] | None = None,
        local: bool = False,
        on_rejected: Callable[[Rejected], None] | None = None,
        options: Options | None = None,
    ) -> None:
        """`folder` keeps events and the last good rules beyond the process; processes may share it.

        With `local` the rules are held here, for `assign`, and to fall back on. `on_rejected` is called by a thread of
        ours with each event that the server will never take.
        """
        self._options = given = options or Options()
        self._address = Address(url.rstrip("/"), key)
        self._clock, self._telemetry = Clock(), telemetry.found()
        self._transport = Transport(self._address, given.connections)
        self._breaker = Breaker(given.failures)
        self._memory = Memory(given.answers, given.answers_for)
        home = Path(folder) if folder is not None else None
        self._delivery = Delivery(
            self._send_events,
            Buffer(given.buffer_events, given.buffer_bytes),
            Spill(home / "events", given.spill_bytes, fsync=given.fsync) if home else None,
            on_rejected or _log_rejected,
            count=lambda outcome, n: self._telemetry.count("events", n, {"outcome": outcome}),
        )
        shelf = Shelf(home / f"rules-{_name(self._address)}") if home else None
        self._holding = Holding(self._ask_for_rules, shelf, given.refresh) if local else None
        self._exposed = _exposed()
        self._said_at = float("-inf")
        self._end: Finalize | None = None
        self._begin()
        _clients.add(self)

    # --- decided here ---
    def assign(
        self,
        unit: Mapping[str, str],
        scenario: str,
        attributes: Mapping[str, Any] | None = None,
        *,
        trace_id: str = "",
        sticky: Mapping[str, Any] | None = None,
        forced: Mapping[str, str] | None = None,
        expose: bool = True,
    ) -> Answer:
        """Which arms this unit sees, by the rules held here; no network. The answer is told by exposure events.

        `sticky`: what the last answer gave. `forced`: {experiment: arm} for a tester; who asks vouches for it.
        `expose=False`: say nothing, as when the page is not shown. Without discovery, journey stage and objectives.
        """
        wishes = Wishes(forced or {}, sticky or {}) if forced or sticky else NO_WISHES
        return self._assigned(self._asked(unit, scenario, attributes, trace_id, wishes), "", expose)

    def wait_until_ready(self, timeout: float = 10.0) -> bool:
        """Whether there are rules for `assign`; waits for the first ones."""
        self._begin()
        return self._held().wait(timeout)

    # --- events ---
    def track(
        self,
        type: str,
        unit: Mapping[str, str] | None = None,
        *,
        answer: Answer | None = None,
        **said: Unpack[Said],
    ) -> None:
        """Tell what a unit saw or did. Neither waits nor raises: what cannot be sent is told to `on_rejected`.

        `answer`: unit, scenario and trace id are those of this answer.
        """
        told: Said = {**events.shown(answer), **said} if answer else said
        self._track(type, (answer.unit if answer and unit is None else unit) or {}, told)

    def flush(self, timeout: float = 5.0) -> bool:
        """Whether the server has every event tracked so far; waits for it."""
        self._begin()
        return self._delivery.flush(timeout)

    @property
    def counts(self) -> Counts:
        return self._delivery.counts

    # --- shared by both ways of asking ---
    def _course(self, path: str, body: Callable[[], bytes], timeout: float | None) -> Course:
        """The way of a question, within the span that is current."""
        given = self._options.batch_patience if path == BATCH else self._options.patience
        patience = given if timeout is None else given._replace(deadline=timeout)
        try:
            request = Request("POST", path, body(), {**JSON, **self._telemetry.headers()})
        except Exception as error:  # whatever somebody put into it: a page view goes on
            return calls.failed(f"the question is no JSON: {error}")
        return calls.course(request, patience, self._breaker)

    @contextmanager
    def _span(self, name: str, scenario: str | None = None) -> Iterator["_Told"]:
        """One call as a span and in the histogram."""
        began, told = time.monotonic(), _Told()
        attributes = {"server.address": self._address.url}
        with self._telemetry.span(name, attributes | ({"firstlight.scenario": scenario} if scenario else {})) as span:
            yield told
            for key, value in told.attributes().items():
                span.set_attribute(key, value)
        self._telemetry.took(time.monotonic() - began, {"operation": name, **told.outcome()})

    def _answered(self, question: Question, outcome: Outcome) -> Answer:
        """The server's own answer, or what stands in for it."""
        if isinstance(outcome, Reply):
            self._clock.hear(outcome.headers.get("date"))
            if outcome.status == 200:
                return self._read(question, outcome.body)
        return self._instead(question, outcome)

    def _answered_batch(self, questions: Sequence[Question], outcome: Outcome) -> list[Answer]:
        if isinstance(outcome, Reply) and outcome.status == 200:
            try:
                results = answers.decode_batch(outcome.body)
            except Undecodable as error:
                outcome = Failure(str(error))
            else:
                if len(results) == len(questions):
                    return [self._answered_one(*pair) for pair in zip(questions, results, strict=True)]
                outcome = Failure(f"{len(results)} answers to {len(questions)} questions")
        return [self._instead(question, outcome) for question in questions]

    def _answered_one(self, question: Question, raw: Any) -> Answer:
        """Of a batch: an answer or a problem."""
        said = answers.problem(raw)
        return self._instead(question, Reply(said.status, {}, bytes(raw))) if said.status else self._read(question, raw)

    def _read(self, question: Question, body: Any) -> Answer:
        try:
            answer = answers.decode(body, question.unit)
        except Undecodable as error:
            return self._instead(question, Failure(str(error)))
        self._memory.keep(question.key(), bytes(body))
        return answer

    def _instead(self, question: Question, outcome: Outcome) -> Answer:
        """The last good answer, else a decision made here, else everybody's defaults; or raises, if asked to."""
        error = _error(outcome)
        if self._options.raises:
            raise error
        reason = str(error)
        self._say("falling back: %s", reason)
        if known := self._recalled(question):
            return answers.remembered(known.body, question.unit, reason, known.age)
        wishes = Wishes(sticky=question.sticky) if question.sticky else NO_WISHES  # a link is the server's to read
        asked = self._asked(question.unit, question.scenario, question.attributes, question.trace_id, wishes)
        if self._holding:
            return self._assigned(asked, reason, question.log)
        return answers.defaults(asked.trace_id, asked.scenario, asked.unit, reason)

    def _recalled(self, question: Question) -> Remembered | None:
        try:
            return self._memory.recall(question.key())
        except (TypeError, ValueError):  # no JSON, so never answered
            return None

    def _asked(
        self, unit: Mapping[str, str], scenario: str, attributes: Mapping[str, Any] | None, trace: str, wishes: Wishes
    ) -> Local:
        return Local(unit, scenario, trace or trace_id(), self._clock.now(), attributes or {}, wishes)

    def _assigned(self, asked: Local, reason: str, expose: bool) -> Answer:
        self._begin()
        holding = self._held()
        rules = holding.rules
        if rules is None:
            return answers.defaults(asked.trace_id, asked.scenario, asked.unit, reason or holding.trouble)
        if asked.scenario not in rules.scenarios:
            why = local.unknown(asked.scenario)
            return answers.defaults(asked.trace_id, asked.scenario, asked.unit, reason or why)
        try:
            answer = local.decide(rules, asked, age=holding.age, reason=reason or holding.trouble)
        except Exception as error:  # ids or attributes that are nothing of JSON
            log.exception("no decision")
            return answers.defaults(asked.trace_id, asked.scenario, asked.unit, f"{type(error).__name__}: {error}")
        if expose:
            for met in self._exposed.new(rules, asked, answer):
                self._track("exposure", asked.unit, events.exposure(answer, met, asked.attributes))
        return answer

    def _held(self) -> Holding:
        if self._holding is None:
            raise FirstlightError("This client holds no rules: make it with local=True.")
        return self._holding

    def _track(self, kind: str, unit: Mapping[str, str], said: Said) -> None:
        self._begin()
        event_id, at = str(uuid4()), self._clock.now()  # made once: a second try is the same event
        try:
            line = events.line(event_id, kind, at, unit, said)
        except Exception as error:  # whatever somebody put into it: a page view goes on
            self._delivery.refuse(Rejected({"event_id": event_id, "type": kind}, "", f"no JSON: {error}"))
            return
        self._delivery.add(line)

    # --- called by threads of ours ---
    def _send_events(self, body: bytes, within: float) -> Reply | Failure:
        with self._span("firstlight.events") as told:
            headers = {**sending.HEADERS, **self._telemetry.headers()}
            return told.heard(self._heard("POST", sending.PATH, body, headers, within))

    def _ask_for_rules(self, tag: str, within: float) -> Reply | Failure:
        with self._span("firstlight.rules") as told:
            headers = {**({"If-None-Match": tag} if tag else {}), **self._telemetry.headers()}
            return told.heard(self._heard("GET", RULES, b"", headers, within))

    def _heard(self, method: str, path: str, body: bytes, headers: dict[str, str], within: float) -> Reply | Failure:
        outcome = self._transport.ask(method, path, body, headers, within=within)
        if isinstance(outcome, Reply):
            self._clock.hear(outcome.headers.get("date"))
        return outcome

    # --- the process ---
    def _begin(self) -> None:
        """The threads of this process and its last words; anew in a forked child, at its first use."""
        if self._end is None:
            # Not `atexit`: a child of multiprocessing ends without it.
            self._end = Finalize(None, self._finish, args=(self._options.last_words,), exitpriority=10)
            self._delivery.start()
            if self._holding:
                self._holding.start()

    def _finish(self, timeout: float) -> None:
        if self._holding:
            self._holding.stop()
        self._delivery.close(timeout)
        self._transport.close()

    def _after_fork(self) -> None:
        """In a child: nothing of the parent's threads, locks and sockets is of use, its rules and answers are."""
        self._end = None
        self._transport.renew()
        self._breaker = Breaker(self._options.failures)
        self._memory = Memory(self._options.answers, self._options.answers_for)
        self._exposed = _exposed()
        self._delivery.after_fork()
        if self._holding:
            self._holding.after_fork()

    def _say(self, words: str, *values: object) -> None:
        if time.monotonic() - self._said_at > SILENCE:
            self._said_at = time.monotonic()
            log.warning(words, *values)


class _Told:
    """What a span says at its end."""

    def __init__(self) -> None:
        self.answer: Answer | None = None
        self.status: int | None = None
        self.reason = ""

    def heard(self, outcome: Outcome) -> Outcome:
        if isinstance(outcome, Reply):
            self.status = outcome.status
        else:
            self.reason = outcome.reason
        return outcome

    def answered(self, answer: Answer) -> Answer:
        self.answer, self.reason = answer, answer.reason
        return answer

    def outcome(self) -> dict[str, Any]:
        """Few values each, for a histogram."""
        source = {"firstlight.source": self.answer.source} if self.answer else {}
        return source | ({"http.response.status_code": self.status} if self.status else {})

    def attributes(self) -> dict[str, Any]:
        trace = {"firstlight.trace_id": self.answer.trace_id} if self.answer else {}
        return self.outcome() | trace | ({"firstlight.reason": self.reason} if self.reason else {})


def _error(outcome: Outcome) -> FirstlightError:
    if isinstance(outcome, Failure):
        return Unavailable(outcome.reason)
    detail = answers.problem(outcome.body).said()
    if is_worth_another_try(outcome):
        return Unavailable(f"{outcome.status}: {detail}")
    return Refused(outcome.status, detail)


def _name(address: Address) -> str:
    """Of a file: another server or key has other rules; the secret is no part of it."""
    return sha256(f"{address.url} {address.key.rsplit('_', 1)[0]}".encode()).hexdigest()[:16]


def _exposed() -> local.Exposed:
    return local.Exposed()


def _log_rejected(rejected: Rejected) -> None:
    log.error("event rejected: %s %s %s", rejected.pointer, rejected.detail, rejected.event.get("type"))


_clients: "weakref.WeakSet[Core]" = weakref.WeakSet()


def _after_fork() -> None:
    for client in list(_clients):
        client._after_fork()


os.register_at_fork(after_in_child=_after_fork)
