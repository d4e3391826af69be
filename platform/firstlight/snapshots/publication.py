"""From the ORM to a version: compile every section, store what is new, number it when anything differs."""

from collections.abc import Mapping
from datetime import timedelta
from hashlib import sha256

from django.db import connection, transaction
from django.utils import timezone

from firstlight.postgres import locks
from firstlight.snapshots.models import Part, Version
from firstlight.snapshots.sections import sections

KEEP = timedelta(days=30)  # a logged decision can be replayed from its version for as long


@transaction.atomic
def publish() -> int:
    """Number of the version that tells the present state: the newest one when nothing changed since.

    Publishers take turns, so numbers become visible in their order and none is skipped by a reader.
    """
    locks.wait_in_transaction("snapshots")
    at = timezone.now()
    compiled = {section.name: section.compile(at) for section in sections()}
    parts = {section: {name: digest_of(payload) for name, payload in of.items()} for section, of in compiled.items()}
    _store({digest_of(payload): payload for of in compiled.values() for payload in of.values()})
    newest = Version.objects.first()
    if newest is not None and newest.parts == parts:
        return newest.number
    return Version.objects.create(parts=parts).number


def digest_of(payload: bytes) -> str:
    return sha256(payload).hexdigest()


def _store(payloads: Mapping[str, bytes]) -> None:
    """Only the missing ones: a draw table is megabytes, and most publications change one experiment."""
    stored = set(Part.objects.filter(digest__in=payloads).values_list("digest", flat=True))
    Part.objects.bulk_create(
        [Part(digest=digest, payload=payload) for digest, payload in payloads.items() if digest not in stored]
    )


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
