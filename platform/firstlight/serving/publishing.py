"""GET /api/v1/rules: what the key may see of experiments, for clients that put units into arms by themselves.

The bytes are made once for each version of the experiments and set of scenarios, not per request. The ETag is their
digest, so it stands while other parts of the snapshot change; the number of the snapshot is a header, also of a 304.
"""

import gzip
import threading
from collections.abc import Callable
from typing import NamedTuple

from firstlight.accounts.keys import HeldKey
from firstlight.assignment import published
from firstlight.assignment.index import Published
from firstlight.serving import access
from firstlight.serving.wire import Answer, Environ, Headers
from firstlight.snapshots.memory import Held

MOST_KEPT = 64  # sets of scenarios that keys are limited to; past it the bytes of one are made anew
WORTH_IT = 2**10  # bytes from which on a body is compressed for who takes it
QUICK = 1  # level of gzip: a tenth of the size in a tenth of the time of the best


class Body(NamedTuple):
    plain: bytes
    squeezed: bytes | None
    digest: str  # of the plain one

    @classmethod
    def of(cls, state: Published, scenarios: frozenset[str]) -> "Body":
        plain = published.encode(published.document(state, scenarios))
        squeezed = gzip.compress(plain, QUICK, mtime=0) if len(plain) >= WORTH_IT else None
        return cls(plain, squeezed, published.digest(plain))


class Bodies:
    """Of one version of the experiments, by scenarios."""

    def __init__(self, make: Callable[[Published, frozenset[str]], Body]) -> None:
        self._make = make
        self._making = threading.Lock()
        self._of: Published | None = None
        self._kept: dict[frozenset[str], Body] = {}

    def of(self, state: Published, scenarios: frozenset[str]) -> Body:
        with self._making:  # who comes meanwhile waits for these bytes instead of making them again
            if self._of is not state:
                self._of, self._kept = state, {}
            if scenarios not in self._kept:
                if len(self._kept) >= MOST_KEPT:
                    self._kept.pop(next(iter(self._kept)))
                self._kept[scenarios] = self._make(state, scenarios)
            return self._kept[scenarios]


_bodies = Bodies(Body.of)


def rules(environ: Environ) -> Answer:
    held = access.snapshot()
    key = access.admit(environ, held, "allocate")
    body = _bodies.of(held.state("experiments"), _scenarios(held, key))
    squeezed = body.squeezed if "gzip" in environ.get("HTTP_ACCEPT_ENCODING", "") else None
    tag = f'"{body.digest}{"-gzip" if squeezed else ""}"'
    headers: Headers = (("ETag", tag), ("Vary", "Accept-Encoding"), ("Firstlight-Snapshot", str(held.number)))
    if body.digest in environ.get("HTTP_IF_NONE_MATCH", ""):
        return Answer(304, b"", headers=headers)
    if squeezed:
        return Answer(200, squeezed, headers=(*headers, ("Content-Encoding", "gzip")))
    return Answer(200, body.plain, headers=headers)


def _scenarios(held: Held, key: HeldKey) -> frozenset[str]:
    """That there are and that the key may ask for."""
    there: frozenset[str] = held.state("scenarios")
    return there & key.scenarios if key.scenarios else there
