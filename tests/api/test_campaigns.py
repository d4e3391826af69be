from typing import Any

import pytest
from scipy import stats

from bandits.models import Campaign
from firstlight.accounts.models import AuditEntry
from firstlight.catalog import upsert
from firstlight.exports import tasks
from tests.api.conftest import pointers


@pytest.fixture
def plan(scenarios):
    """A campaign as it is sent."""
    upsert.items([{"key": f"sku-{i}", "merchant": "m", "category": "dress", "tags": ["new"]} for i in range(5)], "ada")
    return {
        "key": "new-arrivals",
        "name": "New arrivals",
        "scenario": "home_feed",
        "positions": [8, 3],
        "pool_categories": ["dress"],
        "pool_tags": ["new"],
        "floor": 0.1,
    }


def test_a_campaign_is_read_back_as_it_was_sent_with_its_slots_in_order(api, plan):
    made = api.send("post", "/campaigns/", plan)
    assert made.status_code == 201, made.content
    found = api.get("/api/v1/campaigns/new-arrivals/").json()
    assert found == made.json()
    assert {name: found[name] for name in plan} == plan | {"positions": [3, 8]}
    assert (found["status"], found["attribution_hours"], found["pool_merchants"]) == ("draft", 24, [])
    assert api.send("patch", "/campaigns/new-arrivals/", found).json() == found


def test_a_change_is_told_in_the_trail(api, plan):
    api.send("post", "/campaigns/", plan)
    api.send("patch", "/campaigns/new-arrivals/", {"pool_categories": [], "pool_merchants": ["m"]})
    changes = AuditEntry.objects.filter(kind="campaign").first().changes
    assert changes == {"pool_categories": [["dress"], []], "pool_merchants": [[], ["m"]]}


@pytest.mark.parametrize(
    ("change", "places"),
    [
        ({"scenario": "nowhere"}, {"/scenario"}),
        ({"scenario": None}, {"/scenario"}),
        ({"positions": []}, {"/positions"}),
        ({"positions": [3, 3]}, {"/positions"}),
        ({"positions": [0, "x", 501]}, {"/positions/0", "/positions/1", "/positions/2"}),
        ({"positions": list(range(1, 102))}, {"/positions"}),
        ({"pool_categories": ["dress", "hat"]}, {"/pool_categories/1"}),
        ({"pool_merchants": "m"}, {"/pool_merchants"}),
        ({"pool_tags": ["x" * 101]}, {"/pool_tags/0"}),
        ({"pool_max_age_days": 0}, {"/pool_max_age_days"}),
        ({"pool_max_age_days": 10**9}, {"/pool_max_age_days"}),
        ({"merchant_cap": 0}, {"/merchant_cap"}),
        ({"floor": -0.1}, {"/floor"}),
        ({"floor": 0.0001}, {"/floor"}),
        ({"attribution_hours": 721}, {"/attribution_hours"}),
        ({"prior_strength_cap": 1}, {"/prior_strength_cap"}),
        ({"pool_in_stock": "perhaps"}, {"/pool_in_stock"}),
        ({"slots": 3}, {"/slots"}),
        ({"key": "pool"}, {"/key"}),
        ({"status": "running", "colour": "red"}, {"/colour"}),
        ({"segments": ["IN"]}, {"/segment_by"}),
        ({"segment_by": "country"}, {"/segments"}),
        ({"segment_by": "country", "segments": [str(i) for i in range(51)]}, {"/segments"}),
        ({"pool_price_from": "-1", "pool_currency": "INR"}, {"/pool_price_from"}),
        ({"pool_price_from": "5"}, {"/pool_currency"}),
        ({"pool_countries": ["india"]}, {"/pool_countries/0"}),
        ({"pool_countries": ["in"]}, {"/pool_countries"}),
        ({"pool_items": ["sku-1", "ghost", "sku-2", "spirit"]}, {"/pool_items/1", "/pool_items/3"}),
        ({"pool_items": ["sku-1"], "pool_excluded": ["sku-1"]}, {"/pool_excluded"}),
        ({"pool_excluded": ["x"] * 10_001}, {"/pool_excluded"}),
        ({"pool_by_rule": False}, {"/pool_items"}),
        ({"reward": "sales"}, {"/reward"}),
        ({"reward": "net_value"}, {"/value_currency"}),
        ({"value_cap": "0"}, {"/value_cap"}),
        ({"half_life_days": 0}, {"/half_life_days"}),
        ({"prior_chance": 0.95}, {"/prior_chance"}),
        ({"policy": "greedy"}, {"/policy"}),
        ({"control_share": 0.6}, {"/control_share"}),
        ({"control_share": 0.5, "uniform_share": 0.5}, {"/uniform_share"}),
        ({"item_guarantee": 9, "item_cap": 8}, {"/item_cap"}),
        ({"graduate_at": 0.1, "retire_at": 0.2}, {"/retire_at"}),
        ({"least_impressions": 99}, {"/least_impressions"}),
        ({"guards": ["sales"]}, {"/guards/0"}),
        ({"guards": ["conversion", "conversion"]}, {"/guards"}),
        ({"unit": "email"}, {"/unit"}),
    ],
)
def test_what_is_wrong_is_refused_at_its_place(api, plan, change, places):
    assert pointers(api.send("post", "/campaigns/", plan | change)) == places
    assert not Campaign.objects.exists()


def test_a_change_of_one_field_is_checked_against_the_others_as_they_are(api, plan):
    api.send("post", "/campaigns/", plan | {"segment_by": "country", "segments": ["IN"], "item_cap": 50})
    path = "/campaigns/new-arrivals/"
    assert pointers(api.send("patch", path, {"segment_by": ""})) == {"/segment_by"}
    assert pointers(api.send("patch", path, {"item_guarantee": 60})) == {"/item_cap"}
    assert api.send("patch", path, {"segment_by": "", "segments": []}).status_code == 200


def test_while_it_runs_only_budget_guards_name_and_owner_change(api, plan):
    made = api.send("post", "/campaigns/", plan).json()
    path = "/campaigns/new-arrivals/"
    api.send("post", f"{path}start/")
    changes = {"daily_budget": 500, "guards": ["conversion"], "guard_margin": 0.1, "name": "Newest"}
    changed = api.send("patch", path, {**made, **changes})
    assert changed.status_code == 200, changed.content
    assert {name: changed.json()[name] for name in changes} == changes
    assert changed.json()["status"] == "running"
    refused = api.send("patch", path, {"floor": 0.2, "pool_categories": [], "daily_budget": 9})
    assert refused.status_code == 409
    assert "floor and pool_categories cannot change any more" in refused.json()["detail"]
    api.send("post", f"{path}stop/")
    assert api.send("patch", path, {"daily_budget": 9}).status_code == 409
    assert api.send("patch", path, {"name": "Over"}).json()["name"] == "Over"
    assert Campaign.objects.get().daily_budget == 500


def test_a_rule_is_counted_before_there_is_a_campaign(api, plan):
    upsert.items([{"key": "hat-1", "category": "hat", "price": "20", "currency": "INR"}], "ada")

    def counted(**rule):
        answer = api.send("post", "/campaigns/pool/", rule).json()
        return answer["count"], [item["key"] for item in answer["newest"]]

    assert counted()[0] == 6
    assert counted(pool_price_from="15", pool_currency="INR") == (1, ["hat-1"])
    assert counted(pool_by_rule=False, pool_items=["sku-1"]) == (1, ["sku-1"])
    assert counted(pool_tags=["new"], pool_excluded=["sku-0"])[0] == 4
    assert pointers(api.send("post", "/campaigns/pool/", {"pool_price_from": "1"})) == {"/pool_currency"}
    assert pointers(api.send("post", "/campaigns/pool/", {"tags": ["new"]})) == {"/tags"}
    assert not Campaign.objects.exists()


def test_pausing_tells_why_and_is_undone(api, plan):
    api.send("post", "/campaigns/", plan)
    assert api.send("post", "/campaigns/new-arrivals/pause/").status_code == 409
    api.send("post", "/campaigns/new-arrivals/start/")
    assert pointers(api.send("post", "/campaigns/new-arrivals/pause/", {"because": "x" * 1_001})) == {"/because"}
    paused = api.send("post", "/campaigns/new-arrivals/pause/", {"because": "Prices are wrong."}).json()
    assert (paused["status"], paused["paused_because"]) == ("paused", "Prices are wrong.")
    assert api.send("post", "/campaigns/new-arrivals/start/").status_code == 409
    resumed = api.send("post", "/campaigns/new-arrivals/resume/").json()
    assert (resumed["status"], resumed["paused_because"]) == ("running", "")
    assert api.send("post", "/campaigns/new-arrivals/resume/").status_code == 409


def test_starting_and_stopping_and_no_change_in_between(api, plan):
    api.send("post", "/campaigns/", plan)
    started = api.send("post", "/campaigns/new-arrivals/start/")
    assert (started.status_code, started.json()["status"]) == (200, "running"), started.content
    assert api.send("post", "/campaigns/new-arrivals/start/").status_code == 409
    assert api.send("patch", "/campaigns/new-arrivals/", {"floor": 0.2}).status_code == 409
    assert api.send("post", "/campaigns/new-arrivals/stop/").json()["status"] == "stopped"
    assert api.send("post", "/campaigns/new-arrivals/stop/").status_code == 409


def believe(**counts):
    trials, successes = zip(*counts.values(), strict=True)
    return Campaign.objects.get().posteriors.create(
        number=1, batch=7, prior_a=2, prior_b=98, items=[f"sku-{key[1:]}" for key in counts],
        trials=list(trials), successes=list(successes),
    )  # fmt: skip


def test_the_posterior_tells_its_leaders_with_their_intervals(api, plan):
    api.send("post", "/campaigns/", plan)
    path = "/api/v1/campaigns/new-arrivals/posterior/"
    assert api.get(path).status_code == 404
    believe(i0=(100, 1), i1=(50, 10), i2=(0, 0))
    found = api.get(path).json()
    assert (found["number"], found["batch"], found["n_items"], found["prior_a"]) == (1, 7, 3, 2)
    assert [leader["item"] for leader in found["leaders"]] == ["sku-1", "sku-2", "sku-0"]
    best, belief = found["leaders"][0], stats.beta(2 + 10, 98 + 40)
    assert best["mean"] == pytest.approx(belief.mean())
    assert (best["low"], best["high"]) == pytest.approx(belief.interval(0.95))
    assert len(api.get(path, {"limit": 1}).json()["leaders"]) == 1
    assert pointers(api.get(path, {"limit": 0})) == {"limit"}


def test_the_pool_is_told_page_by_page_with_what_is_believed(api, plan):
    api.send("post", "/campaigns/", plan)
    believe(i1=(50, 10))
    upsert.items([{"key": "hat-1", "category": "hat", "tags": ["new"]}, {"key": "sku-3", "in_stock": False}], "ada")
    path, seen = "/api/v1/campaigns/new-arrivals/items/?limit=2", dict[str, Any]()
    while path:
        page = api.get(path).json()
        seen |= {item["key"]: item["belief"] for item in page["results"]}
        path = page["next"]
    assert list(seen) == ["sku-0", "sku-1", "sku-2", "sku-4"]
    assert seen["sku-0"] is None
    assert seen["sku-1"]["mean"] == pytest.approx(12 / 150)


def test_a_limited_key_sees_its_campaigns_only(api, client_with, plan):
    api.send("post", "/campaigns/", plan)
    other = client_with(scenarios=["search"])
    assert other.get("/api/v1/campaigns/").json()["results"] == []
    for path in ("", "items/", "posterior/"):
        assert other.get(f"/api/v1/campaigns/new-arrivals/{path}").status_code == 404
    assert other.send("post", "/campaigns/new-arrivals/start/").status_code == 404
    assert other.send("post", "/campaigns/", plan | {"key": "mine"}).status_code == 403
    assert Campaign.objects.count() == 1


def test_the_value_of_a_policy_is_withheld_until_there_is_a_log(api, plan):
    api.send("post", "/campaigns/", plan)
    assert api.get("/api/v1/campaigns/new-arrivals/evaluation/").json() == []
    api.send("post", "/campaigns/new-arrivals/start/", {})
    told = api.get("/api/v1/campaigns/new-arrivals/evaluation/").json()
    assert {"present table", "uniform", "greedy", "floor 20%"} <= {one["policy"] for one in told}
    for one in told:
        assert (one["n_choices"], one["value"], one["withheld"]) == (0, None, "no data yet")
        assert {each["withheld"] for each in one["estimators"]} == {"no data yet"}
        assert {each["withheld"] for slate in one["slates"] for each in slate["estimators"]} == {"no data yet"}


def test_a_reading_key_counts_and_moves_nothing(api, client_with, plan):
    api.send("post", "/campaigns/", plan)
    reader = client_with(["read"])
    assert reader.send("post", "/campaigns/pool/", {"pool_tags": ["new"]}).json()["count"] == 5
    for step in ("start", "pause", "resume", "stop"):
        assert reader.send("post", f"/campaigns/new-arrivals/{step}/").status_code == 403, step
    assert reader.send("patch", "/campaigns/new-arrivals/", {"name": "Mine"}).status_code == 403


def test_what_a_campaign_believes_is_exported_by_a_worker_and_the_trail_says_so(api, client_with, plan, monkeypatch):
    monkeypatch.setattr(tasks.write, "apply_async", lambda **_: None)  # a worker is not part of this
    api.send("post", "/campaigns/", plan)
    exporter = client_with(["read", "export"])
    refused = exporter.send("post", "/exports/", {"kind": "posteriors", "campaign": "new-arrivals"})
    assert (refused.status_code, refused.json()["detail"]) == (409, "Nothing is learned yet.")
    believe(i0=(100, 1), i1=(50, 10))
    asked = exporter.send("post", "/exports/", {"kind": "posteriors", "campaign": "new-arrivals", "format": "csv"})
    assert asked.status_code == 202, asked.content
    entry = AuditEntry.objects.get(kind="export")
    assert (entry.subject, entry.changes["kind"]) == ("new-arrivals", [None, "posteriors"])
    elsewhere = client_with(["read", "export"], scenarios=["search"])
    hidden = elsewhere.send("post", "/exports/", {"kind": "posteriors", "campaign": "new-arrivals"})
    assert pointers(hidden) == {"/campaign"}
