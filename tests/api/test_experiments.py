from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from experiments.models import Experiment, Layer, Look
from firstlight.accounts.models import AuditEntry, User
from firstlight.metrics.models import Metric
from tests.api.conftest import pointers


@pytest.fixture
def plan(scenarios):
    """An experiment as it is sent."""
    for key in ("goal", "guard"):
        Metric.objects.create(key=key, name=key, kind="proportion", numerator_event="click")
    Layer.objects.create(key="ranking", name="Ranking")
    User.objects.create(username="mia")
    return {
        "key": "ranker-din",
        "name": "DIN against random",
        "hypothesis": "More clicks",
        "owner": "mia",
        "scenarios": ["home_feed"],
        "layer": "ranking",
        "first_bucket": 1000,
        "end_bucket": 6000,
        "arms": [
            {"key": "control", "weight": 0.5},
            {"key": "din", "weight": 0.5, "parameters": {"ranker": "din", "recall.i2i.quota": 120}},
        ],
        "metrics": [{"metric": "goal"}, {"metric": "guard", "role": "guardrail", "margin": 0.01}],
    }


def arm(key, weight=0.5, **fields):
    return {"key": key, "weight": weight} | fields


def test_an_experiment_is_read_back_as_it_was_sent(api, plan):
    made = api.send("post", "/experiments/", plan)
    assert made.status_code == 201, made.content
    found = api.get("/api/v1/experiments/ranker-din/").json()
    assert made.json() == found
    assert (found["status"], found["phase"], found["coverage"], found["confidence"]) == ("draft", 1, 1.0, 0.95)
    assert {name: found[name] for name in plan if name not in ("arms", "metrics")} == {
        name: value for name, value in plan.items() if name not in ("arms", "metrics")
    }
    assert [(a["key"], a["weight"], a["parameters"]) for a in found["arms"]] == [
        ("control", 0.5, {}),
        ("din", 0.5, {"ranker": "din", "recall.i2i.quota": 120}),
    ]
    assert found["metrics"] == [
        {"metric": "goal", "role": "primary", "margin": 0.02, "version": None},
        {"metric": "guard", "role": "guardrail", "margin": 0.01, "version": None},
    ]
    arms = Experiment.objects.get().arms.order_by("position")
    assert [(a.position, a.key) for a in arms] == [(0, "control"), (1, "din")]


def test_what_a_read_gave_can_be_sent_back(api, plan):
    found = api.send("post", "/experiments/", plan).json()
    assert api.send("patch", "/experiments/ranker-din/", found).json() == found


def test_arms_that_are_sent_replace_those_there_were_and_the_trail_tells(api, plan):
    api.send("post", "/experiments/", plan)
    own = {"user": 0.2, "merchant": 0.3, "platform": 0.5}
    arms = [arm("a", 0.25), arm("b", 0.25), arm("c", 0.5, objective_weights=own)]
    changed = api.send("patch", "/experiments/ranker-din/", {"arms": arms, "name": "Three"})
    assert changed.status_code == 200, changed.content
    assert [a["key"] for a in changed.json()["arms"]] == ["a", "b", "c"]
    assert changed.json()["arms"][2]["objective_weights"] == own
    assert len(changed.json()["metrics"]) == 2
    changes = AuditEntry.objects.first().changes
    assert set(changes) == {"arms", "name"}
    assert [[a["key"] for a in side] for side in changes["arms"]] == [["control", "din"], ["a", "b", "c"]]


def test_what_lies_inside_is_sent_whole_also_in_a_patch(api, plan):
    api.send("post", "/experiments/", plan)
    changed = api.send("patch", "/experiments/ranker-din/", {"metrics": [{"role": "guardrail"}], "arms": [{}, {}]})
    assert pointers(changed) == {"/metrics/0/metric"} | {
        f"/arms/{i}/{name}" for i in (0, 1) for name in ("key", "weight")
    }


NOT_A_MIX = {"user": 0.5, "merchant": 0.1, "platform": 0.1}


@pytest.mark.parametrize(
    ("change", "places"),
    [
        ({"key": "a b"}, {"/key"}),
        ({"scenarios": []}, {"/scenarios"}),
        ({"scenarios": ["nowhere", 3]}, {"/scenarios/0", "/scenarios/1"}),
        ({"scenarios": "home_feed"}, {"/scenarios"}),
        ({"owner": "nobody"}, {"/owner"}),
        ({"unit": "household"}, {"/unit"}),
        ({"layer": "none"}, {"/layer"}),
        ({"first_bucket": 6000}, {"/end_bucket"}),
        ({"end_bucket": 10_001}, {"/end_bucket"}),
        ({"first_bucket": -1}, {"/first_bucket"}),
        ({"coverage": 1.1}, {"/coverage"}),
        ({"coverage": "NaN"}, {"/coverage"}),
        ({"confidence": 0.2}, {"/confidence"}),
        ({"planned_days": 10**30}, {"/planned_days"}),
        ({"arms": [arm("a", 1)]}, {"/arms"}),
        ({"arms": [arm(str(i), 0.05) for i in range(21)]}, {"/arms"}),
        ({"arms": [arm("a"), arm("a")]}, {"/arms"}),
        ({"arms": [arm("a"), arm("b", 0.4)]}, {"/arms"}),
        ({"arms": [arm("a"), arm("b", 0.50001)]}, {"/arms/1/weight"}),
        ({"arms": [arm("a"), arm("b", colour="red")]}, {"/arms/1/colour"}),
        ({"arms": [arm("a"), 3]}, {"/arms/1"}),
        ({"arms": {}}, {"/arms"}),
        ({"arms": [arm("a"), arm("b", parameters={"x": [1], "y": None})]},
         {"/arms/1/parameters/x", "/arms/1/parameters/y"}),
        ({"arms": [arm("a"), arm("b", parameters={"x" * 101: 1})]}, {"/arms/1/parameters/" + "x" * 101}),
        ({"arms": [arm("a"), arm("b", parameters=[])]}, {"/arms/1/parameters"}),
        ({"arms": [arm("a"), arm("b", objective_weights=NOT_A_MIX)]}, {"/arms/1/objective_weights"}),
        ({"metrics": [{"metric": "goal"}, {"metric": "goal"}]}, {"/metrics"}),
        ({"metrics": [{"metric": "unknown"}]}, {"/metrics/0/metric"}),
        ({"metrics": [{"metric": "goal", "role": "hero", "margin": 0.6}]}, {"/metrics/0/role", "/metrics/0/margin"}),
    ],
)  # fmt: skip
def test_what_is_wrong_is_refused_at_its_place(api, plan, change, places):
    assert pointers(api.send("post", "/experiments/", plan | change)) == places
    assert not Experiment.objects.exists()


def test_starting_and_stopping_and_no_change_in_between(api, plan):
    api.send("post", "/experiments/", plan)
    started = api.send("post", "/experiments/ranker-din/start/")
    assert started.status_code == 200, started.content
    assert started.json()["status"] == "running"
    assert started.json()["started_at"] is not None
    refused = api.send("patch", "/experiments/ranker-din/", {"name": "Other", "coverage": 0.5, "planned_days": 7})
    assert refused.status_code == 409
    assert "coverage, planned_days cannot change; only a draft" in refused.json()["detail"]
    assert Experiment.objects.get().name == plan["name"]
    again = api.send("post", "/experiments/ranker-din/start/")
    assert (again.status_code, "running" in again.json()["detail"]) == (409, True)
    assert api.send("post", "/experiments/ranker-din/stop/").json()["status"] == "stopped"
    assert api.send("post", "/experiments/ranker-din/stop/").status_code == 409
    assert api.send("post", "/experiments/nowhere/stop/").status_code == 404


def test_a_layer_tells_who_holds_which_buckets(api, plan):
    api.send("post", "/experiments/", plan)
    free = {"start": 0, "end": 10_000, "experiment": None}
    assert api.get("/api/v1/layers/ranking/").json()["allocation"] == [free]
    assert api.send("post", "/experiments/ranker-din/start/").status_code == 200
    assert api.get("/api/v1/layers/ranking/").json()["allocation"] == [
        {"start": 0, "end": 1000, "experiment": None},
        {"start": 1000, "end": 6000, "experiment": "ranker-din"},
        {"start": 6000, "end": 10_000, "experiment": None},
    ]
    other = plan | {"key": "other", "first_bucket": 5999, "end_bucket": 7000}
    api.send("post", "/experiments/", other)
    refused = api.send("post", "/experiments/other/start/")
    assert refused.status_code == 409, refused.content


def test_results_are_the_latest_look_or_that_of_a_time(api, plan):
    api.send("post", "/experiments/", plan)
    assert api.get("/api/v1/experiments/ranker-din/results/").status_code == 404
    experiment = Experiment.objects.get()
    now = timezone.now()
    for number in (1, 2):
        Look.objects.create(
            experiment=experiment, number=number, until=now, batch=number, verdict="keep running", sentence="Wait.",
            results={"arms": []},
        )  # fmt: skip
    found = api.get("/api/v1/experiments/ranker-din/results/").json()
    assert (found["experiment"], found["number"], found["results"]) == ("ranker-din", 2, {"arms": []})
    path = "/api/v1/experiments/ranker-din/results/"
    first = Look.objects.get(number=1).computed_at
    assert api.get(path, {"as_of": first.isoformat()}).json()["number"] == 1
    assert api.get(path, {"as_of": (now - timedelta(days=1)).isoformat()}).status_code == 404
    for wrong in ("yesterday", "2026-01-01T00:00:00", "0001-01-01T00:00:00+14:00", "\0"):
        assert pointers(api.get(path, {"as_of": wrong})) == {"as_of"}


def test_looks_are_listed_newest_first_page_by_page(api, plan):
    api.send("post", "/experiments/", plan)
    api.send("post", "/experiments/", plan | {"key": "other", "layer": None})
    path, now = "/api/v1/experiments/ranker-din/looks/", timezone.now()
    assert api.get(path).json() == {"results": [], "next": None}
    for key, numbers in (("ranker-din", range(1, 12)), ("other", [12])):
        for number in numbers:
            Look.objects.create(
                experiment=Experiment.objects.get(key=key), number=number, until=now, batch=number * 10,
                verdict="keep running", sentence="Wait.", results={"arms": [number]},
            )  # fmt: skip
    seen: list[dict[str, Any]] = []
    following = f"{path}?limit=4"
    while following:
        page = api.get(following).json()
        seen, following = seen + page["results"], page["next"]
    assert [row["number"] for row in seen] == list(range(11, 0, -1))  # 10 stands before 9: by number, not by letter
    look = Look.objects.get(number=3)
    assert set(seen[-3]) == {"number", "computed_at", "until", "batch", "verdict", "sentence", "results"}
    assert (seen[-3]["batch"], seen[-3]["verdict"], seen[-3]["sentence"]) == (30, "keep running", "Wait.")
    found = api.get(seen[-3]["results"]).json()
    assert (found["experiment"], found["number"], found["results"]) == ("ranker-din", 3, look.results)
    with CaptureQueriesContext(connection) as few:
        api.get(f"{path}?limit=1")
    with CaptureQueriesContext(connection) as many:
        api.get(path)
    assert len(few) == len(many)
    assert not any('"results"' in one["sql"] for one in many)


def test_who_may_not_see_an_experiment_sees_none_of_its_looks(api, plan, client_with):
    api.send("post", "/experiments/", plan)
    assert api.get("/api/v1/experiments/nobody/looks/").status_code == 404
    path = "/api/v1/experiments/ranker-din/looks/"
    assert client_with(["read"], scenarios=["search"]).get(path).status_code == 404
    assert client_with(["ingest"]).get(path).status_code == 403
    for wrong in ("cursor=x", "cursor=AAAA", "cursor=cmFua2Vy", "cursor=OTk5OTk5OTk5OTk5", "limit=0"):
        assert pointers(api.get(f"{path}?{wrong}")) == {wrong.split("=")[0]}


def test_a_refresh_is_handed_to_the_workers(api, plan, monkeypatch):
    asked = []
    monkeypatch.setattr("experiments.tasks.analyse.apply_async", lambda **about: asked.append(about["kwargs"]))
    api.send("post", "/experiments/", plan)
    assert api.send("post", "/experiments/ranker-din/results/refresh/").status_code == 409
    api.send("post", "/experiments/ranker-din/start/")
    assert api.send("post", "/experiments/ranker-din/results/refresh/").status_code == 202
    assert asked == [{"experiment_id": Experiment.objects.get().pk}]


def test_a_queue_that_is_away_is_told(api, plan, monkeypatch):
    from kombu.exceptions import OperationalError

    def away(**about):
        raise OperationalError

    monkeypatch.setattr("experiments.tasks.analyse.apply_async", away)
    api.send("post", "/experiments/", plan)
    api.send("post", "/experiments/ranker-din/start/")
    assert api.send("post", "/experiments/ranker-din/results/refresh/").status_code == 503


def test_a_reader_may_refresh_but_not_start(client_with, api, plan, monkeypatch):
    monkeypatch.setattr("experiments.tasks.analyse.apply_async", lambda **about: None)
    api.send("post", "/experiments/", plan)
    reader = client_with(["read"])
    assert reader.send("post", "/experiments/ranker-din/start/").status_code == 403
    api.send("post", "/experiments/ranker-din/start/")
    assert reader.send("post", "/experiments/ranker-din/results/refresh/").status_code == 202


@pytest.mark.parametrize(
    ("role", "make", "start"),
    [("product manager", 201, 200), ("operator", 403, 200), ("analyst", 403, 403), ("viewer", 403, 403)],
)
def test_people_may_what_their_role_says(api, person, plan, role, make, start):
    client = person(role)
    assert client.with_token("post", "/experiments/", plan).status_code == make
    api.send("post", "/experiments/", plan)
    assert client.with_token("post", "/experiments/ranker-din/start/").status_code == start


def test_a_limited_key_sees_what_runs_in_its_scenarios_only(api, client_with, plan):
    api.send("post", "/experiments/", plan)
    api.send("post", "/experiments/", plan | {"key": "both", "scenarios": ["home_feed", "search"]})
    limited = client_with(scenarios=["home_feed"])
    assert [e["key"] for e in limited.get("/api/v1/experiments/").json()["results"]] == ["ranker-din"]
    assert limited.send("post", "/experiments/both/start/").status_code == 404
    assert limited.send("post", "/experiments/", plan | {"key": "new", "scenarios": ["search"]}).status_code == 403
    assert limited.send("patch", "/experiments/ranker-din/", {"scenarios": ["search"]}).status_code == 403
    assert Experiment.objects.count() == 2
    assert list(Experiment.objects.get(key="ranker-din").scenarios.values_list("key", flat=True)) == ["home_feed"]


def test_lists_are_cut_down_by_status_and_scenario(api, plan):
    api.send("post", "/experiments/", plan)
    for query, n in (("status=draft", 1), ("status=running", 0), ("scenario=home_feed", 1), ("scenario=search", 0)):
        assert len(api.get(f"/api/v1/experiments/?{query}").json()["results"]) == n
