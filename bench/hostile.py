"""Hostile requests without end, from a seed: what a broken client, a scanner or an attacker sends to the hot paths.

Most start from a body that is right and spoil it in one to three places, for a parser that refuses everything at its
first byte would learn nothing of what lies behind. Each comes with the way its length is told.
"""

import gzip
import json
import random
import zlib
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple
from uuid import UUID

LONGEST = 4 * 2**20  # bytes that a body may have
BIG = 0.01  # share of bodies of megabytes: they would take all the time
NUMBERS = (0, -1, 0.5, 2**31, 2**53 + 1, 2**63, 2**64, -(2**63) - 1, 10**40, 1e308, 5e-324, -0.0, True)
WORDS = (
    "", "\0", " ", "a" * 201, "a" * 20_000, "\u202e\u200b\ufeff", "𝕏" * 70, "\ud83d", "é" * 200, "' OR 1=1 --",
    "<script>alert(1)</script>", "${jndi:ldap://x}", "../../etc/passwd", "%s%n{0}", "__proto__", "$inGroup", "null",
    "1e999", "5.2.0-" + "9" * 300, "2026-02-30T25:61:61Z", "9999-12-31T23:59:59.999999+23:59",
    "0001-01-01T00:00:00-23:59",
)  # fmt: skip
HEADERS = (
    "", "*", "\xff\xfe", "Bearer", "Bearer fl_", "Bearer fl_a_b", "Basic YTpi", "Bearer " + "x" * 5_000, "gzip",
    "x-gzip",
    "gzip, gzip", "br", "identity;q=0", "application/json", "application/x-ndjson", "application/json; charset=utf-16",
    'W/"x", "y"', '"' + "0" * 3_000 + '"', "text/event-stream", ";;;=,,", "\u00e9", "-1", "1e3", "9" * 50,
)  # fmt: skip
SPOILT = ("CONTENT_TYPE", "HTTP_AUTHORIZATION", "HTTP_CONTENT_ENCODING", "HTTP_ACCEPT_ENCODING", "HTTP_IF_NONE_MATCH")
METHODS = ("GET", "POST", "HEAD", "PUT", "DELETE", "OPTIONS", "PATCH")

Spoiler = Callable[[random.Random, bytes], bytes]


class Sent(NamedTuple):
    method: str
    path: str
    headers: dict[str, str]  # by their names in WSGI, without the length
    body: bytes
    framing: str  # length, chunked, short (less comes than was told) or none


def requests(seed: int, doors: Mapping[str, str], key: str) -> Iterator[Sent]:
    """To these paths, given with their methods; one that ends with a slash is the beginning of many.

    `key` may ask all of them. Doors that read a body are knocked at five times as often.
    """
    chance = random.Random(seed)
    weights = [5 if method == "POST" else 1 for method in doors.values()]
    for path in iter(lambda: chance.choices(list(doors), weights)[0], None):
        headers = {"CONTENT_TYPE": "application/json", "HTTP_AUTHORIZATION": f"Bearer {key}"}
        method = chance.choice(METHODS) if chance.random() < 0.05 else doors[path]
        body = _body(chance, path, headers) if method == "POST" or chance.random() < 0.1 else b""
        if chance.random() < 0.15:
            headers[chance.choice(SPOILT)] = chance.choice(HEADERS)
        framing = chance.choice(("chunked", "short", "none")) if chance.random() < 0.1 else "length"
        yield Sent(method, _whole(chance, path), headers, body, framing)


def right(chance: random.Random, path: str) -> Any:
    """A document that the path would take."""
    if path.endswith("/events"):
        return [_event(chance) for _ in range(chance.randrange(1, 5))]
    if path.endswith("/batch"):
        return {"requests": [_asked(chance) for _ in range(chance.randrange(1, 6))]}
    if "/ofrep/" in path:
        return {"context": {"targetingKey": _word(chance), "scenario": "home_feed", "country": "IN", "age": 5}}
    return _asked(chance)


def _asked(chance: random.Random) -> dict[str, Any]:
    sticky = {"attributeName": "user_id", "attributeValue": _word(chance), "assignments": {"experiment-1__0": "0"}}
    more = {
        "trace_id": f"t-{chance.random()}",
        "recent": [{"event": "view", "item_id": "sku-1", "at": "2026-11-23T10:00:00Z"}],
        "slots": chance.randrange(1, 20),
        "exclude_items": ["sku-4"],
        "eligible": {"category": ["dress"], "tags": ["new"]},
        "propensities": chance.random() < 0.2,
        "log": chance.random() < 0.5,
        "forced": "token." + "x" * 40,
        "sticky": {f"user_id||{_word(chance)}": sticky},
    }
    kept = {name: value for name, value in more.items() if chance.random() < 0.3}
    attributes = {
        "country": chance.choice(("IN", "US")),
        "platform": "android",
        "app_version": "5.2.0",
        "n": {"m": [1]},
    }
    return {
        "unit": {"user_id": _word(chance), "device_id": "d"},
        "scenario": "home_feed",
        "attributes": attributes,
    } | kept


def _event(chance: random.Random) -> dict[str, Any]:
    return {
        "event_id": str(UUID(int=chance.getrandbits(128))),
        "type": chance.choice(("click", "impression", "visit", "order")),
        "at": "2026-11-23T10:00:00Z",
        "unit": {"user_id": _word(chance)},
        "scenario": "home_feed",
        "item_id": "sku-1",
        "value": "12.50",
        "currency": "INR",
        "order_id": "o-1",
        "properties": {"a": [1, {"b": None}]},
    }


def _word(chance: random.Random) -> str:
    return chance.choice(WORDS) if chance.random() < 0.05 else f"u-{chance.randrange(1_000_000)}"


def _body(chance: random.Random, path: str, headers: dict[str, str]) -> bytes:
    if chance.random() < 0.05:
        return b""
    if chance.random() < BIG:
        return chance.choice(BIG_ONES)(chance, path, headers)
    document = right(chance, path)
    for _ in range(chance.randrange(3)):
        document = _altered(chance, document)
    raw = json.dumps(document, ensure_ascii=chance.random() < 0.5).encode(errors="surrogatepass")
    if path.endswith("/events") and isinstance(document, list) and chance.random() < 0.3:
        headers["CONTENT_TYPE"] = "application/x-ndjson"
        raw = b"\n".join(json.dumps(one).encode() for one in document)
    return _encoded(chance, chance.choice(SPOILERS)(chance, raw) if raw and chance.random() < 0.5 else raw, headers)


def _encoded(chance: random.Random, raw: bytes, headers: dict[str, str]) -> bytes:
    if not raw or chance.random() > 0.1:
        return raw
    headers["HTTP_CONTENT_ENCODING"] = "gzip"
    squeezed = gzip.compress(raw, 1, mtime=0)
    return chance.choice((squeezed, squeezed, squeezed[: chance.randrange(len(squeezed))], squeezed * 2, raw))


def _altered(chance: random.Random, document: Any) -> Any:
    """The same with one place, however deep, taken out, doubled, renamed or turned into something else."""
    if not document or not isinstance(document, dict | list) or chance.random() < 0.2:
        return _hostile(chance)
    if isinstance(document, list):
        at = chance.randrange(len(document))
        return [*document[:at], _altered(chance, document[at]), *document[at:][chance.randrange(2) :]]
    name = chance.choice(list(document))
    match chance.randrange(5):
        case 0:
            return {key: value for key, value in document.items() if key != name}
        case 1:
            return {**document, chance.choice(WORDS): document[name]}
    return {**document, name: _altered(chance, document[name])}


def _hostile(chance: random.Random) -> Any:
    deep: Any = []
    for _ in range(chance.choice((3, 50, 300)) if chance.random() < 0.3 else 0):
        deep = [deep] if chance.random() < 0.5 else {"a": deep}
    many = chance.choice((2, 101, 1_001)) if chance.random() < 0.2 else 2
    return chance.choice(
        (
            None,
            deep,
            {},
            chance.choice(NUMBERS),
            chance.choice(WORDS),
            dict.fromkeys(map(str, range(many)), 1),
            ["x"] * many,
        )
    )


def _flipped(chance: random.Random, raw: bytes) -> bytes:
    at = chance.randrange(len(raw))
    return raw[:at] + chance.randbytes(chance.randrange(1, 4)) + raw[at + 1 :]


def _cut(chance: random.Random, raw: bytes) -> bytes:
    return raw[: chance.randrange(len(raw))]


def _repeated(chance: random.Random, raw: bytes) -> bytes:
    first, end = sorted(chance.sample(range(len(raw) + 1), 2))
    return raw[:end] + raw[first:end] + raw[end:]


def _nested(chance: random.Random, raw: bytes) -> bytes:
    depth = chance.choice((200, 990, 1_100, 20_000))
    return raw.replace(b'"IN"', b"[" * depth + b"]" * depth, 1)


def _numbered(chance: random.Random, raw: bytes) -> bytes:
    number = chance.choice(
        (b"1e999", b"-1e999", b"9" * 400, b"9" * 5_000, b"0." + b"1" * 5_000, b"NaN", b"Infinity", b"01")
    )
    return raw.replace(b'"IN"', number, 1)


def _surrogate(chance: random.Random, raw: bytes) -> bytes:
    return raw.replace(
        b"u-", chance.choice((b"\\ud800", b"\\udfff\\ud800", b"\xed\xa0\x80", b"\xff", b"\\u0000", b"\\x")), 1
    )


def _misencoded(chance: random.Random, raw: bytes) -> bytes:
    text = raw.decode(errors="replace")
    return text.encode(chance.choice(("utf-16", "utf-32", "utf-8-sig", "utf-7")), "replace")


def _spaced(chance: random.Random, raw: bytes) -> bytes:
    return b" \n" * chance.choice((1, 10_000)) + raw + chance.choice((b"", b"\0", b"{}", b"]"))


SPOILERS: tuple[Spoiler, ...] = (_flipped, _cut, _repeated, _nested, _numbered, _surrogate, _misencoded, _spaced)

Big = Callable[[random.Random, str, dict[str, str]], bytes]


def _bomb(chance: random.Random, path: str, headers: dict[str, str]) -> bytes:
    """64 MiB as 64 KiB."""
    headers["HTTP_CONTENT_ENCODING"] = "gzip"
    squeezer = zlib.compressobj(9, zlib.DEFLATED, 31)
    return b"".join(squeezer.compress(b" " * 2**20) for _ in range(64)) + squeezer.flush()


def _brackets(chance: random.Random, path: str, headers: dict[str, str]) -> bytes:
    return chance.choice((b"[", b'{"a":', b'[{"unit":', b"[[],")) * 100_000


def _edge(chance: random.Random, path: str, headers: dict[str, str]) -> bytes:
    """At the bound, a byte past it, or far past it."""
    raw = json.dumps(right(chance, path)).encode()
    return raw + b" " * (chance.choice((LONGEST, LONGEST + 1, LONGEST + 2**18)) - len(raw))


def _crowded(chance: random.Random, path: str, headers: dict[str, str]) -> bytes:
    """As much work as one body can ask for."""
    one: Any = right(chance, path)
    if path.endswith("/batch"):
        return json.dumps(
            {"requests": [{**_asked(chance), "slots": 500, "log": False}] * chance.choice((300, 1_001))}
        ).encode()
    if path.endswith("/events"):
        return json.dumps([_event(chance) | {"type": ""} for _ in range(5_000)]).encode()
    return json.dumps({**one, "attributes": {str(i): "x" * 100 for i in range(20_000)}}).encode()


BIG_ONES: tuple[Big, ...] = (_bomb, _brackets, _edge, _crowded)


def _whole(chance: random.Random, path: str) -> str:
    """A prefix with something after it."""
    names = ("experiment-1", "parameter.1", "", "%00", "..%2f..", "a" * 3_000, "\u00e9", "sdk-x", "//", "a/b")
    return path + chance.choice(names) if path.endswith("/") else path


def environ(sent: Sent, given: Mapping[str, Any]) -> dict[str, Any]:
    """As a server hands it to the application; `given` has the rest, the input among it."""
    told = (
        {"CONTENT_LENGTH": str(len(sent.body) + (sent.framing == "short") * 7)}
        if sent.framing in ("length", "short")
        else {}
    )
    ended = {"wsgi.input_terminated": True} if sent.framing == "chunked" else {}
    return {"REQUEST_METHOD": sent.method, "PATH_INFO": sent.path, **sent.headers, **told, **ended, **given}
