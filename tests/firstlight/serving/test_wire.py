import gzip
import io
import zlib
from typing import Any

import msgspec
import pytest

from firstlight.serving.wire import LONGEST_BODY

HERE = "/api/v1/allocations"
ASKED = {"unit": {"user_id": "u"}, "scenario": "home_feed"}
RAW = msgspec.json.encode(ASKED)


def padded(n_bytes: int) -> bytes:
    return RAW + b" " * (n_bytes - len(RAW))


def bomb(gigabytes: int) -> bytes:
    """So many GiB of blanks as about a MB a GiB of gzip."""
    squeezer = zlib.compressobj(9, zlib.DEFLATED, 31)
    blanks = b" " * 2**20
    return b"".join([squeezer.compress(blanks) for _ in range(gigabytes * 1024)]) + squeezer.flush()


@pytest.mark.parametrize(
    "kind", ["application/json", "application/json; charset=utf-8", 'Application/JSON;Charset="UTF-8"']
)
def test_json_is_accepted_however_it_is_written(client: Any, kind: str) -> None:
    assert client.post(HERE, ASKED, CONTENT_TYPE=kind).status == 200


@pytest.mark.parametrize(
    "kind", [None, "", "text/json", "application/x-ndjson", "application/json; charset=latin-1", "\xff"]
)
def test_other_content_types_are_refused(client: Any, kind: str | None) -> None:
    assert client.post(HERE, ASKED, CONTENT_TYPE=kind).status == 415


def test_gzip_is_accepted_also_in_several_members(client: Any) -> None:
    assert client.post_gzip(HERE, gzip.compress(RAW)).status == 200
    assert client.post_gzip(HERE, gzip.compress(RAW[:9]) + gzip.compress(RAW[9:])).status == 200


@pytest.mark.parametrize("encoding", ["br", "deflate", "gzip, gzip", "x"])
def test_other_encodings_are_refused(client: Any, encoding: str) -> None:
    assert client.post(HERE, ASKED, HTTP_CONTENT_ENCODING=encoding).status == 415


def test_a_bomb_is_refused_without_being_inflated(client: Any) -> None:
    import tracemalloc

    raw = bomb(2)
    tracemalloc.start()
    assert client.post_gzip(HERE, raw).status == 413
    assert tracemalloc.get_traced_memory()[1] < 6 * LONGEST_BODY
    tracemalloc.stop()


@pytest.mark.parametrize(
    "raw", [b"no gzip", gzip.compress(RAW)[:-1], gzip.compress(RAW)[:12], gzip.compress(RAW) + b"more"]
)
def test_broken_gzip_is_malformed(client: Any, raw: bytes) -> None:
    assert client.post_gzip(HERE, raw).status == 400


def test_the_bound_is_four_mebibytes_before_and_after_inflation(client: Any) -> None:
    assert client.post(HERE, padded(LONGEST_BODY)).status == 200
    assert client.post(HERE, padded(LONGEST_BODY + 1)).status == 413
    assert client.post_gzip(HERE, gzip.compress(padded(LONGEST_BODY))).status == 200
    assert client.post_gzip(HERE, gzip.compress(padded(LONGEST_BODY + 1))).status == 413


def test_an_announced_length_past_the_bound_is_refused_unread(client: Any) -> None:
    unread = io.BytesIO(b"x")
    got = client.post(HERE, b"", CONTENT_LENGTH="99999999999", **{"wsgi.input": unread})
    assert (got.status, unread.tell()) == (413, 0)


@pytest.mark.parametrize("length", ["-1", "1e3", "abc", "٣", "+5"])
def test_a_length_that_is_no_number_is_malformed(client: Any, length: str) -> None:
    assert client.post(HERE, ASKED, CONTENT_LENGTH=length).status == 400


def test_a_body_shorter_than_announced_is_malformed(client: Any) -> None:
    assert client.post(HERE, RAW, CONTENT_LENGTH=str(len(RAW) + 1)).status == 400


class Trickle(io.BytesIO):
    """Gives three bytes at a time, as a slow client does."""

    def read(self, size: int | None = -1) -> bytes:
        return super().read(min(3, size if size and size > 0 else 3))


def test_a_chunked_body_has_no_length_and_the_same_bound(client: Any) -> None:
    chunked = {"CONTENT_LENGTH": None, "wsgi.input_terminated": True}
    assert client.post(HERE, b"", **chunked, **{"wsgi.input": Trickle(RAW)}).status == 200
    assert client.post(HERE, b"", **chunked, **{"wsgi.input": io.BytesIO(padded(LONGEST_BODY))}).status == 200
    assert client.post(HERE, b"", **chunked, **{"wsgi.input": io.BytesIO(padded(LONGEST_BODY + 9))}).status == 413


def test_without_length_on_a_server_that_does_not_end_its_input_there_is_no_body(client: Any) -> None:
    assert client.post(HERE, RAW, CONTENT_LENGTH=None).status == 400
