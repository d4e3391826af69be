"""What a product manager sees and does with discovery campaigns."""

import re
from html import unescape
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from bandits.models import Campaign, Status
from firstlight.accounts.models import AuditEntry
from firstlight.catalog.models import Item
from tests import shop

pytestmark = pytest.mark.django_db
ADD = "/admin/bandits/campaign/add/"


@pytest.fixture(autouse=True)
def silent(settings: Any) -> None:
    settings.AFTER_CHANGE = "tests.bandits.test_admin.nothing"


def nothing() -> None: ...


@pytest.fixture
def manager(client: Client) -> Client:
    client.force_login(shop.person("product manager"))
    return client


def at(name: str, row: Campaign) -> str:
    return reverse(f"admin:bandits_campaign_{name}", args=[row.pk])


def form(**changes: Any) -> dict[str, Any]:
    """As the browser sends it: every field as it stands in the empty form."""
    fields = {f.name: f.get_default() for f in Campaign._meta.fields if f.editable}
    empty = {name: "on" if value is True else value for name, value in fields.items() if value not in (None, [])}
    plan = {"name": "New arrivals", "key": "new", "scenario": str(shop.scenario().pk), "positions": "8, 3"}
    return empty | plan | changes


def test_a_campaign_made_by_the_form_is_kept_and_recorded(manager: Client) -> None:
    assert manager.post(ADD, form()).status_code == 302
    row = Campaign.objects.get(key="new")
    assert (row.positions, row.status) == ([3, 8], Status.DRAFT)
    assert AuditEntry.objects.get(kind="campaign").action == "created"


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"positions": "3, 3"}, "positions"),
        ({"positions": "0"}, "positions"),
        ({"floor": "1.5"}, "floor"),
        ({"segments": "IN"}, "segment_by"),
        ({"segment_by": "country"}, "segments"),
        ({"pool_price_from": "5"}, "pool_currency"),
        ({"pool_price_from": "5", "pool_price_to": "4", "pool_currency": "INR"}, "pool_price_to"),
        ({"pool_currency": "inr"}, "pool_currency"),
        ({"pool_countries": "IN, india"}, "pool_countries"),
        ({"pool_items": "not-there"}, "pool_items"),
        ({"pool_items": "k" * 201}, "pool_items"),
        ({"pool_by_rule": ""}, "pool_items"),
        ({"reward": "net_value"}, "value_currency"),
        ({"item_guarantee": "9", "item_cap": "8"}, "item_cap"),
        ({"control_share": "0.6"}, "control_share"),
        ({"control_share": "0.5", "uniform_share": "0.5"}, "uniform_share"),
        ({"graduate_at": "0.1", "retire_at": "0.2"}, "retire_at"),
        ({"guards": ["sales"]}, "guards"),
        ({"half_life_days": "nan"}, "half_life_days"),
    ],
)
def test_a_refusal_stands_beside_its_field(manager: Client, changes: dict[str, Any], field: str) -> None:
    answer = manager.post(ADD, form(**changes))
    assert list(answer.context["adminform"].form.errors) == [field]


def test_the_pool_is_counted_while_the_form_is_being_filled_in(manager: Client) -> None:
    shop.posteriors(shop.campaign("other"), n=0)
    for i, key in enumerate(("sku-0", "sku-1")):
        Item.objects.filter(key=key).update(tags=["new"], price=10 * i, currency="INR")

    def told(**changes: Any) -> str:
        answer = manager.post("/admin/bandits/campaign/pool/", form(name="", **changes))
        return unescape(re.sub("<[^>]+>", "", answer.content.decode())).strip()

    assert told().startswith("12 items take part now")
    assert told(pool_tags="new").startswith("2 items take part now")
    assert told(pool_tags="new", pool_price_from="5", pool_currency="INR") == (
        "1 item takes part now, newest first Linen dress sku-1"
    )
    assert told(pool_by_rule="", pool_items="sku-3,sku-4\nsku-5").startswith("3 items take part")
    assert told(pool_excluded=", ".join(f"sku-{i}" for i in range(12))).startswith("No item takes part now.")
    assert told(pool_price_from="x") == "Put right first: Price from."
    assert Campaign.objects.count() == 1
    assert manager.get("/admin/bandits/campaign/pool/").status_code == 403


def test_the_checklist_follows_the_form_and_nothing_of_it_is_kept(manager: Client) -> None:
    shop.posteriors(shop.campaign("other"), n=0)
    address = "/admin/bandits/campaign/add/preview/"
    text = manager.post(address, form()).content.decode()
    assert "“other” fills slot 3, 8 of home_feed already." in text
    assert "12 items take part now." in text
    assert "name" in manager.post(address, form(name="")).content.decode()
    assert Campaign.objects.count() == 1


def test_a_hundred_thousand_keys_are_refused_and_so_is_one_item_too_many(manager: Client) -> None:
    answer = manager.post(ADD, form(pool_excluded=",".join(map(str, range(10_001)))))
    assert list(answer.context["adminform"].form.errors) == ["pool_excluded"]


def test_lists_are_read_by_comma_or_line_each_once(manager: Client) -> None:
    shop.posteriors(shop.campaign("other"), n=0)
    sent = form(pool_items="sku-1, sku-2\nsku-1\n", segment_by="country", segments="IN,BR", guards=["click_rate"])
    assert manager.post(ADD, sent).status_code == 302
    row = Campaign.objects.get(key="new")
    assert (row.pool_items, row.segments, row.guards) == (["sku-1", "sku-2"], ["IN", "BR"], ["click_rate"])
    assert 'value="IN, BR"' in (text := manager.get(at("change", row)).content.decode()) or "IN, BR</textarea>" in text


def test_before_the_start_the_page_counts_who_would_take_part(manager: Client) -> None:
    row = shop.campaign(status=Status.DRAFT)
    assert "No item meets its pool rule" in manager.get(at("change", row)).content.decode()
    shop.posteriors(row, n=0)
    assert "<strong>12</strong> items would take part" in manager.get(at("change", row)).content.decode()
    assert "12 items would take part" in manager.get(at("results", row)).content.decode()


def test_starting_and_stopping_ask_first_and_act_by_post_alone(manager: Client) -> None:
    row = shop.campaign(status=Status.DRAFT)
    shop.posteriors(row, n=0)
    assert "12 items take part now." in manager.get(at("start", row)).content.decode()
    row.refresh_from_db()
    assert row.status == Status.DRAFT
    assert manager.post(at("start", row)).status_code == 302
    row.refresh_from_db()
    assert row.status == Status.RUNNING
    assert manager.post(at("start", row)).status_code == 409
    assert manager.post(at("stop", row)).status_code == 302
    row.refresh_from_db()
    assert row.status == Status.STOPPED


def test_pausing_takes_a_reason_that_stands_on_the_page_until_it_is_resumed(manager: Client) -> None:
    row = shop.campaign()
    assert manager.post(at("pause", row), {"because": "Prices are <wrong>."}).status_code == 302
    assert manager.post(at("pause", row)).status_code == 409
    for name in ("results", "change", "resume"):
        assert "Prices are &lt;wrong&gt;." in manager.get(at(name, row)).content.decode()
    assert manager.post(at("resume", row)).status_code == 302
    row.refresh_from_db()
    assert (row.status, row.paused_because) == (Status.RUNNING, "")


def test_what_fails_in_the_checklist_offers_no_start(manager: Client) -> None:
    row = shop.campaign(status=Status.DRAFT)
    text = manager.get(at("start", row)).content.decode()
    assert "No item satisfies its pool rule." in text
    assert ">Start</button>" not in text
    assert manager.post(at("start", row)).status_code == 409


def test_the_plan_of_a_running_campaign_is_fixed(manager: Client) -> None:
    row = shop.campaign()
    assert manager.post(at("change", row), form(name="Other", positions="9", floor="1")).status_code == 302
    row.refresh_from_db()
    assert (row.name, row.positions, float(row.floor)) == ("Other", [3, 8], 0.05)


@pytest.mark.parametrize(("status", "budget", "margin"), [("running", 500, 0.1), ("stopped", None, 0.05)])
def test_budget_and_guards_may_change_while_it_runs(
    manager: Client, status: str, budget: int | None, margin: float
) -> None:
    row = shop.campaign(status=status)
    sent = form(daily_budget="500", guard_margin="0.1", guards=["conversion"], item_cap="9")
    assert manager.post(at("change", row), sent).status_code == 302
    row.refresh_from_db()
    assert (row.daily_budget, float(row.guard_margin), row.item_cap) == (budget, margin, None)
    assert len(row.guards) == (1 if budget else 3)


def test_the_page_says_who_leads_and_draws_what_is_believed(manager: Client) -> None:
    row = shop.campaign()
    shop.posteriors(row)
    text = unescape(manager.get(at("results", row)).content.decode())
    assert "12 of 12 items have been tried; “Linen dress sku-0” leads with" in text
    assert "1 item is clearly better than the average of 1.75 %" in text  # (120 + 11 x 12) / (12 x 1,200)
    assert all(f'id="chart-{key}"' in text for key in ("leaders", "exposure", "exposure-over-time"))


def test_any_item_can_be_looked_for_and_one_that_is_not_there_is_said_to_be_missing(manager: Client) -> None:
    row = shop.campaign()
    shop.posteriors(row)
    found = unescape(manager.get(at("results", row), {"item": "sku-7"}).content.decode())
    assert 'id="chart-item"' in found
    assert "Item Linen dress sku-7" in found
    lost = unescape(manager.get(at("results", row), {"item": shop.HOSTILE}).content.decode())
    assert "is not in the pool, or came after the last learning step" in lost


def test_a_segment_is_shown_by_its_own_posterior(manager: Client) -> None:
    row = shop.campaign()
    shop.posteriors(row, n=1)
    Campaign.objects.filter(pk=row.pk).update(segment_by="country", segments=["IN", "BR"])
    whole = row.posteriors.get()
    whole.pk, whole.segment, whole.successes = None, "IN", [4.0] * 11 + [40.0]
    whole.save()
    assert "“Linen dress sku-11” leads" in unescape(manager.get(at("results", row), {"segment": "IN"}).content.decode())
    text = unescape(manager.get(at("results", row), {"segment": "nowhere"}).content.decode())
    assert "“Linen dress sku-0” leads" in text
    assert "?segment=IN#leaders" in text
    assert "Nothing has been learned yet." in manager.get(at("results", row), {"segment": "BR"}).content.decode()


@pytest.mark.parametrize("status", list(Status))
def test_without_a_posterior_the_page_says_what_comes_next(manager: Client, status: str) -> None:
    row = shop.campaign(status=status)
    text = manager.get(at("results", row)).content.decode()
    assert ("Not started yet." if status == Status.DRAFT else "Nothing has been learned yet.") in text


def test_every_picture_can_be_taken_away(manager: Client) -> None:
    row = shop.campaign()
    shop.posteriors(row)
    links = re.findall(r'href="(/admin/[^"]+\.(?:png|svg|csv)[^"]*)"', manager.get(at("results", row)).content.decode())
    assert len(links) == 9
    assert {manager.get(unescape(link)).status_code for link in links} == {200}


def test_hostile_titles_are_text_also_inside_the_charts(manager: Client) -> None:
    row = shop.campaign(name=shop.HOSTILE)
    shop.posteriors(row, title=shop.HOSTILE)
    for address in (at("results", row), at("change", row), "/admin/", "/admin/bandits/campaign/"):
        assert "<img src=x" not in manager.get(address).content.decode()


@pytest.mark.parametrize(("role", "may"), [("viewer", False), ("analyst", False), ("operator", True)])
def test_who_may_not_change_sees_and_cannot(client: Client, role: str, may: bool) -> None:
    row = shop.campaign()
    shop.posteriors(row)
    client.force_login(shop.person(role))
    assert ("Stop…" in client.get(at("results", row)).content.decode()) == may
    assert client.post(at("stop", row)).status_code == (302 if may else 403)
    assert client.get(ADD).status_code == 403
