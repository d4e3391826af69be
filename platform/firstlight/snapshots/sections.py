"""What a section of the snapshot is, and how the sections that the settings list are found.

A section is a module. Off the path it is *compiled* from the ORM into parts, one per experiment, campaign or
scenario, as bytes; a web process *loads* only the parts whose bytes changed and *gathers* them into the state
that the section's `decide` reads. `load`, `gather` and `decide` are pure.
"""

from collections.abc import Mapping
from datetime import datetime
from functools import cache
from importlib import import_module
from typing import Any, Protocol, cast

import msgspec
from django.conf import settings


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
    propensities: bool = False  # count those of a filtered slate now, not in the decision log


class Section(Protocol):
    """A module with these verbs. `name` is its key in a version."""

    name: str

    def compile(self, at: datetime) -> dict[str, bytes]:
        """Every part that is live at `at`, by name. Reads the ORM; the same state gives the same bytes."""

    def load(self, payload: bytes) -> Any:
        """One part, ready for use."""

    def gather(self, parts: Mapping[str, Any]) -> Any:
        """The state for `decide`, from all parts of the section."""

    def decide(self, state: Any, request: Request, answer: dict[str, Any]) -> None:
        """Add this section's fields to the answer of /allocations; may read what earlier sections put there."""


@cache
def sections() -> tuple[Section, ...]:
    return tuple(cast(Section, import_module(path)) for path in settings.SNAPSHOT_SECTIONS)
