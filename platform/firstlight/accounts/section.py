"""What serving knows of API keys: those in force, by id."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import msgspec

from firstlight.accounts.keys import HeldKey
from firstlight.accounts.models import ApiKey

name = "keys"
goes_on = True  # also while a person holds serving at an earlier state: a revoked key stays revoked


def compile(at: datetime) -> dict[str, bytes]:
    """One part per key; a revoked key has none."""
    keys = ApiKey.objects.filter(revoked_at=None)
    return {key.public_id: msgspec.json.encode(HeldKey.of(key), order="deterministic") for key in keys}


def load(payload: bytes) -> HeldKey:
    return msgspec.json.decode(payload, type=HeldKey)


def gather(parts: Mapping[str, HeldKey]) -> dict[str, HeldKey]:
    return dict(parts)


def shown(part: HeldKey) -> dict[str, Any]:
    """Never the secret's hash."""
    fields = ("scopes", "scenarios", "rate", "burst")
    return {name: sorted(value) if isinstance(value := getattr(part, name), frozenset) else value for name in fields}
