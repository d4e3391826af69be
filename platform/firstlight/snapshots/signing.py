"""Who may say what serving serves: a version is signed with a key that the database does not have.

Parts and lists are named by their SHA-256, so the signature over the names of the lists covers every byte. It also
covers number and time: an old version cannot be passed off as the newest, which would revive revoked keys.
"""

import hmac
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from hashlib import sha256

import msgspec
from django.conf import settings

PURPOSE = b"firstlight snapshots, 1"  # one secret, several uses: none can pass for the other


def signature(number: int, at: datetime, lists: Mapping[str, Sequence[str]], returns_to: int | None) -> str:
    """Of a version, in hex."""
    told = msgspec.json.encode([number, at.astimezone(UTC).isoformat(), lists, returns_to], order="sorted")
    return hmac.digest(_key(), told, sha256).hex()


def is_signed(
    given: str, number: int, at: datetime, lists: Mapping[str, Sequence[str]], returns_to: int | None
) -> bool:
    return hmac.compare_digest(given.encode(), signature(number, at, lists, returns_to).encode())


def _key() -> bytes:
    return hmac.digest((settings.SNAPSHOT_KEY or settings.SECRET_KEY).encode(), PURPOSE, sha256)
