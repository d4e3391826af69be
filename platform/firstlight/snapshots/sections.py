"""What a section of the snapshot is, and how the sections that the settings list are found.

A section is a module. Off the path it is *compiled* from the ORM into parts, one per experiment, campaign or
scenario, as bytes; a web process *loads* only the parts whose bytes changed and *gathers* them into the state
that the section's `decide` reads. `load`, `gather`, `decide` and `complete` are pure.
"""

from collections.abc import Callable, Mapping
from datetime import datetime
from functools import cache
from importlib import import_module
from typing import Any, Protocol, cast

import msgspec
from django.conf import settings

from firstlight.assignment.rules import NO_WISHES, Wishes


class Request(msgspec.Struct, frozen=True, kw_only=True):
    """One question of the recommender, parsed and checked. Wire names: docs/api.md, POST /api/v1/allocations."""

    unit: dict[str, str]  # {"user_id": …, "device_id": …}; at least one
    scenario: str
    trace_id: str
    at: datetime
    attributes: dict[str, Any] = {}
    recent: tuple[dict[str, Any], ...] = ()  # {"event", "item_id", "at"}, as sent
    slots: int | None = None  # at most so many discovery slots
    exclude_items: frozenset[str] = frozenset()
    eligible: dict[str, list[str]] = {}  # {"category": ["dress"]}: what discovery may show
    wishes: Wishes = NO_WISHES  # arms that a preview link forces, and those that the unit brings along
    propensities: bool = False  # count those of a filtered slate now, not in the decision log


# Of one part. As a function: the name of the part says all that its bytes follow from, so that where the last version
# has a part of this name it is not called.
Payload = bytes | Callable[[], bytes]


class Section(Protocol):
    """A module with these verbs. `name` is its key in a version.

    It may have `recompile(at, known)`, which does what `compile` does and gives None for a part whose name is among
    `known`: the name says all that its bytes follow from, and the last version has it.
    It may say `goes_on = True` (nobody can hold it at an earlier state), and `shown(part)`: what people see of a part
    where two versions are compared, as {field: plain value}; without it only that the part changed.
    """

    name: str

    def compile(self, at: datetime) -> Mapping[str, Payload]:
        """Every part that is live at `at`, by name. Reads the ORM; the same state gives the same bytes."""

    def load(self, payload: bytes) -> Any:
        """One part, ready for use."""

    def gather(self, parts: Mapping[str, Any]) -> Any:
        """The state for `decide`, from all parts of the section."""


class Deciding(Section, Protocol):
    """A section with something to say in the answer of /allocations."""

    def decide(self, state: Any, request: Request, answer: dict[str, Any]) -> None:
        """Add this section's fields to the answer; may read what earlier sections put there.

        A key that starts with "_" is a word between sections and is not sent.
        """


class Completing(Section, Protocol):
    """A section that leaves some of its answer to be worked out off the path."""

    def is_open(self, answer: dict[str, Any]) -> bool:
        """Whether it left something in this answer."""

    def complete(self, state: Any, request: Request, answer: dict[str, Any]) -> None:
        """Fill in, for the decision log, what was too dear to count before the answer was sent."""


Verb = Callable[[Any, Request, dict[str, Any]], None]
Question = Callable[[dict[str, Any]], bool]


@cache
def sections() -> tuple[Section, ...]:
    return tuple(cast(Section, import_module(path)) for path in settings.SNAPSHOT_SECTIONS)


@cache
def deciders() -> tuple[tuple[str, Verb], ...]:
    """(name, decide) of the sections that decide, in the order in which they do."""
    return tuple((s.name, cast(Deciding, s).decide) for s in sections() if hasattr(s, "decide"))


@cache
def completers() -> tuple[tuple[str, Question, Verb], ...]:
    """(name, is_open, complete) of the sections that complete, in the same order."""
    found = (cast(Completing, s) for s in sections() if hasattr(s, "complete"))
    return tuple((s.name, s.is_open, s.complete) for s in found)
