"""GET /api/features/{client_key}: what the SDKs of GrowthBook fetch, from any page and by anybody who knows the key.

The bytes are made once for each version of the experiments, set of scenarios and choice of lists, not per request. They
hold no date: two processes that hold the same experiments give the same bytes, and the SDKs go by the tag.
Source: GrowthBook SDK specification, "SDK connection endpoint"; headers as its own CDN sends them.
"""

import gzip
from functools import partial

import msgspec
from django.conf import settings

from firstlight.accounts.client_keys import HeldClientKey
from firstlight.assignment import published
from firstlight.assignment.index import Published
from firstlight.assignment.payload import payload
from firstlight.serving import access
from firstlight.serving.publishing import QUICK, WORTH_IT, Bodies, Body
from firstlight.serving.wire import Answer, Environ, Headers, Refusal
from firstlight.snapshots.memory import Held

PATH = "/api/features/"
METHODS = ("GET", "HEAD", "OPTIONS")
CACHED = (("Cache-Control", "public, max-age=30, stale-while-revalidate=3600, stale-if-error=36000"),)
ANYBODY: Headers = (
    ("Access-Control-Allow-Origin", "*"),
    ("Access-Control-Expose-Headers", "ETag, x-sse-support, Firstlight-Snapshot"),
)
ASKED: Headers = (
    *ANYBODY,
    ("Access-Control-Allow-Methods", ", ".join(METHODS)),
    ("Access-Control-Allow-Headers", "*"),
    ("Access-Control-Max-Age", "86400"),
)


def features(environ: Environ) -> Answer:
    if environ["REQUEST_METHOD"] == "OPTIONS":
        return Answer(204, b"", headers=ASKED)
    held = access.snapshot()
    body = body_of(held, _key(held, environ))
    squeezed = body.squeezed if "gzip" in environ.get("HTTP_ACCEPT_ENCODING", "") else None
    told = (*CACHED, *ANYBODY, *_streaming(), ("Vary", "Accept-Encoding"), ("Firstlight-Snapshot", str(held.number)))
    headers: Headers = (*told, ("ETag", f'"{body.digest}{"-gzip" if squeezed else ""}"'))
    if body.digest in environ.get("HTTP_IF_NONE_MATCH", ""):
        return Answer(304, b"", headers=headers)
    if squeezed:
        return Answer(200, squeezed, headers=(*headers, ("Content-Encoding", "gzip")))
    return Answer(200, body.plain, headers=headers)


def _key(held: Held, environ: Environ) -> HeldClientKey:
    keys: dict[str, HeldClientKey] = held.state("client_keys")
    key = keys.get(environ["PATH_INFO"].removeprefix(PATH))
    if key is None:
        raise Refusal(404, "There is no such client key, or it was revoked.", headers=ANYBODY)
    return key


def body_of(held: Held, key: HeldClientKey) -> Body:
    there: frozenset[str] = held.state("scenarios")
    return _bodies[key.tells_lists].of(held.state("experiments"), there & key.scenarios if key.scenarios else there)


def _made(state: Published, scenarios: frozenset[str], *, lists: bool) -> Body:
    plain = msgspec.json.encode(payload(state, scenarios, lists=lists))
    squeezed = gzip.compress(plain, QUICK, mtime=0) if len(plain) >= WORTH_IT else None
    return Body(plain, squeezed, published.digest(plain))


def _streaming() -> Headers:
    """Whether changes are told at /sub/{client key} of the streams."""
    return (("x-sse-support", "enabled"),) if settings.STREAMS_URL else ()


_bodies = {lists: Bodies(partial(_made, lists=lists)) for lists in (False, True)}
