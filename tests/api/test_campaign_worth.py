"""What a campaign was worth, over HTTP."""

from datetime import UTC, datetime

import pytest

from bandits import looking
from bandits.models import Campaign, Status

START = datetime(2026, 11, 1, tzinfo=UTC)


@pytest.fixture
def campaign(scenarios, settings, tmp_path):
    settings.LAKE_URL = (tmp_path / "lake").as_uri()
    made = Campaign.objects.create(key="new", name="New", scenario=scenarios[0], positions=[1], control_share="0.1")
    Campaign.objects.filter(pk=made.pk).update(status=Status.RUNNING, started_at=START)
    return made


def test_the_newest_look_or_the_one_asked_for(api, campaign):
    assert api.get("/api/v1/campaigns/new/worth/").status_code == 404
    looking.look(campaign.pk, at=START)
    Campaign.objects.update(guard_margin="0.1")
    looking.look(campaign.pk, at=START)
    body = api.get("/api/v1/campaigns/new/worth/").json()
    assert body["number"] == 2 and body["paused"] is False
    assert {one["metric"] for one in body["worth"]} == {"clicks", "orders", "net_value"}
    assert {one["state"] for one in body["guards"]} == {"withheld"}
    assert body["cost"]["clicks"] == {"withheld": "no data yet"}
    assert "Biased" in body["naive"]["label"]
    assert api.get("/api/v1/campaigns/new/worth/?look=1").json()["number"] == 1
    assert api.get("/api/v1/campaigns/new/worth/?look=3").status_code == 404
    for wrong in ("0", "x", "-1", "99999999999"):
        assert api.get(f"/api/v1/campaigns/new/worth/?look={wrong}").status_code in (400, 422)
    assert [one["number"] for one in api.get("/api/v1/campaigns/new/looks/").json()["results"]] == [2, 1]


def test_a_look_is_asked_of_the_workers_once_there_is_something_to_see(api, campaign, monkeypatch):
    asked = []
    monkeypatch.setattr("bandits.tasks.look.apply_async", lambda **about: asked.append(about["kwargs"]))
    answer = api.send("post", "/campaigns/new/worth/refresh/")
    assert (answer.status_code, answer.json()) == (202, {"status": "queued"})
    assert asked == [{"campaign_id": campaign.pk}]
    Campaign.objects.update(status=Status.DRAFT, started_at=None)
    refused = api.send("post", "/campaigns/new/worth/refresh/")
    assert refused.status_code == 409 and "has not started" in refused.json()["detail"]


def test_a_key_of_another_scenario_sees_nothing_of_it(campaign, client_with):
    looking.look(campaign.pk, at=START)
    other = client_with(scenarios=["search"])
    for path in ("worth/", "looks/"):
        assert other.get(f"/api/v1/campaigns/new/{path}").status_code == 404
