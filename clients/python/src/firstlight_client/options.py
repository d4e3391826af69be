"""What a client can be told, with values that are good for most."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypedDict

from .retrying import Patience

ONE = Patience()
MANY = Patience(deadline=5.0, first=0.1, longest=1.0)


@dataclass(frozen=True)
class Options:
    patience: Patience = ONE  # with one question
    batch_patience: Patience = MANY
    raises: bool = False  # instead of falling back
    connections: int = 64
    refresh: float = 5.0  # seconds between two looks for newer rules
    answers: int = 10_000  # remembered
    answers_for: float = 3600.0  # seconds
    failures: int = 5  # calls in a row after which nobody asks for a while
    buffer_events: int = 50_000  # in memory
    buffer_bytes: int = 32 * 2**20
    spill_bytes: int = 256 * 2**20  # on disk, of each process
    fsync: bool = True  # whether a power cut spares what was written; a thread of ours waits for it
    last_words: float = 2.0  # seconds for what is still to be sent at the end of the process


class Asked(TypedDict, total=False):
    """What a question may say beside unit and scenario: docs/api.md, POST /api/v1/allocations."""

    trace_id: str
    attributes: Mapping[str, Any]
    recent: Sequence[Mapping[str, Any]]
    slots: int
    exclude_items: Sequence[str]
    eligible: Mapping[str, Sequence[str]]
    propensities: bool
    log: bool
    forced: str
    sticky: Mapping[str, Any]
