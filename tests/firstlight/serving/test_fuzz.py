"""Twenty thousand hostile requests over every door, against a shop with everything live: no mistake of ours, no hang.

`python -m bench fuzz` sends five times as many over sockets to the processes that `make up` serves with.
"""

import gc
import io
import resource
import time
from collections import Counter
from collections.abc import Iterator
from itertools import islice
from typing import Any, NamedTuple

import msgspec
import pytest
from django.db import connection

from bench import allocate, hostile
from bench.hostile import Sent
from firstlight.accounts import keys
from firstlight.events import inbox, packs
from firstlight.serving import dispatcher, journal
from firstlight.serving.journal import Journal
from firstlight.snapshots import memory

N = 20_000
LONGEST = 1.0  # seconds of this thread for one answer
GROWTH = 48 * 2**20  # bytes that the second half may add to the most that the first half held
SEED = 20_261_124


class Answered(NamedTuple):
    status: int
    headers: dict[str, str]
    body: bytes
    seconds: float


@pytest.fixture
def kept(monkeypatch: pytest.MonkeyPatch) -> Journal:
    """A journal that writes when it is told, where what hostile requests leave in the log is read again."""
    here = Journal(_check_packs)
    monkeypatch.setattr(journal, "_journal", here)
    return here


@pytest.fixture
def key(transactional_db: None) -> Iterator[str]:
    with connection.cursor() as cursor:  # the inbox has no model, so nobody else empties it
        cursor.execute("TRUNCATE events_inbox")
    allocate.prepare()
    secret = keys.create("fuzz", ["allocate", "ingest"], [], "test")[1]
    memory.refresh()
    yield secret
    memory.forget()
    inbox.close()


def _check_packs(found: Any) -> None:
    for pack in found:
        assert all(msgspec.json.decode(line) for line in packs.lines(pack.event_id, pack.packed))


def answered(sent: Sent) -> Answered:
    told: list[Any] = []
    environ = hostile.environ(sent, {"wsgi.input": io.BytesIO(sent.body), "REMOTE_ADDR": "127.0.0.1"})
    began = time.thread_time()
    chunks = dispatcher.Dispatcher(_nowhere)(environ, lambda *line: told.append(line))
    seconds = time.thread_time() - began
    ((status, headers),) = told
    return Answered(int(status[:3]), dict(headers), b"".join(chunks), seconds)


def _nowhere(environ: Any, start_response: Any) -> list[bytes]:
    start_response("404 Not Found", [("Content-Type", "application/problem+json")])
    return [b"" if environ["REQUEST_METHOD"] == "HEAD" else b"{}"]


def check(sent: Sent, got: Answered) -> None:
    assert got.status < 500, (sent.path, sent.headers, sent.body[:500], got.body)
    assert got.seconds < LONGEST, (sent.path, sent.headers, sent.body[:500], got.seconds)
    if got.status in {204, 304} or sent.method == "HEAD":
        assert got.body == b""
    elif sent.path != "/metrics" and "gzip" not in got.headers.get("Content-Encoding", ""):
        msgspec.json.decode(got.body)
    if got.status >= 400:
        assert _says_why(sent, got), (sent.path, got.body)
        assert len(got.body) < 4_000, "a refusal does not send the client's text back at length"


def _says_why(sent: Sent, got: Answered) -> bool:
    """As a problem document, or in the words of OpenFeature where its clients ask."""
    if got.headers["Content-Type"] == "application/problem+json":
        return True
    return sent.path.startswith("/ofrep/") and bool(msgspec.json.decode(got.body)["errorDetails"])


@pytest.mark.slow
def test_hostile_requests_get_answers_in_time_and_leave_nothing_behind(key: str, kept: Journal) -> None:
    doors = {path: door.methods[0] for path, door in {**dispatcher.DOORS, **dispatcher.PREFIXES}.items()}
    statuses: Counter[int] = Counter()
    held = []
    for number, sent in enumerate(islice(hostile.requests(SEED, doors, key), N)):
        got = answered(sent)
        check(sent, got)
        statuses[got.status] += 1
        if number % 500 == 0:
            kept.write()
        if number % (N // 2) == N // 2 - 1:
            gc.collect()
            held.append(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024)
    kept.write()
    assert (kept.dropped, kept.waiting) == (0, 0)
    assert held[1] - held[0] < GROWTH
    assert statuses[200] > N / 10, "a fuzz that is refused at the door proves little"
    assert {400, 401, 405, 413, 415, 422} <= set(statuses)
