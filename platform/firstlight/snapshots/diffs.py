"""What one version says otherwise than another: which parts came, went and changed, field by field, and who did it."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import msgspec

from firstlight.accounts.models import AuditEntry
from firstlight.snapshots import lists
from firstlight.snapshots.models import Part, Version
from firstlight.snapshots.sections import Section, sections

MOST_READ = 500  # parts whose fields are compared; of the others only that they changed
STAMP = "@"  # in the name of a part: what follows says the state, not which thing it is


@dataclass(frozen=True, slots=True)
class Field:
    name: str
    before: Any
    after: Any


@dataclass(frozen=True, slots=True)
class Change:
    section: str
    subject: str  # key of the experiment, campaign, scenario, key
    kind: str  # added, removed, changed
    fields: tuple[Field, ...]  # of a changed part whose section shows its parts
    by: tuple[str, ...]  # who changed this subject between the two versions, as the audit trail says


@dataclass(frozen=True, slots=True)
class Difference:
    before: Version
    after: Version
    changes: tuple[Change, ...]

    @property
    def sentence(self) -> str:
        """In words, by section: “experiments: 1 changed, 2 added”."""
        told = [
            f"{section}: {_counted(self.changes, section)}" for section in sorted({c.section for c in self.changes})
        ]
        return "; ".join(told) or "nothing differs"


def between(before: Version, after: Version) -> Difference:
    """From `before` to `after`, whichever is older. Raises `lists.Damaged`."""
    pairs = [pair for section in sections() for pair in _pairs(section, before, after)]
    payloads = _payloads({digest for pair in pairs[:MOST_READ] for digest in (pair.old, pair.new) if digest})
    since, until = sorted((before.created_at, after.created_at))
    acted = _acted(since, until, {pair.subject for pair in pairs})
    return Difference(before, after, tuple(_change(pair, payloads, acted) for pair in pairs))


@dataclass(frozen=True, slots=True)
class _Pair:
    section: Section
    subject: str
    old: str | None  # digest
    new: str | None


def _pairs(section: Section, before: Version, after: Version) -> list[_Pair]:
    olds, news = (_by_subject(version.parts.get(section.name, {})) for version in (before, after))
    names = sorted({*olds, *news})
    return [_Pair(section, n, olds.get(n), news.get(n)) for n in names if olds.get(n) != news.get(n)]


def _by_subject(parts: Mapping[str, str]) -> dict[str, str]:
    return {name.partition(STAMP)[0]: digest for name, digest in parts.items()}


def _payloads(digests: set[str]) -> dict[str, bytes]:
    found = Part.objects.filter(digest__in=digests).values_list("digest", "payload")
    return {digest: lists.proven(digest, bytes(payload)) for digest, payload in found}


def _acted(since: datetime, until: datetime, subjects: set[str]) -> dict[str, tuple[str, ...]]:
    """{subject: who changed it, in the order of their names}. A version is made just after the change that it tells."""
    entries = AuditEntry.objects.filter(at__gt=since, at__lte=until, subject__in=subjects)
    found: dict[str, set[str]] = {}
    for subject, actor in entries.values_list("subject", "actor"):
        found.setdefault(subject, set()).add(actor)
    return {subject: tuple(sorted(actors)) for subject, actors in found.items()}


def _change(pair: _Pair, payloads: Mapping[str, bytes], acted: Mapping[str, tuple[str, ...]]) -> Change:
    kind = "added" if pair.old is None else "removed" if pair.new is None else "changed"
    fields = _fields(pair, payloads) if kind == "changed" else ()
    return Change(pair.section.name, pair.subject, kind, fields, acted.get(pair.subject, ()))


def _fields(pair: _Pair, payloads: Mapping[str, bytes]) -> tuple[Field, ...]:
    old, new = payloads.get(pair.old or ""), payloads.get(pair.new or "")
    shown = getattr(pair.section, "shown", None)
    if shown is None or old is None or new is None:
        return ()
    before, after = (msgspec.to_builtins(shown(pair.section.load(payload))) for payload in (old, new))
    names = sorted({*before, *after})
    return tuple(Field(n, before.get(n), after.get(n)) for n in names if before.get(n) != after.get(n))


def _counted(changes: tuple[Change, ...], section: str) -> str:
    kinds = [change.kind for change in changes if change.section == section]
    told = ((kinds.count(kind), kind) for kind in ("changed", "added", "removed"))
    return ", ".join(f"{n:,} {kind}" for n, kind in told if n)
