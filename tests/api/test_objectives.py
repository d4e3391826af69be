import pytest

from firstlight.objectives.models import Weights
from tests.api.conftest import pointers

MIX = {"user": 0.5, "merchant": 0.25, "platform": 0.25}


def test_a_scenario_nobody_weighed_shows_the_default(api, scenarios):
    shown = api.get("/api/v1/objectives/home_feed/").json()
    assert shown == {
        "scenario": "home_feed",
        "versions": [],
        "default": {"user": 0.6, "merchant": 0.15, "platform": 0.25},
    }


def test_weights_are_published_as_versions(api, scenarios):
    first = api.send("put", "/objectives/home_feed/", {"weights": MIX, "reason": "a start"})
    assert first.status_code == 200, first.content
    api.send("put", "/objectives/home_feed/", {"stage": "bought", "weights": {"user": 1, "merchant": 0, "platform": 0}})
    shown = api.get("/api/v1/objectives/").json()["results"][0]
    assert [(v["stage"], v["version"], v["weights"]["user"]) for v in shown["versions"]] == [
        ("", 1, 0.5),
        ("bought", 2, 1),
    ]


@pytest.mark.parametrize(
    ("body", "places"),
    [
        ({}, {"/weights"}),
        ({"weights": MIX | {"user": 0.6}}, {"/weights"}),
        ({"weights": MIX | {"user": 1.5}}, {"/weights/user"}),
        ({"weights": MIX | {"user": 0.12345}}, {"/weights/user"}),
        ({"weights": MIX | {"user": True}}, {"/weights/user"}),
        ({"weights": MIX | {"other": 0}}, {"/weights/other"}),
        ({"weights": MIX, "stage": "asleep"}, {"/stage"}),
        ({"weights": MIX, "reason": "x" * 501}, {"/reason"}),
        ({"weights": [1]}, {"/weights"}),
    ],
)
def test_what_is_no_mix_is_refused_at_its_place(api, scenarios, body, places):
    assert pointers(api.send("put", "/objectives/home_feed/", body)) == places
    assert not Weights.objects.exists()


def test_an_unknown_scenario_has_no_weights(api):
    assert api.get("/api/v1/objectives/nowhere/").status_code == 404
    assert api.send("put", "/objectives/nowhere/", {"weights": MIX}).status_code == 404


def test_a_key_weighs_only_its_scenarios(client_with, scenarios):
    client = client_with(scenarios=["search"])
    assert client.send("put", "/objectives/home_feed/", {"weights": MIX}).status_code == 404
    assert client.send("put", "/objectives/search/", {"weights": MIX}).status_code == 200
