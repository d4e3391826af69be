"""Every command over HTTP: what it takes, what it answers, how it refuses."""

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from experiments.models import Experiment, Layer
from firstlight.accounts.models import AuditEntry, User
from firstlight.metrics.models import Metric
from tests.api.conftest import pointers

HERE = "/experiments/ranker-din"


@pytest.fixture
def plan(scenarios):
    for key in ("goal", "guard"):
        Metric.objects.create(key=key, name=key, kind="proportion", numerator_event="click")
    for key in ("ranking", "recall"):
        Layer.objects.create(key=key, name=key)
    User.objects.create(username="mia")
    return {
        "key": "ranker-din",
        "name": "DIN against random",
        "type": "ab",
        "hypothesis": "More clicks",
        "owner": "mia",
        "tags": ["ranker", "q4"],
        "links": [{"label": "design", "url": "https://docs.example/din"}],
        "scenarios": ["home_feed"],
        "unit": "user_id",
        "cluster": "",
        "layer": "ranking",
        "first_bucket": 1000,
        "end_bucket": 6000,
        "further_layers": [{"layer": "recall", "first_bucket": 0, "end_bucket": 5000}],
        "targeting": {"country": {"$in": ["IN", "BR"]}},
        "analysis": "always_valid",
        "spending": "pocock",
        "correction": "bh",
        "prior": "own",
        "prior_mean": 0.001,
        "prior_sd": 0.02,
        "cuped": False,
        "pre_days": 7,
        "slices": ["country", "visitor"],
        "planned_days": 21,
        "planned_units": 400_000,
        "holdback": 0.05,
        "arms": [
            {"key": "control", "weight": 0.5},
            {"key": "din", "weight": 0.3, "parameters": {"ranker": "din"}},
            {"key": "dien", "weight": 0.2, "parameters": {"ranker": "dien"}},
        ],
        "metrics": [{"metric": "goal"}, {"metric": "guard", "role": "guardrail", "margin": 0.01}],
        "ramp": [
            {"coverage": 0.1, "hold_hours": 24, "least_units": 1000},
            {"coverage": 0.5, "hold_hours": 12, "least_units": 0},
        ],
    }


@pytest.fixture
def made(api, plan):
    answer = api.send("post", "/experiments/", plan)
    assert answer.status_code == 201, answer.content
    return answer.json()


@pytest.fixture
def running(api, made):
    answer = api.send("post", f"{HERE}/start/")
    assert answer.status_code == 200, answer.content
    return answer.json()


def post(api, name, body=None):
    answer = api.send("post", f"{HERE}/{name}/", body)
    assert answer.status_code == 200, answer.content
    return answer.json()


def test_every_field_of_the_plan_is_read_back_as_it_was_sent(api, plan, made):
    lines = {"arms", "metrics", "ramp"}
    assert {name: made[name] for name in set(plan) - lines} == {name: plan[name] for name in set(plan) - lines}
    assert [{name: stage[name] for name in plan["ramp"][0]} for stage in made["ramp"]] == plan["ramp"]
    assert {stage["outcome"] for stage in made["ramp"]} == {"waiting"}
    assert api.send("patch", f"{HERE}/", made).json() == made


@pytest.mark.parametrize(
    ("change", "places"),
    [
        ({"ramp": [{"coverage": 0.5}, {"coverage": 0.5}]}, {"/ramp"}),
        ({"ramp": [{"coverage": 0}]}, {"/ramp/0/coverage"}),
        ({"ramp": [{"hold_hours": 3}]}, {"/ramp/0/coverage"}),
        ({"further_layers": [{"layer": "recall"}, {"layer": "recall"}]}, {"/further_layers"}),
        ({"further_layers": [{"layer": "ranking"}]}, {"/further_layers"}),
        ({"further_layers": [{"layer": "recall", "first_bucket": 5, "end_bucket": 5}]},
         {"/further_layers/0/end_bucket"}),
        ({"links": [{"label": "x", "url": "javascript:alert(1)"}]}, {"/links/0/url"}),
        ({"tags": ["x" * 51]}, {"/tags/0"}),
        ({"slices": ["shoe_size"]}, {"/slices/0"}),
        ({"targeting": {"$where": "1"}}, {"/targeting"}),
        ({"targeting": [1]}, {"/targeting"}),
        ({"prior_sd": 0}, {"/prior_sd"}),
        ({"prior_mean": "NaN"}, {"/prior_mean"}),
        ({"holdback": 0.6}, {"/holdback"}),
        ({"pre_days": 0}, {"/pre_days"}),
        ({"analysis": "astrology"}, {"/analysis"}),
        ({"switch_hours": 200}, {"/switch_hours"}),
    ],
)  # fmt: skip
def test_what_is_wrong_in_the_plan_is_refused_at_its_place(api, plan, change, places):
    assert pointers(api.send("post", "/experiments/", plan | change)) == places


def test_after_the_start_words_may_change_and_the_plan_may_not(api, running):
    freed: dict[str, Any] = {"name": "Other", "hypothesis": "Fewer", "tags": [], "links": [], "owner": None}
    changed = api.send("patch", f"{HERE}/", running | freed)
    assert changed.status_code == 200, changed.content
    assert changed.json() == running | freed
    before = list(Experiment.objects.get().arms.values_list("pk", flat=True))
    arms = [{**running["arms"][0], "weight": 0.4}, {**running["arms"][1], "weight": 0.4}, running["arms"][2]]
    refused = api.send("patch", f"{HERE}/", {"name": "Third", "arms": arms, "cuped": True})
    assert refused.status_code == 409
    assert "arms, cuped cannot change" in refused.json()["detail"]
    assert Experiment.objects.get().name == "Other"
    assert list(Experiment.objects.get().arms.values_list("pk", flat=True)) == before


def test_a_plan_that_is_reviewed_stands_still_until_it_is_returned(api, made):
    assert post(api, "submit")["status"] == "in_review"
    assert api.send("patch", f"{HERE}/", {"coverage": 0.5}).status_code == 409
    returned = post(api, "return", {"note": "Name a guardrail."})
    assert (returned["status"], returned["review_note"]) == ("draft", "Name a guardrail.")
    assert api.send("patch", f"{HERE}/", {"coverage": 0.5}).status_code == 200


def test_a_review_by_somebody_else_opens_the_way(api, made, person, scenarios):
    scenarios[0].review_required = True
    scenarios[0].save()
    assert api.send("post", f"{HERE}/start/").status_code == 409
    post(api, "submit")
    mia = User.objects.get(username="mia")
    mia.groups.set([])
    reviewer = person("product manager")
    approved = reviewer.with_token("post", f"{HERE}/approve/", {"note": "Fine."})
    assert approved.status_code == 200, approved.content
    assert (approved.json()["reviewed_by"], approved.json()["review_note"]) == ("some product manager", "Fine.")
    assert post(api, "start")["status"] == "running"


def test_it_can_be_left_to_the_clock(api, made):
    at = (timezone.now() + timedelta(days=1)).replace(microsecond=0)
    scheduled = post(api, "schedule", {"start_at": at.isoformat()})
    assert scheduled["status"] == "scheduled"
    past = api.send("post", f"{HERE}/schedule/", {"start_at": "2020-01-01T00:00:00Z"})
    assert past.status_code == 409
    assert pointers(api.send("post", f"{HERE}/schedule/", {})) == {"/start_at"}


def test_pause_resume_stop_decide_archive(api, running):
    assert post(api, "pause")["paused_at"] is not None
    assert post(api, "resume")["status"] == "running"
    assert api.send("post", f"{HERE}/archive/").status_code == 409
    assert post(api, "stop")["stopped_at"] is not None
    decided = post(api, "decide", {"decision": "rejected", "note": "No gain."})
    assert (decided["status"], decided["decision"], decided["decision_note"]) == ("decided", "rejected", "No gain.")
    assert decided["decided_by"].startswith("key ")
    assert post(api, "archive")["status"] == "archived"
    trail = AuditEntry.objects.filter(kind="experiment").order_by("pk").values_list("action", flat=True)
    assert list(trail) == ["created", "started", "paused", "resumed", "stopped", "decided", "archived"]


def test_shipping_names_an_arm(api, running):
    post(api, "stop")
    assert api.send("post", f"{HERE}/ship/", {"note": "Better."}).status_code == 409  # two treatments
    shipped = post(api, "ship", {"note": "Better.", "arm": "din"})
    assert (shipped["decision"], shipped["shipped_arm"]) == ("shipped", "din")


def test_a_ramp_goes_on_and_back_with_its_evidence(api, running):
    assert running["coverage"] == 0.1
    found = api.get(f"/api/v1{HERE}/ramp/").json()
    assert found["coverage"] == 0.1
    assert [stage["outcome"] for stage in found["stages"]] == ["holding", "waiting"]
    assert post(api, "ramp", {"action": "advance", "from_coverage": 0.1})["coverage"] == 0.5
    again = api.send("post", f"{HERE}/ramp/", {"action": "advance", "from_coverage": 0.1})
    assert (again.status_code, "covers 50 % of the units by now" in again.text) == (409, True)
    assert api.send("post", f"{HERE}/ramp/", {"coverage": 0.9, "from_coverage": 0.1}).status_code == 422
    back = post(api, "ramp", {"action": "roll_back", "reason": "Too slow."})
    assert back["coverage"] == 0.1
    stages = api.get(f"/api/v1{HERE}/ramp/").json()["stages"]
    assert stages[1]["outcome"] == "rolled_back"
    assert stages[1]["evidence"]["sentence"] == "Too slow."
    assert post(api, "ramp", {"coverage": 0.8})["coverage"] == 0.8
    assert api.send("post", f"{HERE}/ramp/", {"coverage": 0.2}).status_code == 409


@pytest.mark.parametrize(
    ("name", "body", "places"),
    [
        ("ramp", {}, {""}),
        ("ramp", {"coverage": 0.5, "action": "advance"}, {""}),
        ("ramp", {"coverage": 1.5}, {"/coverage"}),
        ("ramp", {"action": "fly"}, {"/action"}),
        ("ramp", {"action": "advance", "reason": "x"}, {"/reason"}),
        ("weights", {}, {"/weights"}),
        ("weights", {"weights": {"control": 2}}, {"/weights/control"}),
        ("decide", {"decision": "maybe", "note": "x"}, {"/decision"}),
        ("decide", {"decision": "rejected"}, {"/note"}),
        ("start", {"at": "now"}, {"/at"}),
        ("copy", {"key": "a b"}, {"/key"}),
        ("remove_arm", {}, {"/arm"}),
        ("comments", {"text": ""}, {"/text"}),
    ],
)
def test_what_is_wrong_in_a_body_is_refused_at_its_place(api, running, name, body, places):
    assert pointers(api.send("post", f"{HERE}/{name}/", body)) == places


def test_other_weights_open_the_next_phase(api, running):
    weights = {"control": 0.4, "din": 0.4, "dien": 0.2}
    changed = post(api, "weights", {"weights": weights, "reason": "More power."})
    assert (changed["phase"], {arm["key"]: arm["weight"] for arm in changed["arms"]}) == (2, weights)
    wrong = api.send("post", f"{HERE}/weights/", {"weights": {"control": 0.4, "din": 0.6}})
    assert wrong.status_code == 409
    assert [arm["key"] for arm in post(api, "remove_arm", {"arm": "dien"})["arms"]] == ["control", "din"]
    assert Experiment.objects.get().phases.count() == 3


def test_a_copy_is_a_draft_with_the_same_plan(api, running, plan):
    copied = api.send("post", f"{HERE}/copy/", {"key": "again", "name": "Again"})
    assert copied.status_code == 201, copied.content
    new = copied.json()
    assert (new["key"], new["name"], new["status"], new["copied_from"]) == ("again", "Again", "draft", "ranker-din")
    assert {name: new[name] for name in ("targeting", "slices", "prior_sd", "further_layers")} == {
        name: plan[name] for name in ("targeting", "slices", "prior_sd", "further_layers")
    }
    assert api.send("post", f"{HERE}/copy/", {"key": "again"}).status_code == 409


def test_the_checklist_is_computed(api, made):
    found = api.get(f"/api/v1{HERE}/checklist/").json()
    assert found["may_start"] is True
    assert {item["key"]: item["state"] for item in found["items"]}["plan"] == "ok"
    api.send("patch", f"{HERE}/", {"metrics": []})
    found = api.get(f"/api/v1{HERE}/checklist/").json()
    assert found["may_start"] is False
    assert "no goal" in next(item["sentence"] for item in found["items"] if item["key"] == "plan")


def test_comments_stand_as_they_were_said(api, client_with, running):
    reader = client_with(["read"])
    assert reader.send("post", f"{HERE}/comments/", {"text": "Mine"}).status_code == 403
    for text in ("First", "Second"):
        assert api.send("post", f"{HERE}/comments/", {"text": text}).status_code == 201
    found = reader.get(f"/api/v1{HERE}/comments/").json()["results"]
    assert [comment["text"] for comment in found] == ["Second", "First"]
    assert found[0]["author"].startswith("key ")


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ({"status": "draft"}, ["other"]),
        ({"status": "running"}, ["ranker-din"]),
        ({"scenario": "home_feed"}, ["other", "ranker-din"]),
        ({"scenario": "search"}, []),
        ({"tag": "q4"}, ["ranker-din"]),
        ({"owner": "mia"}, ["ranker-din"]),
        ({"search": "din CLICKS"}, ["ranker-din"]),
        ({"search": "din nothing"}, []),
        ({"decision": "shipped"}, []),
        ({"status": "running", "tag": "q3"}, []),
    ],
)
def test_the_list_is_cut_down_by_what_is_asked(api, running, plan, query, found):
    other = plan | {"key": "other", "name": "Other", "tags": [], "owner": None, "hypothesis": "", "arms": plan["arms"]}
    assert api.send("post", "/experiments/", other).status_code == 201
    assert [row["key"] for row in api.get("/api/v1/experiments/", query).json()["results"]] == found


def test_a_layer_tells_past_present_and_plans(api, running, plan):
    api.send("post", "/experiments/", plan | {"key": "next", "first_bucket": 6000, "end_bucket": 7000})
    layer = api.get("/api/v1/layers/ranking/").json()
    assert [span["experiment"] for span in layer["allocation"]] == [None, "ranker-din", None]
    assert layer["past"] == []
    assert [(s["start"], s["end"], s["experiment"], s["status"]) for s in layer["planned"]] == [
        (6000, 7000, "next", "draft")
    ]
    assert [span["experiment"] for span in api.get("/api/v1/layers/recall/").json()["allocation"]] == [
        "ranker-din",
        None,
    ]
    post(api, "stop")
    layer = api.get("/api/v1/layers/ranking/").json()
    assert [(s["start"], s["end"], s["experiment"]) for s in layer["past"]] == [(1000, 6000, "ranker-din")]
    assert layer["past"][0]["released_at"] is not None


def test_a_key_of_another_scenario_finds_nothing_to_command(client_with, running):
    elsewhere = client_with(["read", "manage"], scenarios=["search"])
    for name in ("stop", "pause", "ramp", "copy", "weights", "comments"):
        assert elsewhere.send("post", f"{HERE}/{name}/", {}).status_code in (404, 422)
    assert elsewhere.get(f"/api/v1{HERE}/checklist/").status_code == 404
    assert Experiment.objects.get().status == "running"


@pytest.mark.parametrize(
    ("role", "step", "copy"),
    [("product manager", 200, 201), ("operator", 200, 403), ("analyst", 403, 403), ("viewer", 403, 403)],
)
def test_people_may_what_their_role_says(person, running, role, step, copy):
    client = person(role)
    assert client.with_token("post", f"{HERE}/pause/").status_code == step
    assert client.with_token("post", f"{HERE}/copy/", {"key": "again"}).status_code == copy
