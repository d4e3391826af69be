"""The path of a trace in a real browser: drawn by day and night, at a desk and on a phone, by keyboard, on paper."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page

from firstlight.catalog.models import Item
from tests import shop
from tests.browser.test_admin import drawn, overflow
from tests.browser.test_journey import faults
from tests.firstlight.tracing import rows
from tests.firstlight.tracing.test_paths_pages import market

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
Visit = Callable[..., Page]


@pytest.fixture(autouse=True)
def lake(settings: Any, tmp_path: Path) -> None:
    settings.LAKE_URL = (tmp_path / "lake").as_uri()
    shop.scenario()
    shop.person("analyst")
    Item.objects.create(key="sku-1", title="Linen dress in sand, with a long belt and two pockets")


@pytest.mark.parametrize(("width", "mode"), [(1440, "light"), (1440, "dark"), (400, "light"), (400, "dark")])
def test_a_trace_is_found_and_drawn(visit: Visit, tmp_path: Path, width: int, mode: str) -> None:
    now = datetime.now(UTC)
    rows.write(*rows.whole("recent", now - timedelta(minutes=20)), *rows.whole("another", now - timedelta(minutes=3)))
    page = visit("analyst", width=width, dark=mode == "dark")
    page.goto("/admin/console/traces/")
    page.screenshot(path=tmp_path / "list.png", full_page=True)
    assert overflow(page) <= 0
    assert faults(page) == []
    page.fill("#trace", "recent")
    page.press("#trace", "Enter")
    page.wait_for_url("**/traces/recent/")
    assert drawn(page, mode=mode) == 1
    assert page.locator("[data-chart] svg .mark-symbol path").count() >= 12
    assert overflow(page) <= 0
    assert faults(page) == []
    page.screenshot(path=tmp_path / "trace.png", full_page=True)
    page.emulate_media(media="print")
    assert overflow(page) <= 0


@pytest.mark.parametrize(("width", "mode"), [(1440, "light"), (400, "dark")])
def test_paths_are_drawn_and_compared_by_the_arms_of_an_experiment(
    visit: Visit, tmp_path: Path, width: int, mode: str
) -> None:
    shop.experiment()
    rows.write(*market())
    page = visit("analyst", width=width, dark=mode == "dark")
    page.goto("/admin/console/scenarios/home_feed/")
    page.click("a:has-text('Paths')")
    page.wait_for_url("**/paths/home_feed/")
    assert drawn(page, mode=mode) == 1
    page.select_option("#experiment", "ranker")
    page.get_by_role("button", name="Compare").press("Enter")
    page.wait_for_url("**experiment=ranker")
    assert drawn(page, mode=mode) == 3
    assert page.get_by_text("no causal comparison").count() >= 1
    assert overflow(page) <= 0
    assert faults(page) == []
    page.screenshot(path=tmp_path / "paths.png", full_page=True)


def test_an_empty_list_leads_on_by_keyboard(visit: Visit) -> None:
    page = visit("analyst")
    page.goto("/admin/console/traces/?unit=nobody")
    page.get_by_role("link", name="All of them").focus()
    page.keyboard.press("Enter")
    page.wait_for_url("**/traces/")
