"""Signed as the Standard Webhooks specification (1.0) has it, so that its ready-made libraries verify.

HMAC-SHA256 over `id.timestamp.body`, base64, prefixed by the version `v1,`.
"""

import hashlib
import hmac
from base64 import b64decode, b64encode

from django.conf import settings
from django.utils.encoding import force_bytes

PREFIX = "whsec_"


def secret(salt: bytes) -> str:
    """What the receiver verifies with: `whsec_` and 32 bytes in base64."""
    key = hashlib.sha256(b"firstlight webhook" + force_bytes(settings.SECRET_KEY)).digest()
    return PREFIX + b64encode(hmac.digest(key, salt, "sha256")).decode()


def headers(secret: str, message: str, timestamp: int, body: bytes) -> dict[str, str]:
    """`message` is the same at every try, so that the receiver can tell a repetition; `timestamp` in seconds."""
    return {
        "webhook-id": message,
        "webhook-timestamp": str(timestamp),
        "webhook-signature": signature(secret, message, timestamp, body),
    }


def signature(secret: str, message: str, timestamp: int, body: bytes) -> str:
    key = b64decode(secret.removeprefix(PREFIX))
    return "v1," + b64encode(hmac.digest(key, f"{message}.{timestamp}.".encode() + body, "sha256")).decode()
