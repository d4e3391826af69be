"""Request bodies: strict JSON, bounded before and after inflation. Pure."""

import re
import zlib
from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from firstlight.doors.problems import Place, pointer

LIMIT = 4 * 2**20  # bytes, as sent and as inflated
GZIP = 16 + zlib.MAX_WBITS


class Broken(Exception):
    """Not what it says it is: 400."""


class TooLarge(Exception):
    """More than 4 MiB, as sent or inflated: 413."""


class UnknownEncoding(Exception):
    """A content encoding other than gzip: 415."""


class Unstorable(Exception):
    """Good JSON that no database column can hold: 422."""

    def __init__(self, places: list[Place]) -> None:
        super().__init__(places)
        self.places = places


def inflated(body: bytes, encoding: str, limit: int = LIMIT) -> bytes:
    """The body as it was before Content-Encoding; never more than `limit` bytes are inflated."""
    if len(body) > limit:
        raise TooLarge(f"The body has more than {limit:,} bytes.")
    match encoding.strip().lower():
        case "" | "identity":
            return body
        case "gzip" | "x-gzip":
            return _gunzipped(body, limit)
    raise UnknownEncoding(f"The content encoding “{encoding[:50]}” is not known; send gzip or none.")


def _gunzipped(body: bytes, limit: int) -> bytes:
    out = b""
    while body:  # a gzip file may have several members (RFC 1952, 2.2)
        member = zlib.decompressobj(GZIP)
        try:
            out += member.decompress(body, limit + 1 - len(out))
        except zlib.error as error:
            raise Broken("The body is not gzip.") from error
        if len(out) > limit:
            raise TooLarge(f"The body inflates to more than {limit:,} bytes.")
        if not member.eof:
            raise Broken("The gzip body ends too early.")
        body = member.unused_data
    return out


# What only a look into the document can place: NUL, which PostgreSQL's text refuses, and integers past 64 bits.
_SUSPECT = re.compile(rb"\\u0000|\d{19}")


def decoded(body: bytes) -> Any:
    """The JSON document. No NaN, no bytes that are not UTF-8, no lone surrogates."""
    try:
        document = msgspec.json.decode(body)
    except RecursionError as error:
        raise Broken("The JSON is nested too deeply.") from error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise Broken(f"The body is not JSON: {error}") from error
    if _SUSPECT.search(body) and (places := list(_unstorable(document))):
        raise Unstorable(places)
    return document


def _unstorable(value: Any, steps: tuple[object, ...] = ()) -> Iterator[Place]:
    match value:
        case str() if "\0" in value:
            yield {"pointer": pointer(*steps), "detail": "The character NUL cannot be stored."}
        case int() if abs(value) >= 2**63:
            yield {"pointer": pointer(*steps), "detail": "The number is too large."}
        case Mapping():
            for key, inner in value.items():
                yield from _unstorable(key, steps)
                yield from _unstorable(inner, (*steps, key))
        case list():
            for index, inner in enumerate(value):
                yield from _unstorable(inner, (*steps, index))
