import gzip
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firstlight.doors import bodies

json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0")),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text("abc/~é"), inner, max_size=4),
    max_leaves=10,
)  # fmt: skip


@given(json_values)
def test_json_is_read_as_the_standard_library_reads_it(value):
    body = json.dumps(value).encode()
    assert bodies.decoded(body) == json.loads(body)


@given(st.binary(max_size=200))
def test_no_bytes_are_too_strange_to_be_refused(body):
    try:
        document = bodies.decoded(body)
    except (bodies.Broken, bodies.Unstorable):
        return
    assert json.loads(body) == document


@pytest.mark.parametrize(
    "body",
    [b"", b"{", b"NaN", b"[Infinity]", b"1e999", b"[1,]", b"'a'", b'"\xff"', b'"\\ud800"', b'"\\ud800\\u0041"',
     b'"\\udc00"', b"[" * 100_000, b"\xef\xbb\xbf{}", b"{} {}", b'{"a": 01}'],
)  # fmt: skip
def test_what_is_not_strict_json_is_broken(body):
    with pytest.raises(bodies.Broken):
        bodies.decoded(body)


def test_what_the_database_cannot_hold_is_told_by_pointer():
    body = json.dumps({"a/b": ["fine", "nul \0"], "n\0": 1, "big": [10**30], "edge": 2**63 - 1, "text": "9" * 30})
    with pytest.raises(bodies.Unstorable) as refused:
        bodies.decoded(body.encode())
    assert {place["pointer"] for place in refused.value.places} == {"/a~1b/1", "", "/big/0"}


@given(st.lists(st.binary(max_size=100), min_size=1, max_size=3))
def test_gzip_gives_back_what_was_packed_in_any_number_of_members(parts):
    assert bodies.inflated(b"".join(map(gzip.compress, parts)), "gzip") == b"".join(parts)


def test_a_bomb_is_refused_without_being_inflated():
    bomb = gzip.compress(bytes(200 * 2**20), 9)
    assert len(bomb) < bodies.LIMIT
    with pytest.raises(bodies.TooLarge):
        bodies.inflated(bomb, "gzip")


def test_bombs_in_many_members_are_refused_together():
    with pytest.raises(bodies.TooLarge):
        bodies.inflated(gzip.compress(bytes(2**20)) * 5, "gzip")


def test_the_limit_itself_is_allowed():
    assert len(bodies.inflated(bytes(bodies.LIMIT), "")) == bodies.LIMIT
    assert len(bodies.inflated(gzip.compress(bytes(bodies.LIMIT)), "gzip")) == bodies.LIMIT
    with pytest.raises(bodies.TooLarge):
        bodies.inflated(bytes(bodies.LIMIT + 1), "identity")
    with pytest.raises(bodies.TooLarge):
        bodies.inflated(gzip.compress(bytes(bodies.LIMIT + 1)), "gzip")


@pytest.mark.parametrize("body", [b"plain", gzip.compress(b"x" * 1000)[:-9], gzip.compress(b"x") + b"rest"])
def test_what_is_not_whole_gzip_is_broken(body):
    with pytest.raises(bodies.Broken):
        bodies.inflated(body, "gzip")


def test_an_unknown_encoding_is_named():
    with pytest.raises(bodies.UnknownEncoding, match="br"):
        bodies.inflated(b"", "br")
