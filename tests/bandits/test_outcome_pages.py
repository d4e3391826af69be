"""A person takes decisions back in the admin, and decides by hand; the page tells what became of items."""

import re
from html import unescape
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from scipy.stats import beta as beta_law

from bandits import outcome_sections, tasks
from bandits.models import Campaign, Outcome
from firstlight.catalog.models import Item, Merchant
from tests import shop
from tests.bandits.test_graduating import AT, Rows, campaign, decided, ledger

__all__ = ["campaign", "ledger"]  # fixtures

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def silent(settings: Any) -> None:
    settings.AFTER_CHANGE = "tests.bandits.test_admin.nothing"


@pytest.fixture
def manager(client: Client) -> Client:
    client.force_login(shop.person("product manager"))
    return client


def take_back(outcome: Outcome) -> str:
    return reverse("admin:bandits_campaign_take_back", args=[outcome.campaign_id, outcome.pk])


def said(answer: Any) -> str:
    return " ".join(unescape(re.sub("<[^>]+>", " ", answer.content.decode())).split())


def test_taking_back_asks_wants_a_reason_and_goes_back_to_the_page(manager: Client, campaign: Campaign) -> None:
    decided(campaign)
    outcome = Outcome.objects.get(item="good")
    asked = manager.get(take_back(outcome))
    assert "Take back that “good” was graduated?" in said(asked)
    assert "100 more impressions" in said(asked)
    assert manager.post(take_back(outcome), {"reason": ""}).status_code == 422
    done = manager.post(take_back(outcome), {"reason": "Wrong photo."})
    assert done["Location"] == reverse("admin:bandits_campaign_results", args=[campaign.pk]) + "#outcomes"
    outcome.refresh_from_db()
    assert (outcome.reason, outcome.reversed_by) == ("Wrong photo.", "product-manager")
    again = manager.post(take_back(outcome), {"reason": "Once more."})
    assert again.status_code == 409
    assert "was taken back already" in said(again)


def test_a_decision_of_another_campaign_is_not_found(manager: Client, campaign: Campaign) -> None:
    decided(campaign)
    other = Campaign.objects.create(key="other", name="Other", scenario=campaign.scenario, positions=[9])
    path = reverse("admin:bandits_campaign_take_back", args=[other.pk, Outcome.objects.get(item="good").pk])
    assert manager.post(path, {"reason": "No."}).status_code == 404


def test_an_item_is_retired_by_hand_and_what_cannot_be_is_said_where_it_was_asked(
    manager: Client, campaign: Campaign
) -> None:
    path = reverse("admin:bandits_campaign_decide", args=[campaign.pk])
    assert manager.get(path, {"item": "fair"}).context["step"].form.initial == {"item": "fair"}
    sent = {"item": "fair", "kind": "retired", "reason": "Counterfeit."}
    assert manager.post(path, sent).status_code == 302
    assert Outcome.objects.get(item="fair").evidence["by_hand"] == "Counterfeit."
    again = manager.post(path, sent)
    assert again.status_code == 409
    assert "left the pool already" in said(again)


def test_who_may_only_look_decides_nothing(client: Client, campaign: Campaign) -> None:
    decided(campaign)
    client.force_login(shop.person("viewer"))
    outcome = Outcome.objects.get(item="good")
    for path in (take_back(outcome), reverse("admin:bandits_campaign_decide", args=[campaign.pk])):
        assert client.post(path, {"reason": "No."}).status_code == 403
    outcome.refresh_from_db()
    assert outcome.reversed_at is None


def leaving(campaign: Campaign, *, may_change: bool = True) -> outcome_sections.Leaving:
    return outcome_sections.Leaving(campaign, AT, may_change)


def test_the_section_links_to_the_way_back_for_who_may_take_it(campaign: Campaign) -> None:
    Item.objects.filter(key="good").update(title="Good coat")
    decided(campaign)
    rows = leaving(campaign).outcomes().tables[0].rows
    good = next(row for row in rows if row.cells[0].text == "Good coat")
    assert good.cells[-1].link == take_back(Outcome.objects.get(item="good"))
    assert not any(row.cells[-1].link for row in leaving(campaign, may_change=False).outcomes().tables[0].rows)


def test_the_section_says_why_nothing_can_be_decided(campaign: Campaign) -> None:
    Item.objects.update(tags=["new"])  # nobody is an incumbent any more
    assert "no bar yet to decide by: no item outside of the pool" in leaving(campaign).outcomes().missing
    Campaign.objects.update(graduates=False)
    campaign.refresh_from_db()
    assert leaving(campaign).outcomes().missing == outcome_sections.OFF
    campaign.posteriors.all().delete()
    campaign.graduates = True
    assert leaving(campaign).outcomes().missing == outcome_sections.UNLEARNED


def test_before_the_first_decision_the_section_shows_who_is_next(campaign: Campaign) -> None:
    found = leaving(campaign).outcomes()
    assert found.sentence == "Nothing has been decided yet."
    young, fair = found.pictures[0].rows  # good and poor are about to leave
    assert (young["item"], young["missing"], fair["item"], fair["missing"]) == ("young", 50, "fair", 0)
    assert young["chance"] == pytest.approx(beta_law.sf(0.03, 1 + 9, 49 + 41))
    Campaign.objects.update(status="paused")
    campaign.refresh_from_db()
    assert leaving(campaign).outcomes().missing == "Nothing has been decided yet."


def test_merchants_are_named(campaign: Campaign) -> None:
    Item.objects.filter(key="good").update(merchant=Merchant.objects.create(key="m-1", name="Ada's"))
    assert leaving(campaign).merchants().tables[0].rows[0].cells[0].text == "Ada's"


def test_the_beat_asks_for_every_campaign_that_runs_and_graduates(
    campaign: Campaign, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[int] = []
    monkeypatch.setattr(tasks.graduate, "delay", lambda *, campaign_id: asked.append(campaign_id))
    for key, changes in (("draft", {"status": "draft"}), ("stays", {"graduates": False})):
        common = {"name": key, "scenario": campaign.scenario, "positions": [9], "started_at": AT, "status": "running"}
        Campaign.objects.create(key=key, **{**common, **changes})
    tasks.graduate_running()
    assert asked == [campaign.pk]


def test_a_task_that_runs_twice_or_for_nothing_changes_nothing(campaign: Campaign, ledger: Rows) -> None:
    tasks.graduate(campaign_id=campaign.pk)
    tasks.graduate(campaign_id=campaign.pk)
    tasks.graduate(campaign_id=campaign.pk + 1)
    assert Outcome.objects.count() == 2
