from datetime import UTC, datetime

import pytest

from firstlight.metrics.models import ScenarioMeasure
from tests.api.conftest import pointers

PATH = "/api/v1/scenarios/home_feed/metrics"


@pytest.fixture
def measured(scenarios):
    counts = dict.fromkeys(("clicks", "carts", "orders", "returning_units"), 1) | {"units": 10, "buyers": 1}
    for day, source, impressions in ((1, "", 100), (1, "i2i", 40), (2, "", 0)):
        ScenarioMeasure.objects.create(
            scenario=scenarios[0], grain="day", starts_at=datetime(2026, 11, day, tzinfo=UTC), recall_source=source,
            impressions=impressions, clicked_impressions=min(impressions, 5), measured_at=datetime.now(UTC),
            gross={"INR": "12.5000"}, net={"INR": "10.0000"}, **counts,
        )  # fmt: skip


def test_a_scenario_shows_its_days_with_shares_divided(api, measured):
    found = api.get(PATH, {"from": "2026-11-01T00:00:00Z", "to": "2026-11-03T00:00:00Z"}).json()
    first, second = found["results"]
    assert (first["impressions"], first["click_rate"], first["gross"]) == (100, 0.05, {"INR": "12.5000"})
    assert set(second["click_rate"]) == {"withheld"}
    by = {"from": "2026-11-01T00:00:00Z", "to": "2026-11-03T00:00:00Z", "by": "recall_source"}
    assert [row["recall_source"] for row in api.get(PATH, by).json()["results"]] == ["i2i"]
    assert api.get(PATH, {"to": "2026-11-02T00:00:00Z"}).json()["results"] == [first]


@pytest.mark.parametrize(
    ("query", "wrong"),
    [
        ({"grain": "minute"}, "grain"),
        ({"by": "shoe_size"}, "by"),
        ({"from": "yesterday"}, "from"),
        ({"from": "2026-11-02T00:00:00"}, "from"),
        ({"to": "9999-12-31T23:59:59-14:00"}, "to"),
        ({"from": "2026-11-02T00:00:00Z", "to": "2026-11-01T00:00:00Z"}, "from"),
        ({"from": "2001-11-02T00:00:00Z"}, "from"),
        ({"to": "0001-01-01T00:00:00Z"}, "from"),
    ],
)
def test_what_cannot_be_asked_is_refused_by_name(api, measured, query, wrong):
    assert pointers(api.get(PATH, query)) == {wrong}


def test_a_limited_key_does_not_see_other_scenarios(client_with, measured):
    assert client_with(scenarios=["search"]).get(PATH).status_code == 404
    assert client_with(scenarios=["home_feed"]).get(PATH).status_code == 200
