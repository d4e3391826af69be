from datetime import UTC, datetime, timedelta
from decimal import Decimal
from uuid import UUID

import pyarrow as pa
import pytest
import uuid_utils

from firstlight.events import traces
from firstlight.lake import table
from firstlight.lake.schema import EVENTS

NOW = datetime.now(UTC)


def row(type_, at, trace_id, **fields):
    at = at.astimezone(UTC).replace(tzinfo=None)
    return {
        "event_id": str(uuid_utils.uuid7()),
        "type": type_,
        "at": at,
        "trace_id": trace_id,
        "day": at.date(),
        "batch": 1,
    } | fields


@pytest.fixture
def lake(settings, tmp_path):
    settings.LAKE_URL = (tmp_path / "lake").as_uri()

    def write(*rows):
        table.append(1, pa.Table.from_pylist(list(rows), schema=EVENTS))

    return write


def test_a_decision_and_what_came_of_it(api, lake):
    trace_id, other = str(uuid_utils.uuid7()), str(uuid_utils.uuid7())
    shown = {
        "position": 3,
        "item_id": "sku-1",
        "campaign": "new",
        "table": 5,
        "row": 7,
        "propensity": 0.25,
        "source": "table",
    }
    lake(
        row("click", NOW + timedelta(seconds=5), trace_id, item_id="sku-1", scenario="home_feed"),
        row(
            "decision",
            NOW,
            trace_id,
            scenario="home_feed",
            discovery=[shown],
            properties='{"journey_stage": "browsing"}',
        ),
        row("impression", NOW + timedelta(seconds=1), trace_id, item_id="sku-1", scenario="home_feed", position=3),
        row("click", NOW, other, item_id="sku-2", scenario="home_feed"),
    )
    found = api.get(f"/api/v1/traces/{trace_id}/").json()
    assert found["decision"]["discovery"] == [shown]
    assert found["decision"]["properties"] == {"journey_stage": "browsing"}
    assert [event["type"] for event in found["events"]] == ["impression", "click"]
    assert found["events"][0]["position"] == 3
    assert "currency" not in found["events"][0]


def test_what_nobody_logged_is_not_found(api, lake):
    assert api.get(f"/api/v1/traces/{uuid_utils.uuid7()}/").status_code == 404
    lake(row("visit", NOW, "mine"))
    for strange in ("x", "x" * 201, "%00", "'; DROP TABLE events", "%F0%9F%98%80"):
        assert api.get(f"/api/v1/traces/{strange}/").status_code == 404
    assert api.get("/api/v1/traces/mine/").status_code == 200


def test_a_limited_key_does_not_see_other_scenarios(client_with, lake):
    lake(row("decision", NOW, "t", scenario="search"))
    assert client_with(scenarios=["search"]).get("/api/v1/traces/t/").status_code == 200
    assert client_with(scenarios=["home_feed"]).get("/api/v1/traces/t/").status_code == 404


def test_a_version_7_id_says_where_to_look():
    made = datetime(2026, 3, 1, 12, tzinfo=UTC)
    trace_id = str(UUID(int=(int(made.timestamp() * 1000) << 80) | (7 << 76) | (2 << 62)))
    window = traces.searched(trace_id, NOW)
    assert window.start < made < window.end
    assert window.end - window.start < timedelta(days=9)


@pytest.mark.parametrize(
    "trace_id", ["mine", "ffffffff-ffff-7fff-bfff-ffffffffffff", "0192d4e0-0000-4000-8000-000000000000"]
)
def test_an_id_that_does_not_say_when_is_looked_for_in_the_last_week(trace_id):
    window = traces.searched(trace_id, NOW)
    assert (window.start, window.end) == (NOW - timedelta(days=7), NOW + timedelta(days=1))


def test_the_path_of_each_item_is_told_with_what_recommended_it(api, lake):
    trace_id = str(uuid_utils.uuid7())
    shown = {"position": 3, "item_id": "sku-1", "campaign": "new", "table": 5, "row": 7, "propensity": 0.25}
    here = {"scenario": "home_feed", "item_id": "sku-1"}
    lake(
        row("decision", NOW, trace_id, scenario="home_feed", discovery=[{**shown, "source": "table"}], user_id="u"),
        row("impression", NOW + timedelta(seconds=1), trace_id, recall_source="i2i", ranker="din", score=0.5, **here),
        row("order", NOW + timedelta(minutes=1), trace_id, value=Decimal("12.5"), currency="INR", order_id="o", **here),
    )
    found = api.get(f"/api/v1/traces/{trace_id}/").json()
    (way,) = found["path"]
    assert (way["item_id"], way["recall_source"], way["ranker"], way["score"]) == ("sku-1", "i2i", "din", 0.5)
    assert way["placed"]["campaign"] == "new"
    assert [(step["type"], step["delay"]) for step in way["steps"]] == [("impression", 1.0), ("order", 60.0)]
    assert way["steps"][1]["value"] == "12.5000"
    assert found["reached"] == way["reached"] == "order"
    assert found["trace_id"] == trace_id
    assert not found["is_cut"]
    assert found["replay"]["verdict"] == "withheld"
    assert found["replay"]["reason"] == "the snapshot that decided is not kept any more"


def test_events_without_a_decision_are_told_and_not_replayed(api, lake):
    lake(row("click", NOW, "t", scenario="home_feed", item_id="sku-1"))
    found = api.get("/api/v1/traces/t/").json()
    assert found["decision"] is None
    assert found["path"][0]["reached"] == "click"
    assert found["replay"] == {
        "verdict": "withheld",
        "reason": "no decision is logged under this trace",
        "snapshot": None,
        "uncounted": 0,
        "differences": [],
    }


def test_what_a_trace_tells_is_bounded(api, lake):
    lake(*(row("impression", NOW + timedelta(seconds=i), "t", item_id=f"i-{i}") for i in range(1_050)))
    found = api.get("/api/v1/traces/t/").json()
    assert len(found["events"]) == len(found["path"]) == 1_000
    assert found["is_cut"]


def test_who_may_see_one_scenario_of_a_trace_that_spans_two_sees_none_of_it(client_with, lake):
    lake(row("decision", NOW, "t", scenario="search"), row("click", NOW, "t", scenario="home_feed", item_id="i"))
    assert client_with(scenarios=["search"]).get("/api/v1/traces/t/").status_code == 404
    assert client_with(scenarios=["search", "home_feed"]).get("/api/v1/traces/t/").status_code == 200


def test_two_decisions_under_one_trace_are_both_told(api, lake):
    first, later = row("decision", NOW, "t", user_id="a"), row("decision", NOW + timedelta(seconds=1), "t", user_id="b")
    lake(later, first)
    found = api.get("/api/v1/traces/t/").json()
    assert (found["decision"]["user_id"], [one["user_id"] for one in found["again"]]) == ("a", ["b"])
    assert found["events"] == []
