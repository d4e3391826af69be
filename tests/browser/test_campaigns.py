"""A product manager and a campaign: planned with its pool in sight, started, read, paused, stopped, exported."""

from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from typing import Any

import numpy as np
import pytest
from django.utils import timezone
from playwright.sync_api import Page

from bandits import lifecycle
from bandits.models import Campaign, Outcome, Posterior, Status
from bandits.policies import beliefs
from bandits.policies.beliefs import Beta
from firstlight.catalog.models import Category, Item, Merchant
from firstlight.exports.models import Job
from tests import shop
from tests.browser.test_admin import drawn, overflow
from tests.browser.test_journey import faults

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
Visit = Callable[..., Page]
N = 40
TOLD = {
    "at": "2026-11-23T12:00:00+00:00",
    "priors": [
        {"level": "scenario", "name": "", "items": N, "trials": 9e4, "rate": 0.021, "mean": 0.021, "strength": 0.0},
        {"level": "category", "name": "dress", "items": 20, "trials": 5e4, "rate": 0.03, "mean": 0.028, "strength": 90},
        {"level": "category", "name": "shoe", "items": 20, "trials": 4e4, "rate": 0.01, "mean": 0.013, "strength": 90},
        {"level": "merchant", "name": "m-0 (shoe)", "items": 1, "trials": 0.0, "rate": {"withheld": "no data yet"},
         "mean": 0.013, "strength": 90.0},
    ],
    "positions": {
        "3": {"value": 1.0, "se": 0.0, "n": 52_000.0},
        "8": {"value": 0.61, "se": 0.04, "n": 38_000.0},
    },
    "delays": {
        "n": 1_830.0,
        "arrived": [{"days": d, "share": s} for d, s in ((0.25, 0.35), (0.5, 0.62), (1, 0.87), (2, 0.96), (3, 1.0))],
    },
    "budgets": [
        {"name": "guarantee", "sentence": "7 of 40 items are behind their guarantee and are pushed.", "binds": True},
        {"name": "item_cap", "sentence": "No item has reached its cap of 20,000 impressions.", "binds": False},
    ],
    "delivered": {"ever": 90_000.0, "today": 4_000.0, "expected_today": 9_000.0},
}  # fmt: skip


def catalogue() -> None:
    made = {key: Category.objects.create(key=key, name=key.capitalize()) for key in ("dress", "shoe")}
    owners = [Merchant.objects.create(key=f"m-{i}", name=f"Merchant {i}") for i in range(6)]
    Item.objects.bulk_create(
        Item(key=f"sku-{i}", title=f"Linen {kind} {i}", category=made[kind], merchant=owners[i % 6], price=10 + i,
             currency="INR", tags=["new"] if i % 2 else [])
        for i, kind in enumerate(["dress", "shoe"] * (N // 2))
    )  # fmt: skip


def running(**more: Any) -> Campaign:
    """With a week of posteriors, and one item that graduated."""
    catalogue()
    plan = {"positions": [3, 8], "control_share": Decimal("0.1"), "uniform_share": Decimal("0.05"), **more}
    row = Campaign.objects.create(key="new", name="New arrivals", scenario=shop.scenario(), **plan)
    lifecycle.start(row.pk, actor="pm", at=timezone.now() - timedelta(days=7))
    rng = np.random.default_rng(7)
    keys = sorted(item.key for item in Item.objects.all())
    rates, shown, won = rng.beta(2, 98, N), np.zeros(N), np.zeros(N)
    for number in range(2, 9):
        gained = rng.poisson(900 * (rates / rates.max()) ** 2 * number + 40)
        shown, won = shown + gained, won + rng.binomial(gained, rates)
        arrays = Beta(tuple(keys), 2 + won, 98 + shown - won).arrays()
        held = {"impressions": shown * 1.4, "rewards": won, "ever": shown}
        step = Posterior.objects.create(
            campaign=row, number=number, batch=number, prior_a=2, prior_b=98, items=keys, trials=shown.tolist(),
            successes=won.tolist(), arrays=beliefs.pack(arrays | held), told=TOLD,
        )  # fmt: skip
        Posterior.objects.filter(pk=step.pk).update(computed_at=timezone.now() - timedelta(days=8 - number))
    evidence = {"posterior": 5, "chance": 0.95, "chance_to_stay": 0.9, "bar": 0.02, "bar_to_stay": 0.022,
                "bar_from": "median of dress", "incumbents": 12, "mean": 0.031, "low": 0.027, "high": 0.036,
                "impressions": 5_100.0, "rewards": 158.0, "age_hours": 96.0, "reversals": 0,
                "because": "Better than the bar with 95 %."}  # fmt: skip
    Outcome.objects.create(
        campaign=row, item="sku-4", kind="graduated", decided_at=timezone.now() - timedelta(days=1), evidence=evidence
    )
    return Campaign.objects.get(pk=row.pk)


def test_a_product_manager_goes_from_a_rule_to_an_export(visit: Visit) -> None:
    shop.person("product manager")
    shop.scenario()
    catalogue()
    page = visit("product-manager")

    page.goto("/admin/bandits/campaign/add/")
    page.get_by_text("40 items take part now").first.wait_for()
    page.locator("#id_name").press_sequentially("New arrivals")
    assert page.input_value("#id_key") == "new-arrivals"
    page.select_option("#id_scenario", label="Home feed")
    page.fill("#id_positions", "3, 8")
    page.fill("#id_pool_tags", "new")
    page.get_by_text("20 items take part now").first.wait_for()
    page.fill("#id_pool_price_from", "30")
    page.get_by_text("Put right first: Currency of the prices.").wait_for()
    page.fill("#id_pool_currency", "INR")
    page.get_by_text("10 items take part now").first.wait_for()  # 31, 33, … 49
    page.get_by_text("Without a control share nothing is compared").wait_for()
    page.fill("#id_control_share", "0.6")
    page.click("button[name=_save]")
    page.get_by_text("Ensure this value is less than or equal to 0.5.").wait_for()
    page.fill("#id_control_share", "0.1")
    page.click("button[name=_save]")
    page.wait_for_url("**/bandits/campaign/")

    page.click("a:has-text('New arrivals')")
    page.click("a:has-text('Start')")
    page.get_by_text("10 items take part now.").wait_for()
    page.click("main button:has-text('Start'), .fl-page button:has-text('Start')")
    page.wait_for_url("**/results/")
    assert Campaign.objects.get().status == Status.RUNNING

    page.click("a:has-text('Pause')")
    page.fill("#id_because", "The prices are wrong.")
    page.click(".fl-page button:has-text('Pause')")
    page.get_by_text("Paused: The prices are wrong.").wait_for()
    page.click("a:has-text('Resume')")
    page.click(".fl-page button:has-text('Resume')")
    page.wait_for_url("**/results/")
    assert Campaign.objects.get().status == Status.RUNNING

    page.click("a[href*='kind=posteriors']")
    page.wait_for_url("**/exports/job/add/**")
    assert (page.input_value("#id_campaign"), page.input_value("#id_kind")) == ("new-arrivals", "posteriors")
    page.click("button[name=_save]")
    page.wait_for_url("**/exports/job/")
    assert Job.objects.get().asked["campaign"] == "new-arrivals"

    page.goto(f"/admin/bandits/campaign/{Campaign.objects.get().pk}/results/")
    page.click("a:has-text('Stop')")
    page.click(".fl-page button:has-text('Stop')")
    page.wait_for_url("**/results/")
    assert Campaign.objects.get().status == Status.STOPPED


@pytest.mark.parametrize(("width", "dark"), [(1440, False), (1440, True), (400, False)])
def test_the_page_of_a_campaign_is_drawn_and_fits(visit: Visit, width: int, dark: bool) -> None:
    row = running()
    shop.person("analyst")
    page = visit("analyst", width=width, dark=dark)
    page.goto(f"/admin/bandits/campaign/{row.pk}/results/?item=sku-7")
    assert drawn(page, mode="dark" if dark else "light") >= 8
    assert overflow(page) <= 0
    assert page.locator("#item-title").inner_text() == "Item Linen shoe 7"
    page.fill("#item-search", "sku-9")
    page.press("#item-search", "Enter")
    page.wait_for_url("**item=sku-9**")
    assert page.locator("#item-title").inner_text() == "Item Linen shoe 9"


@pytest.mark.parametrize("width", [1440, 400])
def test_the_form_of_a_campaign_fits(visit: Visit, width: int) -> None:
    catalogue()
    shop.scenario()
    shop.person("product manager")
    page = visit("product-manager", width=width)
    page.goto("/admin/bandits/campaign/add/")
    page.get_by_text("40 items take part now").first.wait_for()
    assert overflow(page) <= 0


@pytest.mark.parametrize("dark", [False, True])
def test_axe_finds_nothing_serious_on_any_page_of_a_campaign(visit: Visit, dark: bool) -> None:
    row = running()
    shop.person("product manager")
    page = visit("product-manager", dark=dark)
    found: dict[str, list[str]] = {}
    for address in (
        "",
        "add/",
        *(f"{row.pk}/{part}/" for part in ("change", "results", "evaluation", "pause", "stop")),
    ):
        page.goto(f"/admin/bandits/campaign/{address}{'?item=sku-7' if 'results' in address else ''}")
        page.wait_for_timeout(1_200)  # charts and live counts
        if wrong := faults(page):
            found[address] = wrong
    assert found == {}
