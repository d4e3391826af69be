"""What is taken in, what is refused and why, and that nothing changes on its way to the lake."""

import contextlib
import json
import uuid
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from firstlight.events import parse as parsing
from firstlight.events.flush import columns
from firstlight.events.parse import Malformed, Parsed, Rejection, TooMany, parse

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
ID = "0192aaaa-0000-7000-8000-000000000001"


def click(**changes: Any) -> dict[str, Any]:
    event = {
        "event_id": ID,
        "type": "click",
        "at": "2026-11-23T10:00:03Z",
        "unit": {"user_id": "u-81"},
        "scenario": "home_feed",
        "item_id": "sku-88",
    }
    return {k: v for k, v in (event | changes).items() if v != "absent"}


def take(*events: Any, **options: Any) -> Parsed:
    asked: dict[str, Any] = {"at": NOW, "may_backfill": False} | options
    return parse(json.dumps(events).encode(), "application/json", **asked)


def refusal(**changes: Any) -> Rejection:
    """Why a click with these changes is refused, when a good one stands before and after it."""
    parsed = take(click(), click(**changes), click())
    assert len(parsed.rows) == 2
    (rejected,) = parsed.rejected
    assert rejected.index == 1
    assert rejected.detail
    return rejected


def test_the_example_of_the_contract_is_accepted() -> None:
    event = {
        "event_id": "0192aaaa-0000-7000-8000-000000000002",
        "type": "click",
        "at": "2026-11-23T10:00:03Z",
        "unit": {"user_id": "u-81"},
        "scenario": "home_feed",
        "trace_id": "01936f0e-0000-7000-8000-000000000000",
        "item_id": "sku-88",
        "merchant_id": "m-7",
        "position": 3,
        "value": "12.50",
        "currency": "INR",
        "order_id": "o-5",
        "recall_source": "i2i",
        "ranker": "din",
        "score": 0.71,
        "experiment": None,
        "variant": None,
        "properties": {"query": "red dress"},
    }
    parsed = take(event)
    assert not parsed.rejected
    kept = json.loads(parsed.rows[0].payload)
    assert kept["at"] == 1795428003000000  # date -d 2026-11-23T10:00:03Z +%s
    assert kept["user_id"] == "u-81"
    assert json.loads(kept["properties"]) == {"query": "red dress"}


LONG = "x" * 201
HOSTILE = [0, -1, 1.5, True, [], {}, [[]], "", LONG]


@pytest.mark.parametrize("wrong", HOSTILE)
@pytest.mark.parametrize(
    "field",
    ["trace_id", "item_id", "merchant_id", "scenario", "order_id", "recall_source", "ranker", "experiment", "variant"],
)
def test_an_id_is_a_text_of_1_to_200_characters(field: str, wrong: Any) -> None:
    assert refusal(**{field: wrong}).pointer == f"/{field}"


@pytest.mark.parametrize("wrong", [*HOSTILE, None])
@pytest.mark.parametrize("name", ["user_id", "device_id", "session_id", "merchant_id", "item_id"])
def test_a_units_ids_are_checked_each(name: str, wrong: Any) -> None:
    pointer = "/unit" if wrong is None else f"/unit/{name}"
    assert refusal(unit={name: wrong}).pointer == pointer


@pytest.mark.parametrize(
    ("field", "wrong"),
    [
        ("event_id", "7"),
        ("event_id", 7),
        ("event_id", None),
        ("type", "clicks"),
        ("type", "x."),
        ("type", ""),
        ("type", 3),
        ("type", "x." + LONG),
        ("at", "yesterday"),
        ("at", "2026-11-23T10:00:03"),
        ("at", 1795428003),
        ("at", "2026-11-23T12:10:01Z"),
        ("at", "2026-10-24T11:59:59Z"),
        ("at", "0001-01-01T00:00:00+14:00"),
        ("unit", {}),
        ("unit", None),
        ("unit", "u-81"),
        ("unit", []),
        ("position", 0),
        ("position", "3"),
        ("position", 2**31),
        ("position", 1.5),
        ("value", 12.5),
        ("value", "12.50001"),
        ("value", "1e3"),
        ("value", "NaN"),
        ("value", "1" * 15),
        ("value", "١٢"),
        ("currency", "inr"),
        ("currency", "RUPEE"),
        ("score", "0.7"),
        ("propensity", 0),
        ("propensity", 1.01),
        ("phase", 0),
        ("properties", []),
        ("properties", "red dress"),
        ("properties", {"query": "x" * 17_000}),
    ],
)
def test_a_wrong_field_is_named(field: str, wrong: Any) -> None:
    assert refusal(**{field: wrong}).pointer.startswith(f"/{field}")


@pytest.mark.parametrize("field", ["event_id", "type", "at", "unit"])
def test_a_missing_field_is_named(field: str) -> None:
    assert refusal(**{field: "absent"}).pointer == f"/{field}"


@pytest.mark.parametrize(
    ("kind", "field"),
    [
        *[(kind, field) for kind in ("impression", "click", "cart") for field in ("item_id", "scenario")],
        *[(kind, field) for kind in ("order", "cancel", "refund") for field in ("value", "currency", "order_id")],
        *[("exposure", field) for field in ("experiment", "variant")],
    ],
)
def test_what_a_type_needs_is_asked_for(kind: str, field: str) -> None:
    whole = {
        "type": kind,
        "value": "1.00",
        "currency": "INR",
        "order_id": "o-1",
        "experiment": "e",
        "variant": "a",
    }
    assert not take(click(**whole)).rejected
    assert refusal(**whole | {field: None}).pointer == f"/{field}"


def test_a_misspelt_field_is_refused_and_not_lost() -> None:
    assert refusal(itemid="sku-1").pointer == "/itemid"
    assert refusal(unit={"user": "u"}).pointer == "/unit/user"


def test_nul_is_refused_wherever_it_hides() -> None:
    assert refusal(item_id="a\x00b").pointer == "/item_id"
    assert refusal(properties={"deep": [{"x": "\x00"}]}).pointer == "/properties/deep/0/x"
    assert refusal(properties={"a\x00": 1}).pointer == "/properties"


def test_late_and_early_have_their_bounds() -> None:
    edges = [NOW + timedelta(minutes=10), NOW - timedelta(days=30)]
    assert not take(*[click(at=edge.isoformat()) for edge in edges]).rejected
    old = click(at=(NOW - timedelta(days=300)).isoformat())
    assert take(old).rejected
    assert not take(old, may_backfill=True).rejected


def test_a_key_of_one_scenario_sends_no_events_of_another() -> None:
    parsed = take(click(), click(scenario="search"), scenarios=frozenset({"home_feed"}))
    assert [(r.index, r.pointer) for r in parsed.rejected] == [(1, "/scenario")]


@pytest.mark.parametrize("body", [b"", b"{", b"[{]", b"{}", b"null", b"7", b'"x"', b"\xff\xfe", b"[" * 9999])
def test_what_is_no_array_is_malformed(body: bytes) -> None:
    with pytest.raises(Malformed):
        parse(body, "application/json", at=NOW, may_backfill=False)


def test_lines_are_taken_one_by_one() -> None:
    good = json.dumps(click()).encode()
    parsed = parse(good + b"\n\n{broken\n" + good + b"\n7", "application/x-ndjson", at=NOW, may_backfill=False)
    assert len(parsed.rows) == 2
    assert [r.index for r in parsed.rejected] == [1, 3]


def test_more_than_ten_thousand_are_too_many() -> None:
    body = b"[" + b",".join([json.dumps(click()).encode()] * (parsing.MAX_EVENTS + 1)) + b"]"
    with pytest.raises(TooMany):
        parse(body, "application/json", at=NOW, may_backfill=False)
    with pytest.raises(TooMany):
        parse(body.replace(b"},{", b"}\n{")[1:-1], "application/x-ndjson", at=NOW, may_backfill=False)


text = st.text(st.characters(exclude_characters="\x00", exclude_categories=["Cs"]), min_size=1, max_size=200)
anything = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
optional = {
    **dict.fromkeys(("trace_id", "merchant_id", "recall_source", "ranker", "order_id", "experiment", "variant"), text),
    "position": st.integers(1, 2**31 - 1),
    "value": st.decimals(-(10**13), 10**13, allow_nan=False, places=4).map(lambda d: f"{d:f}"),
    "currency": st.from_regex(r"\A[A-Z]{3}\Z"),
    "score": st.floats(allow_nan=False, allow_infinity=False),
    "propensity": st.floats(0, 1, exclude_min=True),
    "phase": st.integers(1, 100),
    "properties": st.dictionaries(text, st.text(max_size=50).filter(lambda t: "\x00" not in t), max_size=3),
}
good = st.fixed_dictionaries(
    {
        "event_id": st.uuids().map(str),
        "type": st.sampled_from(["visit", "impression", "click", "cart"]) | text.map(lambda t: f"x.{t[:90]}"),
        "at": st.datetimes(datetime(2026, 10, 25), datetime(2026, 11, 23), timezones=st.just(UTC)).map(
            lambda d: d.isoformat()
        ),
        "unit": st.dictionaries(st.sampled_from(["user_id", "device_id", "session_id"]), text, min_size=1),
        "scenario": text,
        "item_id": text,
    },
    optional=optional,
)


@given(st.lists(good, max_size=5))
@settings(deadline=None)
def test_whatever_is_accepted_reads_back_as_it_was_sent(events: list[dict[str, Any]]) -> None:
    parsed = take(*events)
    assert parsed.rejected == []
    back = columns(b"\n".join(row.payload for row in parsed.rows), 9).to_pylist()
    for sent, kept in zip(events, back, strict=True):
        at = datetime.fromisoformat(sent["at"]).replace(tzinfo=None)
        assert (kept["at"], kept["day"], kept["batch"]) == (at, at.date(), 9)
        for name in sent.keys() - {"at", "unit", "properties", "value"}:
            assert kept[name] == sent[name]
        assert {k: kept[k] for k in sent["unit"]} == sent["unit"]
        assert (json.loads(kept["properties"]) if kept["properties"] else {}) == sent.get("properties", {})
        if "value" in sent:
            assert kept["value"] == Decimal(sent["value"])


@given(st.lists(anything | good.flatmap(lambda e: st.dictionaries(st.sampled_from(sorted(e)), anything).map(e.__or__))))
@settings(deadline=None)
def test_nothing_that_is_json_breaks_it(events: list[Any]) -> None:
    try:
        body = json.dumps(events).encode()
        parsed = parse(body, "application/json", at=NOW, may_backfill=True)
    except Malformed:  # NaN, Infinity and half characters are no JSON
        return
    assert len(parsed.rows) + len(parsed.rejected) == len(events)
    columns(b"\n".join(row.payload for row in parsed.rows), 1)


@given(st.binary())
def test_nothing_at_all_breaks_it(body: bytes) -> None:
    for kind in ("application/json", "application/x-ndjson"):
        with contextlib.suppress(Malformed):
            parse(body, kind, at=NOW, may_backfill=True)


def test_event_ids_are_written_in_one_form() -> None:
    """An id sent in capitals is the same id."""
    capital = str(uuid.UUID(ID)).upper()
    assert take(click(event_id=capital)).rows[0].event_id == ID
