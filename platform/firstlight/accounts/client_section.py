"""What serving knows of client keys: those in force, by themselves."""

from collections.abc import Mapping
from datetime import datetime

import msgspec

from firstlight.accounts.client_keys import HeldClientKey
from firstlight.accounts.models import ClientKey

name = "client_keys"
goes_on = True  # also while a person holds serving at an earlier state: a revoked key stays revoked


def compile(at: datetime) -> dict[str, bytes]:
    """One part per key; a revoked key has none."""
    keys = ClientKey.objects.filter(revoked_at=None)
    return {key.key: msgspec.json.encode(HeldClientKey.of(key), order="deterministic") for key in keys}


def load(payload: bytes) -> HeldClientKey:
    return msgspec.json.decode(payload, type=HeldClientKey)


def gather(parts: Mapping[str, HeldClientKey]) -> dict[str, HeldClientKey]:
    return dict(parts)
