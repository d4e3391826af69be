"""Back to an earlier state, with one click, until somebody lifts the hold. Why it holds: docs/decisions/0010."""

from datetime import datetime

from django.db import transaction

from firstlight.accounts import audit
from firstlight.postgres import locks
from firstlight.snapshots import publication
from firstlight.snapshots.lists import Damaged
from firstlight.snapshots.models import Hold, Version
from firstlight.snapshots.publication import Standing
from firstlight.snapshots.sections import sections


class UnableToReturn(Exception):
    """Why this state cannot be had, or why there is nothing to lift."""


def standing() -> Hold | None:
    """The hold in force."""
    return Hold.objects.filter(lifted_at=None).first()


@transaction.atomic
def roll_back(to: int, *, actor: str, at: datetime, reason: str) -> int:
    """Number of the new version, which decides by the parts of version `to`. An earlier hold gives way to this one."""
    locks.wait_in_transaction("snapshots")
    newest, wanted = Version.objects.first(), Version.objects.filter(number=to).first()
    if wanted is None or newest is None:
        raise UnableToReturn(f"There is no snapshot {to}; they are kept for {publication.KEEP.days} days.")
    if wanted == newest:
        raise UnableToReturn(f"Snapshot {to} is the one in force.")
    if not _is_sound(wanted):
        raise UnableToReturn(f"Snapshot {to} is damaged: a part is missing, altered, or not signed with our key.")
    before = Standing.of(newest)
    parts = {s.name: (wanted if publication.is_held(s) else newest).parts.get(s.name, {}) for s in sections()}
    Hold.objects.filter(lifted_at=None).update(lifted_at=at, lifted_by=actor)
    Hold.objects.create(returns_to=to, at=at, actor=actor, reason=reason)
    _record("rolled back", actor, {"state": f"snapshot {newest.number}"}, {"state": f"snapshot {to}", "reason": reason})
    return publication.number(parts, before, at, returns_to=to)


@transaction.atomic
def lift(*, actor: str, at: datetime) -> int:
    """Number of the version that tells the present state again."""
    locks.wait_in_transaction("snapshots")
    hold = standing()
    if hold is None:
        raise UnableToReturn("Nothing is held back: every change is published.")
    Hold.objects.filter(pk=hold.pk).update(lifted_at=at, lifted_by=actor)
    _record("lifted", actor, {"state": f"snapshot {hold.returns_to}"}, {"state": "the present"})
    return publication.publish()


def _is_sound(version: Version) -> bool:
    try:
        return publication.is_signed(version) and publication.is_whole(version)
    except Damaged:
        return False


def _record(action: str, actor: str, before: dict[str, str], after: dict[str, str]) -> None:
    audit.record(actor, action, "snapshot", "serving", before=before, after=after)
