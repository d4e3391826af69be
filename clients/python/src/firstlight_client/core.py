"""What the client for threads and the one for asyncio share: all but the way of a question over the network."""

import os
import threading
import weakref
from collections.abc import Callable, Mapping, Sequence
from hashlib import sha256
from multiprocessing.util import Finalize
from pathlib import Path
from typing import Any, Unpack

from . import calls, events, holding, many, questions, sending, telemetry
from .answering import Answering
from .answers import Answer
from .assignment.rules import NO_WISHES, Wishes
from .breaker import Breaker
from .buffer import Buffer
from .calls import Course, Outcome, Request
from .clock import Clock
from .deciding import Deciding
from .delivery import Delivery
from .errors import FirstlightError
from .events import Rejected, Said
from .holding import Holding, Shelf
from .options import Options
from .questions import Local, Question
from .remembered import Memory
from .reports import Reports
from .spill import Spill
from .tally import Counts, Tally
from .telling import Telling
from .transport import Address, Reply, Transport
from .trouble import log

ALLOCATIONS = "/api/v1/allocations"
BATCH = f"{ALLOCATIONS}/batch"
JSON = {"Content-Type": "application/json"}
MOST_REQUESTS = 1_000  # in a batch


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
        self._address, home = Address(url.rstrip("/"), key), Path(folder) if folder is not None else None
        self._clock, self._reports = Clock(), Reports(telemetry.found(), self._address.url)
        self._transport = Transport(self._address, given.connections)
        self._breaker, self._memory = Breaker(given.failures), Memory(given.answers, given.answers_for)
        self._delivery = Delivery(
            self._send_events,
            Buffer(given.buffer_events, given.buffer_bytes),
            Spill(home / "events", given.spill_bytes, fsync=given.fsync) if home else None,
            Tally(on_rejected or _log_rejected, self._reports.count_events),
        )
        self._telling = Telling(self._clock, self._delivery)
        shelf = Shelf(home / f"rules-{_name(self._address)}") if home else None
        self._holding = Holding(self._ask_for_rules, shelf, given.refresh) if local else None
        self._deciding = Deciding(self._holding, self._telling) if self._holding else None
        decide = self._decided if local else None
        self._answering = Answering(self._memory, decide, raises=given.raises)
        self._beginning = threading.Lock()
        self._end: Finalize | None = None
        self._begin()
        _clients.add(self)

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
        if self._deciding is None:
            raise _no_rules()
        self._begin()
        wishes = Wishes(forced or {}, sticky or {}) if forced or sticky else NO_WISHES
        trace = trace_id or questions.trace_id()
        asked = Local(unit, scenario, trace, self._clock.now(), attributes or {}, wishes)
        return self._deciding.answer(asked, expose=expose)

    def variants(
        self,
        experiment: str,
        scenario: str,
        ids: Sequence[str],
        attributes: Sequence[Mapping[str, Any]] | None = None,
    ) -> list[str | None]:
        """The arm of each id in one experiment, None where it takes no part; for jobs, so nothing is told of it.

        Raises FirstlightError where there are no rules, or none of this experiment.
        """
        if self._holding is None or self._holding.rules is None:
            raise _no_rules()
        return many.variants(self._holding.rules, experiment, scenario, ids, attributes)

    def _wait(self, timeout: float) -> bool:
        if self._holding is None:
            raise _no_rules()
        self._begin()
        return self._holding.wait(timeout)

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
        self._begin()
        told: Said = {**events.shown(answer), **said} if answer else said
        self._telling.track(type, (answer.unit if answer and unit is None else unit) or {}, told)

    def _flush(self, timeout: float) -> bool:
        self._begin()
        return self._delivery.flush(timeout)

    @property
    def counts(self) -> Counts:
        return self._delivery.counts

    def _course(self, path: str, body: Callable[[], bytes], timeout: float | None) -> Course:
        """The way of a question, within the span that is current."""
        given = self._options.batch_patience if path == BATCH else self._options.patience
        patience = given if timeout is None else given._replace(deadline=timeout)
        try:
            request = Request("POST", path, body(), {**JSON, **self._reports.headers()})
        except Exception as error:  # whatever somebody put into it: a page view goes on
            return calls.failed(f"the question is no JSON: {error}")
        return calls.course(request, patience, self._breaker)

    def _heard(self, outcome: Outcome) -> Outcome:
        if isinstance(outcome, Reply):
            self._clock.hear(outcome.headers.get("date"), outcome.took)
        return outcome

    def _decided(self, question: Question, reason: str) -> Answer:
        """Here, for want of the server's answer. A preview link is the server's to read."""
        assert self._deciding
        wishes = Wishes(sticky=question.sticky) if question.sticky else NO_WISHES
        now = self._clock.now()
        asked = Local(question.unit, question.scenario, question.trace_id, now, question.attributes, wishes)
        return self._deciding.answer(asked, reason=reason, expose=question.log)

    def _send_events(self, body: bytes, within: float) -> Outcome:
        with self._reports.of("firstlight.events") as report:
            headers = {**sending.HEADERS, **self._reports.headers()}
            outcome = self._transport.ask("POST", sending.PATH, body, headers, within=within)
            return report.heard(self._heard(outcome))

    def _ask_for_rules(self, tag: str, within: float) -> Outcome:
        with self._reports.of("firstlight.rules") as report:
            headers = {**({"If-None-Match": tag} if tag else {}), **self._reports.headers()}
            return report.heard(self._heard(self._transport.ask("GET", holding.PATH, headers=headers, within=within)))

    def _begin(self) -> None:
        """The threads of this process and its last words; anew in a forked child, at its first use."""
        if self._end is None:
            with self._beginning:
                self._start()

    def _start(self) -> None:
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
        """In a child: nothing of the parent's threads, locks and sockets is of use; its rules are, and its clock."""
        self._beginning, self._end = threading.Lock(), None
        self._transport.renew()
        self._breaker.forget()
        self._memory.forget()
        self._delivery.after_fork()
        if self._holding and self._deciding:
            self._holding.after_fork()
            self._deciding.after_fork()


def _no_rules() -> FirstlightError:
    return FirstlightError("This client holds no rules: make it with local=True, and wait_until_ready().")


def _name(address: Address) -> str:
    """Of a file: another server or key has other rules; the secret is no part of it."""
    return sha256(f"{address.url} {address.key.rsplit('_', 1)[0]}".encode()).hexdigest()[:16]


def _log_rejected(rejected: Rejected) -> None:
    log.error("event rejected: %s %s %s", rejected.pointer, rejected.detail, rejected.event.get("type"))


_clients: "weakref.WeakSet[Core]" = weakref.WeakSet()


def _after_fork() -> None:
    for client in list(_clients):
        client._after_fork()


os.register_at_fork(after_in_child=_after_fork)
