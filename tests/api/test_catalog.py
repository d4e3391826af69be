from firstlight.accounts.models import ApiKey, AuditEntry
from firstlight.catalog.models import Item, Scenario
from tests.api.conftest import pointers


def test_a_scenario_is_made_read_and_changed_and_the_trail_tells(api):
    made = api.send("post", "/scenarios/", {"key": "home_feed", "name": "Home"})
    assert (made.status_code, made.json()["description"]) == (201, "")
    assert api.send("patch", "/scenarios/home_feed/", {"name": "Home feed"}).json()["name"] == "Home feed"
    assert api.get("/api/v1/scenarios/home_feed/").json()["name"] == "Home feed"
    changed, created = AuditEntry.objects.filter(kind="scenario")
    assert (created.action, changed.changes) == ("created", {"name": ["Home", "Home feed"]})
    assert changed.actor == f"key {ApiKey.objects.get().public_id}"


def test_a_key_is_taken_once(api, scenarios):
    assert pointers(api.send("post", "/scenarios/", {"key": "search", "name": "x"})) == {"/key"}
    assert Scenario.objects.count() == 2


def test_a_key_stays_what_it_is(api, scenarios):
    assert pointers(api.send("patch", "/scenarios/home_feed/", {"key": "home"})) == {"/key"}
    assert api.send("patch", "/scenarios/home_feed/", {"key": "home_feed", "name": "Home"}).status_code == 200


def test_items_go_in_and_out(api):
    rows = [{"key": "a", "merchant": "m", "category": "c", "price": "1.50", "tags": ["new"]}, {"key": "b"}]
    assert api.send("put", "/items/", rows).json() == {"created": 2, "changed": 0, "unchanged": 0}
    assert api.send("put", "/items/", rows).json() == {"created": 0, "changed": 0, "unchanged": 2}
    (item,) = api.get("/api/v1/items/?merchant=m").json()["results"]
    assert (item["key"], item["category"], item["price"], item["tags"]) == ("a", "c", "1.5000", ["new"])
    assert api.get("/api/v1/items/?category=other").json() == {"results": [], "next": None}
    assert api.send("put", "/merchants/", [{"key": "m", "name": "Mill"}]).json()["changed"] == 1
    assert api.get("/api/v1/merchants/").json()["results"] == [{"key": "m", "name": "Mill"}]


def test_a_bad_row_is_told_and_saves_none(api):
    bad = api.send("put", "/items/", [{"key": "a"}, {"key": "b", "price": -1}, {"key": "c", "tags": 3}])
    assert pointers(bad) == {"/1/price", "/2/tags"}
    assert pointers(api.send("put", "/items/", {"key": "a"})) == {""}
    assert not Item.objects.exists()
