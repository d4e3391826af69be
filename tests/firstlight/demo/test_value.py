"""The value of Thompson sampling from the random logs, against figures worked out apart: docs/methods.md."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import ibis
import msgspec
import pytest

from firstlight.demo import landed, translation, value
from firstlight.demo.open_bandit import CAMPAIGNS, Dataset
from firstlight.events.flush import columns
from firstlight.events.parse import MAX_EVENTS, parse


@pytest.fixture
def lake(dataset: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    """The logs as the lake would hold them."""
    lines = [msgspec.json.encode(event) for event in translation.events(dataset.impressions, timedelta(0))]
    calls = (b"\n".join(lines[start : start + MAX_EVENTS]) for start in range(0, len(lines), MAX_EVENTS))
    kept = [parse(call, "application/x-ndjson", at=translation.LAST_DAY_ENDS, may_backfill=True).rows for call in calls]
    table = ibis.memtable(columns(b"\n".join(row.payload for rows in kept for row in rows), 1))

    @contextmanager
    def events(_: Any) -> Iterator[Any]:
        yield table

    monkeypatch.setattr("firstlight.demo.landed.engine.events", events)


def test_for_all_it_is_the_known_value(lake: None, dataset: Dataset) -> None:
    found = value.estimate("all", dataset.beliefs["all"], timedelta(0))
    assert found["ips"] == pytest.approx(0.00456274, abs=5e-9)
    assert found["snips"] == pytest.approx(0.00478603, abs=5e-9)
    assert found["ess"] == pytest.approx(1643.2, abs=0.05)
    assert found["interval"][0] < found["snips"] < found["interval"][1]


@pytest.mark.parametrize("campaign", CAMPAIGNS)
def test_the_logs_support_a_value_in_every_campaign(lake: None, dataset: Dataset, campaign: str) -> None:
    found = value.estimate(campaign, dataset.beliefs[campaign], timedelta(0))
    assert found["ess"] > 50
    assert 0 < found["snips"] < 0.02


def test_every_event_that_landed_is_counted(lake: None) -> None:
    assert landed.count(timedelta(0)) == len(landed.event_ids(timedelta(0))) == 190_287


def test_the_logged_clicks_are_found_by_their_view(lake: None) -> None:
    shown = landed.choices("men", "random", timedelta(0))
    assert (shown.num_rows, sum(shown["clicked"].to_pylist())) == (10_000, 46)
