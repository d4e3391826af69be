"""Where a client hears of changes: the address of a stream, which proves that a key was here when it was given.

A key always has the same address, so that a client which is told it again stays on its stream. It opens streams and
nothing else, and only while the key is in force: `firstlight.streams` looks.
"""

from typing import Any
from urllib.parse import quote

from django.conf import settings
from django.core import signing

from firstlight.accounts.keys import HeldKey

PATH = "/ofrep/v1/stream"
INACTIVE = 120  # seconds after which a hidden page closes its stream

_signer = signing.Signer(salt="firstlight.streams")


def stream(key: HeldKey) -> dict[str, Any] | None:
    """As OFREP 0.3 names it; None where no streams are served."""
    if not settings.STREAMS_URL:
        return None
    token = quote(_signer.sign(key.public_id), safe="")
    return {"type": "sse", "url": f"{settings.STREAMS_URL}{PATH}?token={token}", "inactivityDelaySec": INACTIVE}


def whose(token: str) -> str | None:
    """Public id of the key that was given this address; None for one that is not of ours."""
    try:
        return _signer.unsign(token)
    except signing.BadSignature:
        return None
