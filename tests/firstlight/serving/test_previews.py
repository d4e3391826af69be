"""Preview links: good for what they say, as long as they say, and only when we signed them."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firstlight.assignment.rules import NO_WISHES
from firstlight.serving import allocations, previews
from firstlight.snapshots.sections import Request

AT = datetime(2026, 11, 24, tzinfo=UTC)
LATER = AT + timedelta(days=1)
ARMS = {"ranker-din": "din", "größe": "a"}


def test_a_token_says_what_was_signed_until_it_ends() -> None:
    token = previews.sign(ARMS, LATER)
    assert previews.read(token, AT) == ARMS
    assert previews.read(token, LATER - timedelta(seconds=1)) == ARMS
    with pytest.raises(previews.Invalid, match="was good until 25 November 2026, 00:00 UTC"):
        previews.read(token, LATER)


@given(st.integers(0, 200), st.integers(1, 255))
def test_no_changed_byte_is_taken(place: int, other: int) -> None:
    token = bytearray(previews.sign(ARMS, LATER).encode())
    place %= len(token) - 1  # the last character has two bits that say nothing
    token[place] ^= other
    with pytest.raises(previews.Invalid):
        previews.read(token.decode("latin-1"), AT)


@given(st.text(max_size=100))
def test_whatever_is_sent_is_refused_in_words(text: str) -> None:
    with pytest.raises(previews.Invalid, match="no preview link"):
        previews.read(text, AT)


def test_another_installation_takes_none_of_ours(settings: Any) -> None:
    token = previews.sign(ARMS, LATER)
    settings.SECRET_KEY = "another"
    with pytest.raises(previews.Invalid):
        previews.read(token, AT)


HERE = "/api/v1/allocations"


def test_a_request_brings_a_link_and_what_its_unit_has_kept(client: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[Request] = []
    monkeypatch.setattr(
        allocations, "deciders", lambda: (("toy", lambda state, request, answer: told.append(request)),)
    )
    document = {"attributeName": "user_id", "attributeValue": "u-1", "assignments": {"ranker__1": "din"}}
    asked = {"unit": {"user_id": "u-1"}, "scenario": "home_feed", "log": False}
    token = previews.sign(ARMS, datetime.now(UTC) + timedelta(minutes=1))
    assert client.post(HERE, {**asked, "forced": token, "sticky": {"user_id||u-1": document}}).status == 200
    assert client.post(HERE, asked).status == 200
    assert (told[0].wishes.forced, told[0].wishes.sticky) == (ARMS, {"user_id||u-1": document})
    assert told[1].wishes is NO_WISHES


@pytest.mark.parametrize(
    ("wrong", "pointer"),
    [
        ({"forced": "x.y"}, "/forced"),
        ({"forced": 1}, "/forced"),
        ({"forced": "x" * 4_001}, "/forced"),
        ({"sticky": []}, "/sticky"),
        ({"sticky": {"a": {"attributeName": "user_id"}}}, "/sticky"),
        ({"sticky": {str(i): {} for i in range(21)}}, "/sticky"),
    ],
)
def test_what_is_not_ours_is_refused_by_its_place(client: Any, wrong: dict[str, Any], pointer: str) -> None:
    got = client.post(HERE, {"unit": {"user_id": "u-1"}, "scenario": "home_feed", **wrong})
    assert got.status == 422
    assert got.json["errors"][0]["pointer"].startswith(pointer)


def test_a_link_that_has_ended_is_refused_in_words(client: Any) -> None:
    token = previews.sign(ARMS, datetime.now(UTC) - timedelta(minutes=1))
    got = client.post(HERE, {"unit": {"user_id": "u-1"}, "scenario": "home_feed", "forced": token})
    assert "was good until" in got.json["errors"][0]["detail"]
