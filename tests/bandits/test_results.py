"""The result page stays small and quick, whatever the campaign has gathered, and says what each role may do."""

import os
import re
import time
from collections import Counter
from html import unescape
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from bandits import lifecycle
from bandits.models import Campaign, Posterior
from bandits.policies import beliefs
from bandits.policies.beliefs import Beta
from firstlight.catalog.models import Item
from tests import shop

pytestmark = pytest.mark.django_db
BASELINE = Path(__file__).with_name("queries.txt")


@pytest.fixture(autouse=True)
def silent(settings: Any, tmp_path: Path) -> None:
    settings.AFTER_CHANGE = "builtins.dict"
    settings.LAKE_URL = (tmp_path / "lake").as_uri()


@pytest.fixture
def manager(client: Client) -> Client:
    client.force_login(shop.person("product manager"))
    return client


def text(client: Client, row: Campaign, **asked: str) -> str:
    return unescape(client.get(reverse("admin:bandits_campaign_results", args=[row.pk]), asked).content.decode())


def begun(n_items: int = 12, **plan: Any) -> Campaign:
    """Started, with a table, and believing what its prior says."""
    Item.objects.bulk_create([Item(key=f"sku-{i:05}", title=f"Item {i}") for i in range(n_items)])
    row = Campaign.objects.create(key="new", name="New", scenario=shop.scenario(), positions=[3, 8], **plan)
    return lifecycle.start(row.pk, actor="pm", at=timezone.now())


def learned(row: Campaign, *, times: int = 1) -> None:
    newest = row.posteriors.filter(segment="").order_by("-number")[0]
    n, rng = len(newest.items), np.random.default_rng(5)
    for _ in range(times):
        number = row.posteriors.count() + 1
        shown = rng.poisson(200.0 * number, n).astype(float)
        won = np.round(shown * 0.02)
        arrays = Beta(tuple(newest.items), 2 + won, 98 + shown - won).arrays()
        Posterior.objects.create(
            campaign=row, number=number, batch=number, prior_a=2, prior_b=98, items=newest.items,
            trials=shown.tolist(), successes=won.tolist(), told=newest.told,
            arrays=beliefs.pack(arrays | {"impressions": shown, "rewards": won, "ever": shown}),
        )  # fmt: skip


def test_the_page_asks_the_database_no_more_than_it_did(manager: Client) -> None:
    """`WRITE_QUERIES=1` writes down what it asks now."""
    row = begun()
    learned(row)
    with CaptureQueriesContext(connection) as seen:
        text(manager, row)
    told = by_table([q["sql"] for q in seen.captured_queries])
    if os.environ.get("WRITE_QUERIES"):
        BASELINE.write_text(told)
    assert told == BASELINE.read_text()


def by_table(queries: list[str]) -> str:
    """How often each table was asked, in the order of their first turn."""
    tables = Counter(m[1] if (m := re.search(r'(?:FROM|INTO|UPDATE) "([a-z_]+)"', q)) else q[:20] for q in queries)
    return "".join(f"{n} {table}\n" for table, n in tables.items()) + f"{len(queries)} in all\n"


def test_ten_times_as_much_history_takes_no_query_more(manager: Client) -> None:
    row = begun()
    learned(row)
    text(manager, row)  # what a process counts once for each table is counted
    with CaptureQueriesContext(connection) as before:
        text(manager, row)
    learned(row, times=10)
    with CaptureQueriesContext(connection) as after:
        text(manager, row)
    assert len(after) <= len(before)


def test_the_page_of_ten_thousand_items_is_there_in_two_seconds_and_stays_small(manager: Client) -> None:
    row = begun(10_000)
    learned(row, times=3)
    text(manager, row)
    began = time.process_time()
    found = text(manager, row)
    assert time.process_time() - began < 2.0
    assert len(found) < 3_000_000
    assert "the export of posteriors has 9,970 items more" in found


def test_the_chances_are_those_of_the_table_that_is_served(manager: Client) -> None:
    found = text(manager, begun(5, floor="0.2"))
    assert "is the best item with" in found
    assert "Counted off the 1,024 rows of the table that is served" in found
    assert "how many pages the next hour will have is not known yet." in found


@pytest.mark.parametrize(
    ("role", "steps", "export"),
    [
        ("viewer", False, False),
        ("analyst", False, True),
        ("operator", True, False),
        ("product manager", True, True),
    ],
)
def test_each_role_sees_the_page_and_what_it_may_do(client: Client, role: str, steps: bool, export: bool) -> None:
    row = begun()
    client.force_login(shop.person(role))
    found = text(client, row)
    assert "Leading items" in found
    assert ("Pause…" in found, "kind=posteriors" in found) == (steps, export)
    for name in ("pause", "resume", "stop"):
        answer = client.post(reverse(f"admin:bandits_campaign_{name}", args=[row.pk]))
        assert answer.status_code == (302 if steps else 403), name
    picture = reverse("admin:bandits_campaign_picture", args=[row.pk, "leaders", "csv"])
    assert client.get(picture).status_code == 200


def test_other_policies_are_valued_on_a_page_of_their_own(manager: Client) -> None:
    draft = shop.campaign("draft", status="draft")
    told = manager.get(reverse("admin:bandits_campaign_evaluation", args=[draft.pk])).content.decode()
    assert "There is no table yet" in told
    row = begun()
    told = manager.get(reverse("admin:bandits_campaign_evaluation", args=[row.pk])).content.decode()
    assert "No choice can be counted yet." in told
    assert reverse("admin:bandits_campaign_evaluation", args=[row.pk]) in text(manager, row)
    picture = reverse("admin:bandits_campaign_evaluation_picture", args=[row.pk, "evaluation", "csv"])
    assert manager.get(picture).status_code == 404  # of nothing there is no picture
