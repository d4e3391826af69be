"""Whatever is sent: a problem document that says where, or an answer; never a mistake of ours."""

from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.firstlight.serving.conftest import Client, Got

HERE = "/api/v1/allocations"
FULL: dict[str, Any] = {
    "unit": {"user_id": "u-81", "device_id": "d-9"},
    "scenario": "home_feed",
    "trace_id": "t-1",
    "attributes": {"country": "IN", "platform": "android"},
    "recent": [{"event": "view", "item_id": "sku-1", "at": "2026-11-23T10:00:00Z"}],
    "slots": 5,
    "exclude_items": ["sku-4"],
    "eligible": {"category": ["dress"]},
    "propensities": False,
    "log": False,
}

HOSTILE = [
    "\x00",
    "' OR 1=1 --",
    "<script>alert(1)</script>",
    "${jndi:ldap://x}",
    "../../etc/passwd",
    "\u202e\u200b\ufeff",
    "𝕏" * 50,
    "%s%n{0}",
    "$.[0]`",
]

scalars = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text()
values = st.recursive(
    scalars, lambda v: st.lists(v, max_size=4) | st.dictionaries(st.text(), v, max_size=4), max_leaves=12
)
patient = settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=300)


def check(got: Got, *allowed: int) -> None:
    assert got.status in (allowed or (200, 400, 422)), got.body[:300]
    if got.status != 200:
        assert got.headers["Content-Type"] == "application/problem+json"
        document = got.json
        assert document["status"] == got.status
        assert {"type", "title", "detail"} <= set(document)
        assert len(got.body) < 4_000, "a refusal does not send the client's text back at length"


@pytest.mark.parametrize("field", FULL)
def test_a_field_of_the_wrong_type_is_named(client: Client, field: str) -> None:
    wrongs: list[Any] = [{"x": [1]}, [[]], 5.5, -1, True, "", None]
    for wrong in wrongs:
        got = client.post(HERE, {**FULL, field: wrong})
        check(got, 200, 422)
        if got.status == 422:
            assert got.json["errors"][0]["pointer"].startswith(f"/{field}")


@pytest.mark.parametrize(
    ("pointer", "change"),
    [
        ("/unit/user_id", {"unit": {"user_id": 5}}),
        ("/unit/user_id", {"unit": {"user_id": ""}}),
        ("/unit/user_id", {"unit": {"user_id": "x" * 201}}),
        ("/unit/email", {"unit": {"email": "x"}}),
        ("/unit", {"unit": {}}),
        ("/unit", {"unit": {"user_id": None}}),
        ("/scenario", {"scenario": "x" * 201}),
        ("/trace_id", {"trace_id": ""}),
        ("/trace_id", {"trace_id": "x" * 201}),
        ("/attributes", {"attributes": {str(i): 1 for i in range(101)}}),
        ("/attributes", {"attributes": {"a": "x" * 16_384}}),
        ("/recent", {"recent": FULL["recent"] * 201}),
        ("/recent/0/at", {"recent": [{"event": "view", "at": "2026-11-23T10:00:00"}]}),
        ("/recent/0/at", {"recent": [{"event": "view", "at": "yesterday"}]}),
        ("/recent/1/event", {"recent": [FULL["recent"][0], {"item_id": "i"}]}),
        ("/slots", {"slots": -1}),
        ("/slots", {"slots": 501}),
        ("/slots", {"slots": 1.5}),
        ("/slots", {"slots": 10**30}),
        ("/exclude_items", {"exclude_items": ["i"] * 1_001}),
        ("/exclude_items/2", {"exclude_items": ["a", "b", 5]}),
        ("/eligible/category", {"eligible": {"category": ["i"] * 1_001}}),
        ("/eligible/category/0", {"eligible": {"category": [""]}}),
        ("/eligible/tags/1", {"eligible": {"merchant": ["m"], "country": ["IN"], "tags": ["new", 5]}}),
        ("/eligible/color", {"eligible": {"color": ["red"]}}),
        ("/propensities", {"propensities": "yes"}),
        ("/log", {"log": 1}),
        ("/exclude_item", {"exclude_item": ["misspelt"]}),
        ("/a~1b~0", {"a/b~": 1}),
    ],
)
def test_what_is_wrong_is_pointed_at(client: Client, pointer: str, change: dict[str, Any]) -> None:
    got = client.post(HERE, {**FULL, **change})
    check(got, 422)
    assert [e["pointer"] for e in got.json["errors"]] == [pointer]


@pytest.mark.parametrize("field", ["unit", "scenario"])
def test_a_missing_field_is_pointed_at(client: Client, field: str) -> None:
    got = client.post(HERE, {name: value for name, value in FULL.items() if name != field})
    check(got, 422)
    assert got.json["errors"][0]["pointer"] == f"/{field}"


def test_the_longest_allowed_is_allowed(client: Client) -> None:
    most = {
        "unit": dict.fromkeys(("user_id", "device_id", "session_id", "merchant_id", "item_id"), "ü" * 200),
        "scenario": "home_feed",
        "trace_id": "t" * 200,
        "attributes": {str(i): "x" * 100 for i in range(100)},
        "recent": FULL["recent"] * 200,
        "slots": 500,
        "exclude_items": [str(i) for i in range(1_000)],
        "eligible": {"category": [str(i) for i in range(1_000)]},
    }
    check(client.post(HERE, most), 200)


@pytest.mark.parametrize("text", HOSTILE)
@pytest.mark.parametrize("field", ["scenario", "trace_id"])
def test_hostile_text_is_only_text(client: Client, stored: Any, text: str, field: str) -> None:
    got = client.post(HERE, {**FULL, field: text, "unit": {"user_id": text}, "attributes": {text: text}, "log": True})
    check(got, 200 if field == "trace_id" else 422)
    if got.status == 200:
        (row,) = stored()
        assert (row["trace_id"], row["user_id"]) == (text, text)
        assert msgspec.json.decode(row["properties"])["attributes"] == {text: text}


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"{",
        b"nul",
        b"NaN",
        b"\xff\xfe{\x00}\x00",
        b"\xef\xbb\xbf{}",
        b'{"unit":{"user_id":"\\ud800"},"scenario":"home_feed"}',
        b'{"unit":{"user_id":"\xed\xa0\x80"},"scenario":"home_feed"}',
        b'{"unit":{"user_id":"\xff"},"scenario":"home_feed"}',
        b'{"unit":{"user_id":"a\x00b"},"scenario":"home_feed"}',
        b'{"unit":{"user_id":"u"},"scenario":"home_feed"} trailing',
        b"[" * 100_000,
        b'{"attributes":{"a":' + b"[" * 100_000 + b"]" * 100_000 + b"}}",
        b"{'unit': 1}",
    ],
)
def test_what_is_not_json_is_malformed_or_no_object(client: Client, raw: bytes) -> None:
    check(client.post(HERE, raw), 400, 422)


@pytest.mark.parametrize("depth", [100, 500, 900, 960, 980, 990, 1_000, 5_000])
def test_nesting_never_breaks_it(client: Client, stored: Any, depth: int) -> None:
    nested = b'{"unit":{"user_id":"u"},"scenario":"home_feed","attributes":{"a":' + b"[" * depth + b"]" * depth + b"}}"
    check(client.post(HERE, nested))
    stored()


@pytest.mark.parametrize("number", [b"1e999", b"-1e999", b"9" * 400, b"9" * 5_000, b"0." + b"1" * 5_000, b"-0"])
def test_numbers_without_measure_never_break_it(client: Client, stored: Any, number: bytes) -> None:
    raw = b'{"unit":{"user_id":"u"},"scenario":"home_feed","attributes":{"a":' + number + b"}}"
    check(client.post(HERE, raw))
    stored()


def test_a_place_inside_of_attributes_is_pointed_at_as_far_as_it_is_known(client: Client) -> None:
    got = client.post(HERE, b'{"unit":{"user_id":"u"},"scenario":"home_feed","attributes":{"a":1e999}}')
    check(got, 422)
    assert got.json["errors"][0]["pointer"] == "/attributes"


@patient
@given(values)
def test_any_json_gets_a_right_answer(client: Client, value: Any) -> None:
    check(client.post(HERE, value))
    check(client.post(f"{HERE}/batch", value))


@patient
@given(st.sampled_from(sorted(FULL)), values)
def test_any_value_in_any_field_gets_a_right_answer(client: Client, field: str, value: Any) -> None:
    check(client.post(HERE, {**FULL, field: value}))
    batch = client.post(f"{HERE}/batch", {"requests": [FULL, {**FULL, field: value}]})
    check(batch)
    if batch.status == 200:
        assert batch.json["results"][0]["snapshot"] == 7, "the good one is answered whatever stands beside it"


@patient
@given(st.binary(max_size=200), st.sampled_from(["identity", "gzip"]))
def test_any_bytes_get_a_right_answer(client: Client, raw: bytes, encoding: str) -> None:
    check(client.post(HERE, raw, HTTP_CONTENT_ENCODING=encoding))
    check(client.post("/api/v1/events", raw, HTTP_CONTENT_ENCODING=encoding))


@patient
@given(st.integers(0, len(msgspec.json.encode(FULL))), st.binary(min_size=1, max_size=3))
def test_a_body_with_a_few_bytes_changed_gets_a_right_answer(client: Client, at: int, noise: bytes) -> None:
    raw = msgspec.json.encode(FULL)
    check(client.post(HERE, raw[:at] + noise + raw[at + len(noise) :]))


@patient
@given(st.text(st.characters(max_codepoint=255)))
def test_any_header_gets_a_right_answer(client: Client, text: str) -> None:
    check(client.post(HERE, FULL, HTTP_AUTHORIZATION=text), 401)
    check(client.post(HERE, FULL, CONTENT_TYPE=text), 415)
    check(client.post(HERE, FULL, CONTENT_LENGTH=text), 200, 400, 413)
