"""The rules held here: fetched, checked, swapped in one step, kept on disk as the last good ones.

What is held is whole and understood, or it is the one before: a reply that is cut short, is not what its tag says, or
says more than this release understands changes nothing.
"""

import os
import random
import tempfile
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from .answers import problem
from .assignment import published
from .assignment.index import Published
from .transport import Failure, Reply
from .trouble import Trouble, log

PATH = "/api/v1/rules"
EVERY = 5.0  # seconds between two looks
PATIENCE = 10.0  # seconds for one look

Ask = Callable[[str, float], Reply | Failure]  # with the tag that is held, within seconds


@dataclass(frozen=True, slots=True)
class Rules:
    tag: str  # of the reply
    snapshot: int | None
    published: Published = field(repr=False)
    scenarios: frozenset[str]
    body: bytes = field(repr=False)


class Unusable(ValueError):
    """A reply without rules that may be used, in words."""


def renewed(before: Rules | None, reply: Reply | Failure) -> Rules:
    """What is held from now on. Raises `Unusable`. Pure."""
    if isinstance(reply, Failure):
        raise Unusable(reply.reason)
    snapshot = _number(reply.headers.get("firstlight-snapshot", ""))
    if reply.status == 304 and before:
        return Rules(before.tag, snapshot, before.published, before.scenarios, before.body)
    if reply.status != 200:
        raise Unusable(f"{reply.status} {problem(reply.body).said()}".strip())
    return read(reply.headers.get("etag", ""), snapshot, reply.body)


def read(tag: str, snapshot: int | None, body: bytes) -> Rules:
    if published.digest(body) not in tag:
        raise Unusable("the rules are not what their tag says")
    try:
        told = published.decode(body)
        return Rules(tag, snapshot, told.published(), frozenset(told.scenarios), body)
    except Exception as error:  # a rule that cannot be made ready is as unusable as one that cannot be read
        raise Unusable(f"{type(error).__name__}: {error}") from error


def _number(text: str) -> int | None:
    return int(text) if text.isascii() and text.isdigit() else None


class Shelf:
    """The last good rules in a file: a line with tag and number, then the document."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def put(self, rules: Rules) -> None:
        """Whole or not at all. Raises OSError."""
        self._path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=self._path.parent, prefix=".rules-")
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(f"{rules.tag} {'' if rules.snapshot is None else rules.snapshot}\n".encode() + rules.body)
            Path(name).replace(self._path)
        except OSError:
            Path(name).unlink(missing_ok=True)
            raise

    def confirm(self) -> bool:
        """They were the server's a moment ago; whether they are there. Raises OSError."""
        try:
            os.utime(self._path)
        except FileNotFoundError:
            return False
        return True

    def take(self) -> tuple[Rules, float]:
        """With their age in seconds. Raises OSError or `Unusable`."""
        first, _, body = self._path.read_bytes().partition(b"\n")
        tag, _, number = first.decode(errors="replace").partition(" ")
        age = max(0.0, time.time() - self._path.stat().st_mtime)
        return read(tag, _number(number), body), age


class Holding:
    """What is held, and the thread that renews it."""

    def __init__(self, ask: Ask, shelf: Shelf | None, every: float = EVERY) -> None:
        self._ask, self._shelf, self._every = ask, shelf, every
        self.rules: Rules | None = None
        self.trouble = "no rules yet"
        self._good_at = float("-inf")  # of time.monotonic: when the server last said that these are the rules
        self._trouble = Trouble()
        self._start()
        self._take_from_shelf()

    def _start(self) -> None:
        self._looking, self._starting = threading.Lock(), threading.Lock()
        self._stopped, self._ready = threading.Event(), threading.Event()
        self._thread: threading.Thread | None = None

    @property
    def age(self) -> float:
        return time.monotonic() - self._good_at

    def start(self) -> None:
        with self._starting:
            if self._thread is None and not self._stopped.is_set():
                self._thread = threading.Thread(target=self._run, name="firstlight-rules", daemon=True)
                self._thread.start()

    def wait(self, timeout: float) -> bool:
        """Whether there are rules; waits for the first ones."""
        self.start()
        return self.rules is not None or self._ready.wait(timeout)

    def look(self) -> None:
        """Now, in this thread; never raises."""
        with self._looking:
            before = self.rules
            try:
                self.rules = renewed(before, self._ask(before.tag if before else "", PATIENCE))
            except Unusable as error:
                self.trouble = str(error)
                self._trouble.say("rules not renewed: %s", error)
                return
            self._good_at, self.trouble = time.monotonic(), ""
            self._ready.set()
            self._put_on_shelf(before, self.rules)

    def stop(self) -> None:
        self._stopped.set()
        if self._thread is not None:
            self._thread.join(1)

    def after_fork(self) -> None:
        """A child holds what its parent held, and looks by itself from its first question on."""
        held = self._ready.is_set()
        self._start()
        if held:
            self._ready.set()

    def _run(self) -> None:
        while not self._stopped.is_set():
            try:
                self.look()
            except Exception:  # the last good rules stay, and the next look may succeed
                self._trouble.say("rules not renewed", exc_info=True)
            self._stopped.wait(self._every * random.uniform(0.8, 1.2))

    def _take_from_shelf(self) -> None:
        if self._shelf is None:
            return
        try:
            self.rules, age = self._shelf.take()
        except FileNotFoundError:
            return
        except (OSError, Unusable) as error:
            log.warning("rules kept on disk are not used: %s", error)
            return
        self._good_at, self.trouble = time.monotonic() - age, "kept on disk; the server was not asked yet"
        self._ready.set()

    def _put_on_shelf(self, before: Rules | None, rules: Rules) -> None:
        if self._shelf is None:
            return
        try:
            is_there = before is not None and before.tag == rules.tag and self._shelf.confirm()
            if not is_there:
                self._shelf.put(rules)
        except OSError as error:
            self._trouble.say("rules not kept on disk: %s", error)
