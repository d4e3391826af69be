"""Preview links: which arms a tester shall see, signed by us and good for a while.

Nothing is stored: whoever has the link sees the arms, and the log marks what was forced. HMAC-SHA-256 by a key of its
own, made of the secret of the installation, so that a token is good in every process and for nothing else.
"""

import base64
import binascii
import hmac
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import cache

import msgspec
from django.conf import settings

PURPOSE = b"firstlight preview links"


class Invalid(ValueError):
    """Why a token is not good, in words."""


class Preview(msgspec.Struct, frozen=True, array_like=True):
    arms: dict[str, str]  # experiment -> arm
    until: int  # seconds since 1970


_decoder = msgspec.json.Decoder(Preview)


def sign(arms: Mapping[str, str], until: datetime) -> str:
    """A token that forces these arms until then; text of letters, digits, "-", "_" and one "."."""
    said = msgspec.json.encode(Preview(dict(sorted(arms.items())), int(until.timestamp())))
    return f"{_text(said)}.{_text(_signature(said))}"


def read(token: str, at: datetime) -> Mapping[str, str]:
    """{experiment: arm}; raises `Invalid`."""
    said, _, signature = token.partition(".")
    try:
        body, signed = _bytes(said), _bytes(signature)
    except (binascii.Error, UnicodeEncodeError) as error:
        raise Invalid("This is no preview link of ours.") from error
    # The last letter of a text holds bits that say nothing: only the one spelling that was signed is taken.
    if not hmac.compare_digest(signed, _signature(body)) or token != f"{_text(body)}.{_text(signed)}":
        raise Invalid("This is no preview link of ours.")
    preview = _decoder.decode(body)
    if at.timestamp() >= preview.until:
        raise Invalid(
            f"The preview link was good until {datetime.fromtimestamp(preview.until, UTC):%d %B %Y, %H:%M} UTC."
        )
    return preview.arms


def _signature(said: bytes) -> bytes:
    return hmac.digest(_key(settings.SECRET_KEY), said, "sha256")


@cache
def _key(secret: str) -> bytes:
    return hmac.digest(secret.encode(), PURPOSE, "sha256")


def _text(of: bytes) -> str:
    return base64.urlsafe_b64encode(of).rstrip(b"=").decode()


def _bytes(of: str) -> bytes:
    return base64.b64decode(of.encode("ascii") + b"=" * (-len(of) % 4), altchars=b"-_", validate=True)
