"""Names of units that tell nobody who they are, and are the same in every export of one experiment. Pure."""

from collections.abc import Sequence
from hashlib import blake2b, sha512

LETTERS = 32  # 128 bits: no two of any number of units share one


def pseudonym(key: bytes, unit: str) -> str:
    """Keyed BLAKE2b, in hex: without the key nobody can try all user ids until one fits.

    >>> pseudonym(b"key", "u-81") == pseudonym(b"key", "u-81") != pseudonym(b"other", "u-81")
    True
    """
    return blake2b(unit.encode(), key=key, digest_size=LETTERS // 2).hexdigest()


def pseudonyms(key: bytes, units: Sequence[str | None]) -> list[str | None]:
    """Nobody stays nobody."""
    return [None if unit is None else pseudonym(key, unit) for unit in units]


def key_of(secret: str, scope: str) -> bytes:
    """Of one experiment, say: those who hold two exports of different scopes cannot join them."""
    key = sha512(secret.encode()).digest()
    return blake2b(f"firstlight pseudonyms {scope}".encode(), key=key, digest_size=32).digest()
