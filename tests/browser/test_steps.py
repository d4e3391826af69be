"""From a draft to its decision through the pages of the steps: by two people, at a desk and on a phone."""

from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Page

from experiments.models import Experiment
from tests import shop
from tests.experiments.plans import draft, ramp, scenario

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
Visit = Callable[..., Page]


def overflow(page: Page) -> int:
    """Px that the page is wider than its window."""
    return int(page.evaluate("document.documentElement.scrollWidth - window.innerWidth"))


def take(page: Page, label: str, button: str) -> None:
    """The step behind that button of the strip, confirmed."""
    link = page.locator(f".fl-actions a:has-text('{label}')").first
    if not link.is_visible():
        page.locator("details.fl-more > summary").click()
    link.click()
    page.locator(f".fl-card button:has-text('{button}')").click()


def state() -> str:
    return Experiment.objects.get().status


def test_one_plans_another_approves_and_it_runs_to_its_decision(visit: Visit, tmp_path: Path) -> None:
    ann = shop.person("product manager")
    shop.person("everything")
    row = draft("ranker", scenario("home", review_required=True), owner=ann)
    ramp(row, ("0.1", 24, 0), ("1", 24, 0))
    plan = f"/admin/experiments/experiment/{row.pk}/change/"

    author = visit("product-manager")
    author.goto(plan)
    assert author.locator(".fl-actions a:has-text('Start…')").count() == 0
    take(author, "Submit…", "Submit")
    author.wait_for_url("**/change/")
    take(author, "Approve…", "Approve")
    author.get_by_text("asks for a review by somebody").wait_for()
    assert state() == "in_review"

    reviewer = visit("everything", width=400, dark=True)
    reviewer.goto(plan)
    reviewer.click(".fl-actions a:has-text('Approve…')")
    reviewer.get_by_text("No hypothesis is written").wait_for()
    assert overflow(reviewer) <= 0
    reviewer.screenshot(path=tmp_path / "approve.png", full_page=True)
    reviewer.get_by_label("Note").fill("Fine.")
    reviewer.click("button:has-text('Approve')")
    reviewer.get_by_text("Approved by everything").wait_for()

    author.goto(plan)
    take(author, "Start…", "Start")
    author.wait_for_url("**/results/")
    assert state() == "running" and float(Experiment.objects.get().coverage) == 0.1
    author.screenshot(path=tmp_path / "running.png", full_page=True)
    take(author, "Advance the ramp…", "Advance")
    author.wait_for_url("**/results/")
    assert float(Experiment.objects.get().coverage) == 1
    take(author, "Change the shares…", "Change")
    author.get_by_text("These are its weights already").wait_for()
    author.screenshot(path=tmp_path / "weights.png", full_page=True)
    author.goto(plan)
    take(author, "Stop…", "Stop")
    author.wait_for_url("**/results/")
    take(author, "Decide…", "Decide")
    assert state() == "stopped"  # the browser asks for the reason first
    author.get_by_label("Why").fill("Nothing to be seen.")
    author.locator("select[name=decision]").select_option("rejected")
    author.screenshot(path=tmp_path / "decide.png", full_page=True)
    author.keyboard.press("Tab")
    author.locator(".fl-card button[type=submit]").press("Enter")
    author.wait_for_url("**/results/")
    assert state() == "decided"
