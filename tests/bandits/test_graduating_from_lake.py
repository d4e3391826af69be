"""The whole way: events in the lake, a ledger, a posterior, a decision, a table without the item, and back."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from bandits import graduating, learning
from bandits.models import Campaign, DrawTable, Outcome, Status
from firstlight.catalog.models import Item, Scenario
from tests.bandits.test_learning import Event, arrive

START = datetime(2026, 11, 1, 8, tzinfo=UTC)
AT = START + timedelta(days=4)
RATES = {"good": 0.12, "poor": 0.0, "fair": 0.04, "old-1": 0.04, "old-2": 0.04}


@pytest.fixture
def campaign(db: None, settings: Any, tmp_path: Path) -> Campaign:
    settings.LAKE_URL = (tmp_path / "lake").as_uri()
    for key in RATES:
        Item.objects.create(key=key, tags=[] if key.startswith("old") else ["new"])
    scenario = Scenario.objects.create(key="home", name="Home")
    arrive(1, [event for key, rate in RATES.items() for event in visits(key, 600, rate)])
    return Campaign.objects.create(
        key="new",
        name="New",
        scenario=scenario,
        positions=[1],
        pool_tags=["new"],
        status=Status.RUNNING,
        started_at=START,
    )


def visits(item: str, n: int, rate: float, start: datetime = START) -> Iterator[Event]:
    """So many views over two days, of which this share is clicked."""
    for i in range(n):
        at, trace = start + timedelta(minutes=4 * i), f"{item}-{start:%d}-{i}"
        yield Event("impression", at, item, trace)
        if i < n * rate:
            yield Event("click", at + timedelta(minutes=1), item, trace)


def in_table() -> list[str]:
    return DrawTable.objects.order_by("-pk").values_list("items", flat=True)[0]


def test_items_leave_the_table_when_they_are_known_and_come_back_when_a_person_says_so(campaign: Campaign) -> None:
    learning.learn(campaign.pk, at=AT)
    assert in_table() == ["fair", "good", "poor"]
    made = graduating.graduate(campaign.pk, at=AT)
    assert {row.item: row.kind for row in made} == {"good": "graduated", "poor": "retired"}
    told = next(row.evidence for row in made if row.item == "good")
    assert (told["impressions"], told["rewards"], told["bar_from"]) == (
        600,
        72,
        "median of 2 incumbents of the scenario",
    )
    assert told["bar"] == pytest.approx(0.04)
    learning.learn(campaign.pk, at=AT)
    assert in_table() == ["fair"]
    graduating.reverse(Outcome.objects.get(item="good").pk, actor="pm", at=AT, reason="It is sold out.")
    learning.learn(campaign.pk, at=AT)
    assert in_table() == ["fair", "good"]
    assert graduating.graduate(campaign.pk, at=AT) == []
    arrive(2, visits("good", 200, 0.12, start=AT + timedelta(hours=1)))
    later = AT + timedelta(days=3)
    learning.learn(campaign.pk, at=later)
    assert [row.item for row in graduating.graduate(campaign.pk, at=later)] == ["good"]
