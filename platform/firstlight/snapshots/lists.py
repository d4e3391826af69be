"""What a version consists of, as lists of parts that versions share: a change rewrites one list, not the whole. Pure.

The parts of a section are dealt by name onto `LISTS` lists, each {name: digest} as JSON and named by its own digest, as
a tree of git is. Of 10,000 parts a list has some 16 KB and the version's row 4 KB; the whole would be a megabyte.
"""

from collections.abc import Iterable, Mapping, Sequence
from hashlib import sha256
from zlib import crc32

import msgspec

LISTS = 64  # of a section; another number changes every list once and no part

Names = Mapping[str, str]  # {name of a part: digest}

_decoder = msgspec.json.Decoder(dict[str, str])


class Damaged(Exception):
    """A version that is not what was published: its signature, a list, or a part of it."""


def digest_of(payload: bytes) -> str:
    return sha256(payload).hexdigest()


def dealt(parts: Names) -> dict[str, bytes]:
    """{digest: list} in the order of the lists; the same parts give the same bytes."""
    hands: dict[int, dict[str, str]] = {}
    for name in sorted(parts):
        hands.setdefault(crc32(name.encode()) % LISTS, {})[name] = parts[name]
    payloads = (msgspec.json.encode(hands[number]) for number in sorted(hands))
    return {digest_of(payload): payload for payload in payloads}


def read(wanted: Iterable[str], payloads: Mapping[str, bytes]) -> dict[str, Names]:
    """The lists of these digests; raises `Damaged`."""
    return {digest: _decoder.decode(proven(digest, payloads.get(digest))) for digest in wanted}


def gathered(named: Mapping[str, Sequence[str]], known: Mapping[str, Names]) -> dict[str, dict[str, str]]:
    """{section: {name: digest of the part}} of {section: [digest of a list]}."""
    return {
        section: {name: of[name] for of in map(known.__getitem__, lists) for name in of}
        for section, lists in named.items()
    }


def proven(digest: str, payload: bytes | None) -> bytes:
    """The payload, if it is there and what its digest says; else raises `Damaged`."""
    if payload is None:
        raise Damaged(f"part {digest} is missing")
    if digest_of(payload) != digest:
        raise Damaged(f"part {digest} is not what was published")
    return payload
