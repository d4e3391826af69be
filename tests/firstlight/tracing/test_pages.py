"""The pages of traces: what they say, what they ask of the database, who may see them."""

import os
import re
from collections import Counter
from datetime import UTC, datetime, timedelta
from html import unescape
from pathlib import Path
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from firstlight.catalog.models import Item
from tests import shop
from tests.firstlight.tracing import rows

pytestmark = pytest.mark.django_db
BASELINE = Path(__file__).with_name("queries.txt")
NOW = datetime.now(UTC)
TRACE = "mine"


@pytest.fixture(autouse=True)
def lake(settings: Any, tmp_path: Path) -> None:
    settings.LAKE_URL = (tmp_path / "lake").as_uri()
    shop.scenario()


@pytest.fixture
def analyst(client: Client) -> Client:
    client.force_login(shop.person("analyst"))
    return client


def text(client: Client, trace: str = TRACE, status: int = 200) -> str:
    answer = client.get(reverse("tracing:trace", args=[trace]))
    assert answer.status_code == status
    return unescape(answer.content.decode())


def test_a_trace_says_first_what_became_of_its_items(analyst: Client) -> None:
    rows.write(*rows.whole(TRACE, NOW - timedelta(minutes=20)))
    Item.objects.create(key="sku-1", title="Linen dress")
    told = text(analyst)
    assert "3 items placed, 4 seen, 2 clicked, 1 put into a cart and 1 ordered; the order came after 5 minutes." in told
    assert "Linen dress" in told
    assert "i2i → din" in told
    assert "not replayed" in told
    assert "the snapshot that decided is not kept any more" in told
    assert "filtered by category dress and 1 item excluded" in told
    assert "60 % / 15 % / 25 %" in told
    assert "after 4 s" in told


def test_a_slot_leads_to_why_its_campaign_showed_it(analyst: Client) -> None:
    campaign = shop.campaign("new-arrivals")
    rows.write(*rows.whole("a&b", NOW - timedelta(minutes=20)))
    told = text(analyst, "a&b")
    assert f"{reverse('admin:bandits_campaign_results', args=[campaign.pk])}?trace=a%26b#why" in told


def test_the_picture_has_a_row_for_each_item_and_goes_out_as_a_file(analyst: Client) -> None:
    rows.write(*rows.whole(TRACE, NOW - timedelta(minutes=20)))
    address = reverse("tracing:trace", args=[TRACE])
    csv = analyst.get(f"{address}path.csv").content.decode().splitlines()
    assert csv[0].startswith("item_id,recall_source,ranker,position,placed_by,impression_after_seconds")
    assert len(csv) == 7  # five items, and the visit that names none
    assert csv[1] == "sku-1,i2i,din,1,new-arrivals,0.4,4.0,61.0,312.0"
    assert analyst.get(f"{address}path.svg").content.startswith(b"<svg")
    assert analyst.get(f"{address}path.png").content.startswith(b"\x89PNG")
    assert analyst.get(f"{address}another.svg").status_code == 404


def test_what_waits_and_what_came_late_is_said(analyst: Client) -> None:
    rows.write(rows.row("click", NOW - timedelta(hours=5), trace_id=TRACE, item_id="i", scenario="home_feed"))
    rows.arrived(1, NOW)
    told = text(analyst)
    assert "1 event names this trace; 1 came more than an hour late." in told
    assert "5 hours late" in told
    assert "No decision is logged for them." in told


def test_a_trace_that_nothing_names_says_what_to_look_at(analyst: Client) -> None:
    told = text(analyst, "unknown", 404)
    assert "Nothing names this trace" in told
    assert "log" in told
    assert analyst.get(reverse("tracing:trace", args=["unknown"]) + "path.svg").status_code == 404
    assert analyst.get(reverse("tracing:trace", args=["x" * 201])).status_code == 404


@pytest.mark.parametrize("trace", ["<script>alert(1)</script>", "a/b", "50%25", "日本", "../../x", "a'b\"c"])
def test_a_hostile_id_is_text(analyst: Client, trace: str) -> None:
    rows.write(*rows.whole(trace, NOW - timedelta(minutes=1)))
    page = analyst.get(reverse("tracing:trace", args=[trace])).content.decode()
    assert "3 items placed" in page
    assert "<script>alert" not in page


def test_the_list_leads_to_traces_and_narrows_by_unit_and_scenario(analyst: Client) -> None:
    shop.scenario("search", "Search")
    rows.write(
        rows.decision("first", NOW - timedelta(hours=2)),
        rows.decision("second", NOW - timedelta(hours=1)) | {"user_id": "u-2", "scenario": "search"},
        rows.decision("older", NOW - timedelta(days=3)),
    )

    def traces(**asked: str) -> list[str]:
        page = analyst.get(reverse("tracing:traces"), asked).content.decode()
        return re.findall(r"/console/traces/([^/\"]+)/\"", page)

    assert traces() == ["second", "first"]
    assert traces(unit="u-2") == traces(scenario="search") == ["second"]
    assert traces(unit="nobody") == []
    assert analyst.get(reverse("tracing:traces"), {"trace": " first "}).headers["Location"].endswith("/traces/first/")


def test_an_empty_list_says_what_to_do(analyst: Client) -> None:
    page = analyst.get(reverse("tracing:traces")).content.decode()
    assert "No decision was logged in the last 24 hours" in page
    assert "No such decision" in analyst.get(reverse("tracing:traces"), {"unit": "u"}).content.decode()


def test_only_who_may_see_the_lake_sees_traces(client: Client) -> None:
    for address in (reverse("tracing:traces"), reverse("tracing:trace", args=[TRACE])):
        assert client.get(address).status_code == 302
    client.force_login(shop.person("nobody's role"))
    for address in (reverse("tracing:traces"), reverse("tracing:trace", args=[TRACE])):
        assert client.get(address).status_code == 403


def test_the_pages_ask_as_much_as_they_did(analyst: Client) -> None:
    """Held to queries.txt; `UPDATE_BASELINE=1` writes it anew."""
    rows.write(*rows.whole(TRACE, NOW - timedelta(minutes=20)))
    shop.experiment()
    told = []
    pages = {
        "trace": reverse("tracing:trace", args=[TRACE]),
        "list": reverse("tracing:traces"),
        "paths": f"{reverse('tracing:paths', args=['home_feed'])}?experiment=ranker",
    }
    for name, address in pages.items():
        analyst.get(address)
        with CaptureQueriesContext(connection) as asked:
            analyst.get(address)
        tables = Counter(
            re.findall(r'(?:FROM|UPDATE|INTO) "?(\w+)', one["sql"])[0] for one in asked if "FROM" in one["sql"]
        )
        told += [f"{name}: {n} {table}" for table, n in sorted(tables.items())]
    found = "\n".join(told) + "\n"
    if os.environ.get("UPDATE_BASELINE"):
        BASELINE.write_text(found)
    assert found == BASELINE.read_text()
