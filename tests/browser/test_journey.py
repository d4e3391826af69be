"""One experiment from its plan to its decision by two people; with the keyboard alone; for those who cannot see."""

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import axe_playwright_python
import pytest
from django.utils import timezone
from playwright.sync_api import Page

from experiments.models import Decision, Experiment, Status
from firstlight.accounts.models import User
from firstlight.catalog.models import Scenario
from tests import shop
from tests.browser.test_admin import drawn, overflow

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
Visit = Callable[..., Page]
AXE = (Path(axe_playwright_python.__file__).parent / "axe.min.js").read_text()
SERIOUS = ("serious", "critical")


def faults(page: Page) -> list[str]:
    """What axe finds serious: rule and the first place."""
    page.evaluate(AXE)
    found = page.evaluate("axe.run(document, {resultTypes: ['violations']})")
    return [f"{one['id']}: {one['nodes'][0]['html'][:160]}" for one in found["violations"] if one["impact"] in SERIOUS]


def second_manager() -> User:
    first = shop.person("product manager")
    other = User.objects.create_user("second-manager", password="correct horse battery", is_staff=True)
    other.groups.set(first.groups.all())
    return other


def take(page: Page, label: str, **fields: str) -> None:
    """A step: its button, then its question answered."""
    place = page.locator(f".fl-actions a:has-text('{label}')").first
    place.wait_for(state="attached")
    if not place.is_visible():
        page.locator(".fl-actions summary:has-text('More')").first.click()
    place.click()
    for name, text in fields.items():
        field = page.locator(f"[name={name}]").first
        field.select_option(text) if field.evaluate("e => e.tagName") == "SELECT" else field.fill(text)
    page.locator("button[type=submit]:visible").last.click()


def test_an_experiment_is_planned_reviewed_ramped_read_exported_and_decided(visit: Visit, tmp_path: Path) -> None:
    second_manager()
    Scenario.objects.create(key="home_feed", name="Home feed", review_required=True)
    goal = shop.metric("shop-click-rate", "Click rate", "ratio", "click", denominator_event="impression")
    kept = shop.metric("shop-refunds", "Refunded", "mean", "refund", direction="decrease")
    page = visit("product-manager")

    page.goto("/admin/experiments/experiment/add/")
    page.locator("#id_name").press_sequentially("New ranker")
    page.fill("#id_hypothesis", "A better ranker shows what people want, so they click more.")
    page.check("#id_scenarios_0")
    for i, arm in enumerate(("control", "din")):
        page.fill(f"#id_arms-{i}-key", arm)
        page.fill(f"#id_arms-{i}-weight", "0.5")
        page.fill(f"#id_arms-{i}-parameters", f'{{"ranker": "{arm}"}}')
    page.select_option("#id_measured-0-metric", str(goal.pk))
    page.get_by_text("No guardrail is chosen").wait_for()  # the plan is read while it is written
    page.click("#measured-group a:has-text('Add another')")
    page.select_option("#id_measured-1-metric", str(kept.pk))
    page.select_option("#id_measured-1-role", "guardrail")
    page.get_by_text("1 guardrail must not get worse.").wait_for()
    page.fill("#id_coverage", "0.2")
    page.click("button[name=_save]")
    page.wait_for_url("**/experiments/experiment/")

    page.click("a:has-text('New ranker')")
    page.wait_for_url("**/change/")
    take(page, "Submit")
    page.get_by_text("the plan stands still").wait_for()
    other = visit("second-manager")
    run = Experiment.objects.get()
    other.goto(f"/admin/experiments/experiment/{run.pk}/change/")
    take(other, "Approve", note="Sound.")
    other.get_by_text("It may start.").wait_for()

    page.reload()
    take(page, "Start")
    page.wait_for_url("**/results/")
    take(page, "Cover more", coverage="1")
    page.wait_for_url("**/results/")
    run.refresh_from_db()
    assert (run.status, float(run.coverage), run.reviewed_by) == (Status.RUNNING, 1.0, "second-manager")

    Experiment.objects.update(started_at=timezone.now() - timedelta(days=15))
    run.refresh_from_db()
    look = shop.look(run, lift=0.5)
    page.reload()
    assert page.locator(".fl-sentence").first.inner_text() == look.sentence
    assert drawn(page) >= 2
    with page.expect_download() as taken:
        page.locator(".fl-takeaway a:has-text('SVG')").first.click()
    assert taken.value.suggested_filename.endswith(".svg")
    report = page.context.request.get(f"/admin/experiments/experiment/{run.pk}/report.pdf")
    assert report.ok and report.body().startswith(b"%PDF")

    take(page, "Stop")
    page.wait_for_url("**/results/")
    take(page, "Decide", decision=Decision.SHIPPED, arm="din", note="More clicks, nothing lost.")
    page.wait_for_url("**/results/")
    run.refresh_from_db()
    assert (run.decision, run.shipped_arm, run.decision_look) == (Decision.SHIPPED, "din", look.number)
    page.goto("/admin/experiments/experiment/past/")
    page.get_by_text("1 of 1 decided test shipped, a win rate of 100 %.").wait_for()


def test_it_can_be_stopped_with_the_keyboard_alone(visit: Visit) -> None:
    shop.person("product manager")
    run = shop.experiment()
    shop.look(run)
    page = visit("product-manager")
    page.goto(f"/admin/experiments/experiment/{run.pk}/results/")
    reach(page, "Stop…")
    page.keyboard.press("Enter")
    page.wait_for_url("**/stop/")
    reach(page, "Stop")
    page.keyboard.press("Enter")
    page.wait_for_url("**/results/")
    run.refresh_from_db()
    assert run.status == Status.STOPPED


def reach(page: Page, label: str) -> None:
    """By the tab key, to the link or button of this name; its focus must be seen."""
    focused = "document.activeElement"
    for _ in range(150):
        page.keyboard.press("Tab")
        if page.evaluate(f"(({focused}.innerText || '').trim().split('\\n').pop())") == label:
            style = page.evaluate(f"(s => [s.outlineStyle, s.boxShadow])(getComputedStyle({focused}))")
            assert style[0] != "none" or style[1] != "none", f"nobody sees the focus on “{label}”"
            return
    raise AssertionError(f"“{label}” cannot be reached with the keyboard")


@pytest.mark.parametrize(("width", "dark"), [(1440, False), (1440, True), (400, False), (400, True)])
def test_no_page_shuts_anybody_out(visit: Visit, width: int, dark: bool, tmp_path: Path) -> None:
    shop.person("product manager")
    run = shop.experiment()
    shop.look(run)
    page = visit("product-manager", width=width, dark=dark)
    of = f"/admin/experiments/experiment/{run.pk}"
    pages: dict[str, Any] = {
        "list": "/admin/experiments/experiment/",
        "add": "/admin/experiments/experiment/add/",
        "results": f"{of}/results/",
        "stop": f"{of}/stop/",
        "report": f"{of}/report/",
        "calendar": "/admin/experiments/experiment/calendar/",
        "past": "/admin/experiments/experiment/past/",
    }
    found = {}
    for name, address in pages.items():
        page.goto(address)
        drawn(page, mode="dark" if dark else "light")
        page.screenshot(path=tmp_path / f"{name}.png", full_page=True)
        assert overflow(page) <= 0, name
        if serious := faults(page):
            found[name] = serious
    assert found == {}
