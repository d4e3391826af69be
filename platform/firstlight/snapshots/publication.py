"""From the ORM to a version: compile every section, store what is new, number and sign it when anything differs."""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from datetime import datetime, timedelta
from typing import NamedTuple

from django.db import connection, transaction
from django.utils import timezone

from firstlight.postgres import locks
from firstlight.snapshots import lists, signing
from firstlight.snapshots.arrivals import CHANNEL
from firstlight.snapshots.models import Hold, Part, Version
from firstlight.snapshots.sections import Payload, Section, sections

KEEP = timedelta(days=30)  # a logged decision can be replayed from its version for as long
MOST_AT_ONCE, MOST_BYTES = 1_000, 8 * 2**20  # parts in one statement: a draw table is megabytes, an experiment is not

Recompile = Callable[[datetime, Collection[str]], Mapping[str, Payload | None]]
Named = Mapping[str, Mapping[str, str]]  # {section: {name: digest}}


class Standing(NamedTuple):
    """What was there before, and is stored."""

    newest: Version | None
    parts: Named
    digests: set[str]

    @classmethod
    def of(cls, newest: Version | None) -> "Standing":
        """Of a damaged version nothing counts as stored, so that all of it is written again."""
        try:
            parts = newest.parts if newest else {}
        except lists.Damaged:
            return cls(newest, {}, set())
        named = {digest for of in parts.values() for digest in of.values()}
        named.update(digest for of in (newest.lists if newest else {}).values() for digest in of)
        return cls(newest, parts, set(Part.objects.filter(digest__in=named).values_list("digest", flat=True)))


@transaction.atomic
def publish() -> int:
    """Number of the version that tells the present state: the newest one when nothing changed since.

    While a hold stands, what decides stays as it was then; only what may be asked (keys) goes on.
    Publishers take turns, so numbers become visible in their order and none is skipped by a reader.
    """
    locks.wait_in_transaction("snapshots")
    at, before = timezone.now(), Standing.of(Version.objects.first())
    hold = Hold.objects.filter(lifted_at=None).first()
    kept = before.newest.parts if hold and before.newest else {}  # raises where there is nothing sound to hold
    parts = {
        section.name: kept.get(section.name, {}) if hold and is_held(section) else _compiled(section, at, before)
        for section in sections()
    }
    return number(parts, before, at, returns_to=hold.returns_to if hold else None)


def number(parts: Named, before: Standing, at: datetime, *, returns_to: int | None) -> int:
    """That of the version which has these parts: the newest, if it says the same and its signature holds."""
    dealt = {section: lists.dealt(of) for section, of in parts.items()}
    _store({digest: payload for of in dealt.values() for digest, payload in of.items()}.items(), before.digests)
    named, newest = {section: [*of] for section, of in dealt.items()}, before.newest
    if newest and (newest.lists, newest.returns_to) == (named, returns_to) and is_signed(newest):
        return newest.number
    with connection.cursor() as cursor:
        cursor.execute("SELECT nextval(pg_get_serial_sequence('snapshots_version', 'number'))")
        (next_one,) = cursor.fetchone()
        signature = signing.signature(next_one, at, named, returns_to)
        Version.objects.create(number=next_one, created_at=at, lists=named, returns_to=returns_to, signature=signature)
        cursor.execute("SELECT pg_notify(%s, %s)", [CHANNEL, str(next_one)])
    return int(next_one)


def is_whole(version: Version) -> bool:
    """Whether every list and part of it is there and is what its digest says."""
    named = {digest for of in version.lists.values() for digest in of}
    named |= {digest for of in version.parts.values() for digest in of.values()}
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(*) FROM snapshots_part WHERE digest = ANY(%s) AND encode(sha256(payload), 'hex') = digest",
            [[*named]],
        )
        return bool(cursor.fetchone()[0] == len(named))


def is_held(section: Section) -> bool:
    return not getattr(section, "goes_on", False)


def is_signed(version: Version) -> bool:
    """Not after the key was changed: then the same state is signed anew."""
    told = version.number, version.created_at, version.lists, version.returns_to
    return signing.is_signed(version.signature, *told)


def _compiled(section: Section, at: datetime, before: Standing) -> dict[str, str]:
    """The digests of its parts, which are stored."""
    known = {name: digest for name, digest in before.parts.get(section.name, {}).items() if digest in before.digests}
    names: dict[str, str] = {}

    def made() -> Iterator[tuple[str, bytes]]:
        for name, payload in _parts(section, at, known).items():
            if payload is None or (callable(payload) and name in known):
                names[name] = known[name]
                continue
            content = _content(payload)
            names[name] = lists.digest_of(content)
            yield names[name], content

    _store(made(), before.digests)
    return names


def _parts(section: Section, at: datetime, known: Collection[str]) -> Mapping[str, Payload | None]:
    recompile: Recompile | None = getattr(section, "recompile", None)
    return recompile(at, known) if recompile else section.compile(at)


def _content(payload: Payload) -> bytes:
    return payload() if callable(payload) else payload


def _store(payloads: Iterable[tuple[str, bytes]], stored: set[str]) -> None:
    """Those that are not stored yet, a statement for many small ones."""
    waiting: dict[str, bytes] = {}
    size = 0
    for digest, content in payloads:
        if digest in stored:
            continue
        stored.add(digest)
        waiting[digest] = content
        size += len(content)
        if len(waiting) == MOST_AT_ONCE or size >= MOST_BYTES:
            _write(waiting)
            waiting, size = {}, 0
    _write(waiting)


def _write(parts: Mapping[str, bytes]) -> None:
    """A row of this digest that is there all the same says something else: it is mended."""
    with connection.cursor() as cursor:
        cursor.execute(
            """
            INSERT INTO snapshots_part (digest, payload, created_at)
            SELECT digest, payload, now() FROM unnest(%s::text[], %s::bytea[]) AS told (digest, payload)
            ON CONFLICT (digest) DO UPDATE SET payload = excluded.payload
            """,
            [[*parts], [*parts.values()]],
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
            WITH listed AS (
                SELECT DISTINCT l.value AS digest
                FROM snapshots_version v, jsonb_each(v.lists) s, jsonb_array_elements_text(s.value) l
            ), whole AS MATERIALIZED (  -- a damaged list names nothing that could be read
                SELECT payload FROM snapshots_part JOIN listed USING (digest)
                WHERE encode(sha256(payload), 'hex') = digest
            ), named AS (
                SELECT digest FROM listed
                UNION SELECT n.value FROM whole, jsonb_each_text(convert_from(payload, 'UTF8')::jsonb) n
            )
            DELETE FROM snapshots_part p WHERE NOT EXISTS (SELECT FROM named n WHERE n.digest = p.digest)
            """
        )
        return int(cursor.rowcount)
