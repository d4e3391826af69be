"""The assignment hash, as published by GrowthBook (version 2), so that any of its SDKs gives the same arm.

Source: GrowthBook SDK build-your-own specification, hash version 2; FNV-1a, 32 bit.
"""

import msgspec
from fnv_hash_fast import fnv1a_32

BUCKETS = 10_000

digits = msgspec.json.Encoder().encode  # of a number, as ASCII: a third of the time of str(n).encode()


def fnv1a(text: str) -> int:
    """FNV-1a (32 bit) over UTF-16 code units, as JavaScript's `charCodeAt` gives them.

    >>> fnv1a("a")
    3826002220
    """
    if text.isascii():
        return fnv1a_32(text.encode("ascii"))
    # A code unit above 255 is xor-ed in whole, which no byte-wise implementation does.
    units = memoryview(text.encode("utf-16-le", "surrogatepass")).cast("H")
    h = 2166136261
    for unit in units:
        h = ((h ^ unit) * 16777619) & 0xFFFFFFFF
    return h


def bucket(seed: str, unit: str) -> int:
    """Where this unit falls under this seed, from 0 to 9,999."""
    return fnv1a_32(digits(fnv1a(seed + unit))) % BUCKETS
