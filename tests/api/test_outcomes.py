"""Who left the pool of a campaign, as a recommender follows it and a person takes it back."""

from datetime import UTC, datetime, timedelta

import pytest

from bandits import ledgers
from bandits.models import Campaign, Outcome
from firstlight.accounts.models import AuditEntry
from firstlight.catalog.models import Item
from firstlight.notices.models import Notice
from tests.api.conftest import pointers
from tests.bandits.ledger_rows import counts

START = datetime(2026, 11, 1, tzinfo=UTC)
PATH = "/api/v1/campaigns/spring"


@pytest.fixture
def campaign(scenarios, monkeypatch):
    """Seven items left it, one an hour; every third was retired."""
    monkeypatch.setattr(ledgers, "read", lambda ledger, since: counts([]))
    Item.objects.bulk_create(Item(key=f"sku-{i}") for i in range(9))
    row = Campaign.objects.create(
        key="spring", name="Spring", scenario=scenarios[0], positions=[1], status="running", started_at=START
    )
    for i in range(7):
        kind = "retired" if i % 3 == 2 else "graduated"
        at = START + timedelta(hours=i)
        Outcome.objects.create(campaign=row, item=f"sku-{i}", kind=kind, decided_at=at, evidence={"bar": 0.03})
    return row


def items(api, path):
    """Of all pages."""
    seen = []
    while path:
        page = api.get(path)
        assert page.status_code == 200, page.content
        seen += [row["item"] for row in page.json()["results"]]
        path = page.json()["next"]
    return seen


def test_the_feed_tells_who_graduated_oldest_first_page_by_page(api, campaign):
    assert items(api, f"{PATH}/graduated/?limit=2") == ["sku-0", "sku-1", "sku-3", "sku-4", "sku-6"]
    assert items(api, f"{PATH}/graduated/?kind=retired") == ["sku-2", "sku-5"]
    assert len(items(api, f"{PATH}/graduated/?kind=all&limit=3")) == 7


def test_who_follows_the_feed_hears_of_what_was_taken_back_as_well(api, campaign):
    since = {"since": "2026-11-01T04:00:00Z"}
    assert [row["item"] for row in api.get(f"{PATH}/graduated/", since).json()["results"]] == ["sku-4", "sku-6"]
    Outcome.objects.filter(item="sku-0").update(reversed_at=START + timedelta(hours=5), reason="Fake.")
    found = api.get(f"{PATH}/graduated/", since).json()["results"]
    assert [(row["item"], row["in_force"]) for row in found] == [("sku-0", False), ("sku-4", True), ("sku-6", True)]


@pytest.mark.parametrize(
    ("query", "place"),
    [("since=yesterday", "since"), ("since=2026-11-01", "since"), ("kind=lost", "kind"), ("cursor=x", "cursor")],
)
def test_a_query_that_cannot_be_read_is_refused(api, campaign, query, place):
    assert pointers(api.get(f"{PATH}/graduated/?{query}")) == {place}


def test_decisions_are_told_newest_first_with_their_evidence(api, campaign):
    assert items(api, f"{PATH}/outcomes/?limit=3") == [f"sku-{i}" for i in reversed(range(7))]
    newest = api.get(f"{PATH}/outcomes/?limit=1").json()["results"][0]
    assert newest["evidence"] == {"bar": 0.03}
    assert (newest["kind"], newest["decided_by"], newest["reason"]) == ("graduated", "worker", "")


def test_taking_back_needs_a_reason_is_recorded_and_refused_the_second_time(api, campaign):
    outcome = Outcome.objects.get(item="sku-0")
    path = f"/campaigns/spring/outcomes/{outcome.pk}/reverse/"
    assert pointers(api.send("post", path, {})) == {"/reason"}
    assert pointers(api.send("post", path, {"reason": " "})) == {"/reason"}
    assert pointers(api.send("post", path, {"reason": "x" * 501})) == {"/reason"}
    found = api.send("post", path, {"reason": "Wrong photo."}).json()
    assert (found["in_force"], found["reason"]) == (False, "Wrong photo.")
    assert found["reversed_by"].startswith("key ")
    assert AuditEntry.objects.get(action="took back").actor == found["reversed_by"]
    assert Notice.objects.get().kind == "campaign.taken_back"
    again = api.send("post", path, {"reason": "Wrong photo."})
    assert again.status_code == 409
    assert "taken back already" in again.json()["detail"]


def test_a_person_decides_by_hand(api, campaign):
    path = "/campaigns/spring/outcomes/"
    made = api.send("post", path, {"item": "sku-7", "kind": "retired", "reason": "Counterfeit."})
    assert made.status_code == 201, made.content
    assert made.json()["evidence"]["by_hand"] == "Counterfeit."
    again = api.send("post", path, {"item": "sku-7", "kind": "graduated", "reason": "No."})
    assert again.status_code == 409
    assert "left the pool already" in again.json()["detail"]
    assert pointers(api.send("post", path, {"item": "sku-8", "kind": "lost", "reason": "x"})) == {"/kind"}


def test_the_judgement_tells_what_it_withholds(api, campaign):
    campaign.posteriors.create(number=1, batch=1, prior_a=1, prior_b=49, items=["sku-8"], trials=[0.0], successes=[0.0])
    found = api.get(f"{PATH}/judgement/").json()
    assert found["precision"] == {"withheld": "fewer than five decisions can be judged yet"}
    assert (found["graduated"]["in_force"], found["retired"]["open"], len(found["items"])) == (5, 2, 7)


def test_the_ecosystem_tells_what_it_withholds(api, campaign):
    assert api.get(f"{PATH}/ecosystem/").json()["items"] == {"withheld": "no data yet"}


def test_reading_is_not_deciding(client_with, person, campaign):
    outcome = Outcome.objects.first()
    path, why = f"/campaigns/spring/outcomes/{outcome.pk}/reverse/", {"reason": "No."}
    reader = client_with(["read"])
    assert reader.get(f"{PATH}/outcomes/").status_code == 200
    assert reader.send("post", path, why).status_code == 403
    assert reader.send("post", "/campaigns/spring/outcomes/", {}).status_code == 403
    for role, status in (("viewer", 403), ("analyst", 403), ("operator", 200)):
        assert person(role).with_token("post", path, why).status_code == status, role


def test_a_limited_key_neither_sees_nor_changes_what_is_elsewhere(client_with, campaign, scenarios):
    outcome = Outcome.objects.first()
    other = client_with(scenarios=["search"])
    for path in ("graduated/", "outcomes/", "judgement/", "ecosystem/"):
        assert other.get(f"{PATH}/{path}").status_code == 404
    mine = Campaign.objects.create(key="mine", name="Mine", scenario=scenarios[1], positions=[1])
    for key in ("spring", mine.key):
        path = f"/campaigns/{key}/outcomes/{outcome.pk}/reverse/"
        assert other.send("post", path, {"reason": "No."}).status_code == 404
    assert not Outcome.objects.exclude(reversed_at=None).exists()
