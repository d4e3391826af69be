"""Client keys: what an SDK in a browser or an app names itself by. Public by nature; made and revoked."""

import secrets
from collections.abc import Iterable

import msgspec
from django.db import transaction
from django.utils import timezone

from firstlight.accounts import audit
from firstlight.accounts.models import ClientKey, User

KIND = "client key"


class HeldClientKey(msgspec.Struct, frozen=True):
    """As a web process holds it."""

    key: str
    scenarios: frozenset[str]  # empty means all
    tells_lists: bool

    @classmethod
    def of(cls, key: ClientKey) -> "HeldClientKey":
        return cls(key.key, frozenset(key.scenarios), key.tells_lists)


@transaction.atomic
def create(name: str, scenarios: Iterable[str], actor: str, *, tells_lists: bool) -> ClientKey:
    key = ClientKey.objects.create(
        key=f"sdk-{secrets.token_hex(8)}",
        name=name,
        scenarios=sorted(set(scenarios)),
        tells_lists=tells_lists,
        created_by=User.objects.filter(username=actor).first(),
    )
    audit.record(actor, "created", KIND, key.key, before={}, after=audit.state(key))
    return key


@transaction.atomic
def revoke(key: ClientKey, actor: str) -> ClientKey:
    """From the next snapshot on it names nothing. Revoking twice keeps the first time."""
    key = ClientKey.objects.select_for_update().get(pk=key.pk)
    if key.revoked_at is None:
        before = audit.state(key)
        key.revoked_at = timezone.now()
        key.save(update_fields=["revoked_at"])
        audit.record(actor, "revoked", KIND, key.key, before=before, after=audit.state(key))
    return key
