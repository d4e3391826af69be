"""A product manager at work: plans, starts, reads; by day and by night, at a desk and on a phone."""

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page

from bandits.models import Campaign
from experiments.models import Experiment
from firstlight.catalog.models import Item, Scenario
from tests import shop

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
Visit = Callable[..., Page]
CHARTS = "[...document.querySelectorAll('[data-chart]')]"


def drawn(page: Page, *, mode: str = "light") -> int:
    """How many charts stand on the page, once all are drawn in that mode."""
    everything = f"{CHARTS}.every(p => p.dataset.drawn === '{mode}' && p.querySelector('svg'))"
    page.wait_for_function(everything)
    return page.locator("[data-chart] svg.marks").count()


def overflow(page: Page) -> int:
    """Px that the page is wider than its window."""
    return int(page.evaluate("document.documentElement.scrollWidth - window.innerWidth"))


def test_a_product_manager_goes_from_nothing_to_a_verdict(visit: Visit, tmp_path: Path) -> None:
    shop.person("product manager")
    goal = shop.metric("shop-click-rate", "Click rate", "ratio", "click", denominator_event="impression")
    Item.objects.bulk_create([Item(key=f"sku-{i}") for i in range(5)])
    page = visit("product-manager")

    page.click("a.fl-step:has-text('Create a scenario')")
    page.fill("#id_name", "Home feed")
    page.fill("#id_key", "home_feed")
    page.click("button[name=_save]")
    page.wait_for_url("**/catalog/scenario/")
    assert Scenario.objects.get().key == "home_feed"

    page.goto("/admin/experiments/experiment/add/")
    page.locator("#id_name").press_sequentially("New ranker")
    assert page.input_value("#id_key") == "new-ranker"  # made from the name
    page.check("#id_scenarios_0")
    for i, arm in enumerate(("control", "din")):
        page.fill(f"#id_arms-{i}-key", arm)
        page.fill(f"#id_arms-{i}-weight", "0.5" if i == 0 else "0.4")
    page.fill("#id_arms-1-parameters", '{"ranker": "din"}')
    page.select_option("#id_measured-0-metric", str(goal.pk))
    page.click("button[name=_save]")
    page.get_by_text("The weights sum to 0.9; they must sum to 1.").wait_for()
    page.fill("#id_arms-1-weight", "0.5")
    page.click("button[name=_save]")
    page.wait_for_url("**/experiments/experiment/")
    page.click("a:has-text('New ranker')")
    page.click("a:has-text('Start…')")
    page.click("button:has-text('Start')")
    page.wait_for_url("**/results/")
    page.get_by_text("No analysis yet.").wait_for()

    run = Experiment.objects.get()
    assert run.started_at is not None
    Experiment.objects.update(started_at=run.started_at - timedelta(days=9))
    run.refresh_from_db()
    look = shop.look(run, lift=0.5)
    page.reload()
    assert page.locator(".fl-sentence").inner_text() == look.sentence
    assert drawn(page) == 4
    page.screenshot(path=tmp_path / "results.png", full_page=True)

    page.goto("/admin/bandits/campaign/add/")
    page.fill("#id_name", "New arrivals")
    page.fill("#id_key", "new-arrivals")
    page.select_option("#id_scenario", label="Home feed")
    page.fill("#id_positions", "3, 8")
    page.click("button[name=_save]")
    page.click("a:has-text('New arrivals')")
    page.get_by_text("5 items would take part now.").wait_for()
    page.click("a:has-text('Start…')")
    page.click("button:has-text('Start')")
    page.wait_for_url("**/results/")
    assert Campaign.objects.get().status == "running"
    page.click("a:has-text('Stop…')")
    page.click("button:has-text('Stop')")
    page.wait_for_url("**/results/")
    assert Campaign.objects.get().status == "stopped"


@pytest.fixture
def full() -> dict[str, str]:
    """Addresses of a shop in which everything has happened, with names as long as they may be."""
    run = shop.experiment(
        name="A new ranker with a name that goes on and on for longer than any screen is wide, and on"
    )
    shop.look(run)
    found = shop.campaign()
    shop.posteriors(found, title="A dress whose title the merchant wrote for a search engine and not for people")
    shop.measures(shop.scenario())
    return {
        "overview": "/admin/",
        "experiments": "/admin/experiments/experiment/",
        "results": f"/admin/experiments/experiment/{run.pk}/results/",
        "plan": f"/admin/experiments/experiment/{run.pk}/change/",
        "add": "/admin/experiments/experiment/add/",
        "stop": f"/admin/experiments/experiment/{run.pk}/stop/",
        "campaign": f"/admin/bandits/campaign/{found.pk}/results/",
        "scenario": "/admin/console/scenarios/home_feed/",
        "weights": "/admin/objectives/weights/",
        "metrics": "/admin/metrics/metric/",
        "metric": "/admin/console/metrics/shop-click-rate/",
        "rates": "/admin/metrics/rate/paste/",
    }


@pytest.mark.parametrize("width", [1440, 400])
@pytest.mark.parametrize("dark", [False, True])
def test_every_page_fits_its_window_by_day_and_by_night(
    visit: Visit, full: dict[str, str], tmp_path: Path, width: int, dark: bool
) -> None:
    shop.person("product manager")
    page = visit("product-manager", width=width, dark=dark)
    charts = {"results": 4, "campaign": 3, "scenario": 4, "metric": 2}
    for name, address in full.items():
        page.goto(address)
        assert drawn(page, mode="dark" if dark else "light") == charts.get(name, 0), name
        page.screenshot(path=tmp_path / f"{name}-{width}-{'dark' if dark else 'light'}.png", full_page=True)
        assert overflow(page) <= 0, name
        wide = f"{CHARTS}.filter(p => p.querySelector('svg').clientWidth > p.clientWidth)"
        assert page.evaluate(f"{wide}.length") == 0, name


def test_charts_are_drawn_again_when_the_lights_go_out_and_when_the_place_narrows(
    visit: Visit, full: dict[str, Any]
) -> None:
    shop.person("product manager")
    page = visit("product-manager")
    page.goto(full["results"])
    assert drawn(page) == 4
    title = "document.querySelector('[data-chart] .mark-text.role-mark text').getAttribute('fill')"
    by_day = page.evaluate(title)
    page.evaluate("document.documentElement.classList.add('dark')")  # what the switch of the theme does
    assert drawn(page, mode="dark") == 4
    assert page.evaluate(title) != by_day
    page.set_viewport_size({"width": 500, "height": 900})
    page.wait_for_function("document.querySelector('[data-chart] svg').clientWidth < 480")
    assert overflow(page) <= 0


def test_a_hostile_name_is_only_text_in_the_browser(visit: Visit) -> None:
    run = shop.experiment(name=shop.HOSTILE)
    shop.look(run)
    shop.person("viewer")
    page = visit("viewer")
    alarms: list[str] = []
    page.on("dialog", lambda dialog: alarms.append(dialog.message))
    for address in (f"/admin/experiments/experiment/{run.pk}/results/", "/admin/", "/admin/experiments/experiment/"):
        page.goto(address)
        drawn(page)
        assert page.locator("img[src=x]").count() == 0
    assert alarms == []
