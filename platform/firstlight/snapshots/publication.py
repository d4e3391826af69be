"""From the ORM to a version: compile every section, store what is new, number it when anything differs."""

from datetime import timedelta
from hashlib import sha256

from django.db import connection, transaction
from django.utils import timezone

from firstlight.postgres import locks
from firstlight.snapshots.models import Part, Version
from firstlight.snapshots.sections import Payload, sections

KEEP = timedelta(days=30)  # a logged decision can be replayed from its version for as long


@transaction.atomic
def publish() -> int:
    """Number of the version that tells the present state: the newest one when nothing changed since.

    Publishers take turns, so numbers become visible in their order and none is skipped by a reader.
    """
    locks.wait_in_transaction("snapshots")
    at, newest = timezone.now(), Version.objects.first()
    stored = _stored(newest)
    parts: dict[str, dict[str, str]] = {}
    for section in sections():
        known = newest.parts.get(section.name, {}) if newest else {}
        parts[section.name] = {
            name: known[name] if callable(payload) and known.get(name) in stored else _kept(payload, stored)
            for name, payload in section.compile(at).items()
        }
    if newest is not None and newest.parts == parts:
        return newest.number
    return Version.objects.create(parts=parts).number


def digest_of(payload: bytes) -> str:
    return sha256(payload).hexdigest()


def _stored(newest: Version | None) -> set[str]:
    """Digests of the newest version's parts that are there."""
    digests = [digest for of in newest.parts.values() for digest in of.values()] if newest else []
    return set(Part.objects.filter(digest__in=digests).values_list("digest", flat=True))


def _kept(payload: Payload, stored: set[str]) -> str:
    """The digest of a part, which is stored if it was missing: one at a time, for a draw table is megabytes."""
    content = payload() if callable(payload) else payload
    digest = digest_of(content)
    if digest not in stored and not Part.objects.filter(digest=digest).exists():
        Part.objects.create(digest=digest, payload=content)
    stored.add(digest)
    return digest


@transaction.atomic
def forget_old() -> int:
    """Delete versions older than `KEEP`, never the newest, and parts that no version names; how many parts went."""
    locks.wait_in_transaction("snapshots")  # a part may be on its way into a version
    newest = Version.objects.first()
    if newest is None:
        return 0
    Version.objects.filter(created_at__lt=timezone.now() - KEEP, number__lt=newest.number).delete()
    with connection.cursor() as cursor:
        cursor.execute(
            """
            DELETE FROM snapshots_part WHERE NOT EXISTS (
                SELECT FROM snapshots_version v, jsonb_each(v.parts) s, jsonb_each_text(s.value) p
                WHERE p.value = snapshots_part.digest)
            """
        )
        return int(cursor.rowcount)
