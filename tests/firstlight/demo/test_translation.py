"""Rows become events that can be sent again and that keep their weekday."""

import dataclasses
from datetime import UTC, datetime, timedelta

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from firstlight.demo import translation, trials
from firstlight.demo.open_bandit import Dataset, Impression

SHOWN = Impression(
    "men", "random", 7, datetime(2019, 11, 25, 12, tzinfo=UTC), 3, 2, True, 0.0125, ("f0", "f1", "f2", "f3")
)


@given(st.datetimes(datetime(2020, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC)))
def test_the_last_day_is_over_and_less_than_a_week_ago(at: datetime) -> None:
    ends = translation.LAST_DAY_ENDS + translation.shift(at)
    assert timedelta(0) <= at - ends < timedelta(days=7)
    assert translation.shift(at) % timedelta(days=7) == timedelta(0)


def test_a_clicked_impression_is_its_exposures_an_impression_and_a_click_of_one_trace() -> None:
    events = list(translation.events([SHOWN], timedelta(0)))
    assert [e["type"] for e in events] == ["exposure", "exposure", "impression", "click"]
    assert len({e["trace_id"] for e in events}) == 1
    assert all(e["unit"] == {"session_id": "obd-men-random-00007"} for e in events)
    told = [(e["experiment"], e["variant"]) for e in events[:2]]
    assert told == [("open-bandit-men", "random"), ("open-bandit-shop", "random")]
    assert {(e["item_id"], e["position"]) for e in events[2:]} == {("men-3", 2)}
    assert events[2]["propensity"] == 0.0125
    assert translation.count([SHOWN]) == len(events)


def test_no_click_no_event() -> None:
    unclicked = dataclasses.replace(SHOWN, clicked=False)
    assert [e["type"] for e in translation.events([unclicked], timedelta(0))] == [
        "exposure",
        "exposure",
        "impression",
    ]


def test_the_same_row_is_the_same_event_whenever_it_is_sent() -> None:
    def ids(weeks: int) -> list[str]:
        return [e["event_id"] for e in translation.events([SHOWN], timedelta(weeks=weeks))]

    assert ids(0) == ids(365)


def test_all_ids_differ_and_the_events_are_those_of_the_logs(dataset: Dataset) -> None:
    events = list(translation.events(dataset.impressions, timedelta(0)))
    exposures = 60_000 + 60_000 + 10_000  # in each campaign, in the whole shop, within the control
    assert len({e["event_id"] for e in events}) == len(events) == exposures + 60_000 + 287
    assert translation.count(dataset.impressions) == len(events)
    assert len({e["unit"]["session_id"] for e in events}) == 60_000


def test_a_body_of_one_batch_is_within_what_the_api_takes(dataset: Dataset) -> None:
    from firstlight.demo import client

    events = list(translation.events(dataset.impressions[: client.BATCH], timedelta(0)))[: client.BATCH]
    assert len(msgspec.json.Encoder().encode_lines(events)) < 4 * 2**20


@pytest.mark.parametrize("days", [0, 3])
def test_a_click_comes_after_what_was_clicked(days: int) -> None:
    *_, impression, click = translation.events([SHOWN], timedelta(days=days))
    assert click["at"] > impression["at"]


def test_the_control_is_split_in_two_for_the_comparison_with_itself(dataset: Dataset) -> None:
    split = [e for e in translation.events(dataset.impressions, timedelta(0)) if e.get("experiment") == trials.SAME]
    halves = [e["unit"]["session_id"] for e in split if e["variant"] == "one"]
    assert len(split) == 10_000 and abs(len(halves) - 5_000) < 4 * 50
    assert all(name.startswith("obd-all-random-") for name in halves)
