"""A campaign is played through over HTTP: asked for, followed, read."""

import pytest

from bandits import tasks
from bandits.models import Campaign, Simulation
from firstlight.catalog import upsert
from firstlight.catalog.models import Scenario
from tests.api.conftest import pointers

HERE = "/campaigns/new/simulations/"
ASKED = {"days": 2, "repetitions": 2, "requests_a_day": 20_000}


@pytest.fixture
def campaign(scenarios, settings, tmp_path):
    settings.LAKE_URL = (tmp_path / "lake").as_uri()
    upsert.items([{"key": f"sku-{i}", "category": "dress"} for i in range(5)], "ada")
    home = Scenario.objects.get(key="home_feed")
    return Campaign.objects.create(key="new", name="New", scenario=home, positions=[3], bar="0.01")


def test_it_is_asked_for_played_by_a_worker_and_read(api, campaign):
    settings = [{"name": "bold", "policy": "thompson", "floor": 0.2}, {"name": "greedy", "policy": "epsilon_greedy"}]
    asked = api.send("post", HERE, {**ASKED, "settings": settings})
    assert asked.status_code == 202, asked.content
    assert (asked.json()["state"], asked.json()["asked"]["settings"][0]["floor"]) == ("waiting", 0.2)
    tasks.simulate(simulation_id=asked.json()["id"])
    found = api.get(f"/api/v1{HERE}{asked.json()['id']}/").json()
    assert (found["state"], found["progress"], found["created_by"] != "") == ("done", 1.0, True)
    assert [one["setting"] for one in found["results"]["settings"]] == ["bold", "greedy"]
    assert api.get(f"/api/v1{HERE}").json()["results"][0]["id"] == found["id"]


@pytest.mark.parametrize(
    ("asked", "places"),
    [
        ({"days": 0}, {"/days"}),
        ({"repetitions": 1}, {"/repetitions"}),
        ({"days": 61, "drift": 2}, {"/days", "/drift"}),
        ({"requests_a_day": 0}, {"/requests_a_day"}),
        ({"settings": []}, {"/settings"}),
        ({"settings": [{"name": "a"}] * 2}, {"/settings"}),
        ({"settings": [{"name": str(i)} for i in range(4)]}, {"/settings"}),
        ({"settings": [{"policy": "uniform"}]}, {"/settings/0/name"}),
        ({"settings": [{"name": "a", "policy": "linear"}]}, {"/settings/0/policy"}),
        ({"settings": [{"name": "a", "graduate_at": 0.5, "retire_at": 0.6}]}, {"/settings/0/retire_at"}),
        ({"settings": [{"name": "a", "boldness": 1}]}, {"/settings/0/boldness"}),
    ],
)
def test_what_cannot_be_played_is_refused_where_it_is_wrong(api, campaign, asked, places):
    answer = api.send("post", HERE, {**ASKED, **asked})
    assert answer.status_code == 422
    assert pointers(answer) == places
    assert not Simulation.objects.exists()


def test_there_is_nothing_to_read_of_another_campaign(api, campaign):
    other = Campaign.objects.create(key="other", name="Other", scenario=campaign.scenario, positions=[4])
    made = Simulation.objects.create(campaign=other, asked={}, created_by="ada")
    assert api.get(f"/api/v1{HERE}{made.pk}/").status_code == 404
