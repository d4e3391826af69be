"""Where exported rows come from: each kind is a source that an app names in `EXPORT_SOURCES`."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from importlib import import_module
from typing import Any

import pyarrow as pa
from django.conf import settings

from firstlight.exports.columns import Column

NAMED = ("experiment", "campaign", "look", "segment", "pseudonyms")  # what is asked for besides a time


class Refused(Exception):
    """Why there is nothing to export, in words; `field` names what was asked wrongly, if it is one thing."""

    def __init__(self, sentence: str, field: str = "") -> None:
        self.field = field
        super().__init__(sentence)


@dataclass(frozen=True, slots=True)
class Asked:
    """What somebody wants, beside the kind and the format. Each source takes some of it."""

    experiment: str = ""
    campaign: str = ""
    look: int | None = None  # number of one look; None: all of them
    segment: str = ""  # slice, or slice:segment
    start: datetime | None = None
    end: datetime | None = None
    pseudonyms: bool = False
    scenarios: tuple[str, ...] = ()  # of an API key that is limited; empty: all

    def stored(self) -> dict[str, Any]:
        times = {"start": self.start, "end": self.end}
        written: dict[str, Any] = {name: at.isoformat() for name, at in times.items() if at}
        written |= {name: getattr(self, name) for name in NAMED}
        return written | {"scenarios": list(self.scenarios)}

    @classmethod
    def of(cls, stored: dict[str, Any]) -> "Asked":
        given: dict[str, Any] = {**stored, "scenarios": tuple(stored["scenarios"])}
        given |= {name: datetime.fromisoformat(stored[name]) for name in ("start", "end") if name in stored}
        return cls(**given)


@dataclass(frozen=True, slots=True)
class Rows:
    batches: Iterator[pa.RecordBatch]
    total: int | None  # rows to come, where that is known before


@dataclass(frozen=True, slots=True)
class Source:
    kind: str
    columns: Callable[[Asked], tuple[Column, ...]]  # of what was checked
    takes: frozenset[str]  # fields of `Asked` that mean something here
    needs: frozenset[str]  # those it cannot do without
    check: Callable[[Asked], None]  # raises `Refused`
    read: Callable[[Asked], Rows]


@cache
def sources() -> dict[str, Source]:
    """By kind, in the order of the settings."""
    found = [source for path in settings.EXPORT_SOURCES for source in import_module(path).SOURCES]
    return {source.kind: source for source in found}


def checked(kind: str, asked: Asked) -> Source:
    """The source, when it can give this. Raises `Refused`."""
    source = sources().get(kind)
    if source is None:
        raise Refused(f"What can be exported: {', '.join(sources())}.", "kind")
    given = {name for name in (*NAMED, "start", "end") if getattr(asked, name)}
    if missing := sorted(source.needs - given):
        raise Refused(f"An export of {kind} needs this.", missing[0])
    if unused := sorted(given - source.takes):
        raise Refused(f"An export of {kind} has no use for this.", unused[0])
    source.check(asked)
    return source
