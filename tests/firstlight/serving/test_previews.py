"""Preview links: good for what they say, as long as they say, and only when we signed them."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firstlight.serving import previews

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


def test_another_installation_takes_none_of_ours(settings: object) -> None:
    token = previews.sign(ARMS, LATER)
    settings.SECRET_KEY = "another"  # type: ignore[attr-defined]
    with pytest.raises(previews.Invalid):
        previews.read(token, AT)
