"""API keys: made, revoked, and checked in constant time."""

import secrets
from collections.abc import Iterable, Mapping
from hashlib import sha256
from hmac import compare_digest

import msgspec
from django.db import transaction
from django.utils import timezone

from firstlight.accounts import audit
from firstlight.accounts.models import ApiKey, User


class HeldKey(msgspec.Struct, frozen=True):
    """A key as a web process holds it."""

    public_id: str
    secret_hash: bytes  # SHA-256 of the secret
    scopes: frozenset[str]
    scenarios: frozenset[str]  # keys of the scenarios it is limited to; empty means all
    number: int = 0  # of its row
    rate: int | None = None  # requests per second on the hot paths; None: no limit
    burst: int | None = None  # requests at once; None: as many as in a second

    @classmethod
    def of(cls, key: ApiKey) -> "HeldKey":
        said = key.public_id, bytes(key.secret_hash), frozenset(key.scopes), frozenset(key.scenarios)
        return cls(*said, number=key.pk, rate=key.rate, burst=key.burst)

    def covers(self, scenarios: Iterable[str]) -> bool:
        return not self.scenarios or self.scenarios.issuperset(scenarios)


_NOBODY = HeldKey("", bytes(32), frozenset(), frozenset())


def verify(held: Mapping[str, HeldKey], header: str | None) -> HeldKey | None:
    """The key that an Authorization header proves; None for a missing, foreign, wrong or revoked one. Pure."""
    public_id, secret = parts(header)
    key = held.get(public_id, _NOBODY)
    proven = compare_digest(key.secret_hash, sha256(secret.encode("utf-8", "replace")).digest())
    return key if proven and key is not _NOBODY else None


def parts(header: str | None) -> tuple[str, str]:
    """(id, secret) of `Bearer fl_<id>_<secret>`; both empty when it is nothing of the kind."""
    scheme, _, token = (header or "").partition(" ")
    match token.strip().split("_", 2):
        case ["fl", public_id, secret] if scheme.lower() == "bearer":
            return public_id, secret
    return "", ""


@transaction.atomic
def create(
    name: str,
    scopes: Iterable[str],
    scenarios: Iterable[str],
    actor: str,
    *,
    rate: int | None = None,
    burst: int | None = None,
) -> tuple[ApiKey, str]:
    """The new key and its text `fl_<id>_<secret>`, which cannot be had again: only a hash is kept."""
    secret = secrets.token_urlsafe(32)
    key = ApiKey.objects.create(
        public_id=secrets.token_hex(8),
        name=name,
        secret_hash=sha256(secret.encode()).digest(),
        scopes=sorted(set(scopes)),
        scenarios=sorted(set(scenarios)),
        rate=rate,
        burst=burst,
        created_by=User.objects.filter(username=actor).first(),
    )
    audit.record(actor, "created", "API key", key.public_id, before={}, after=audit.state(key))
    return key, f"fl_{key.public_id}_{secret}"


@transaction.atomic
def revoke(key: ApiKey, actor: str) -> None:
    """From the next snapshot on the key opens nothing. Revoking twice keeps the first time."""
    key = ApiKey.objects.select_for_update().get(pk=key.pk)
    if key.revoked_at is not None:
        return
    before = audit.state(key)
    key.revoked_at = timezone.now()
    key.save(update_fields=["revoked_at"])
    audit.record(actor, "revoked", "API key", key.public_id, before=before, after=audit.state(key))
