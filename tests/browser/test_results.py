"""The result page in a real browser: drawn, switched by keys, without a script, and while an analysis runs."""

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.utils import timezone
from playwright.sync_api import Browser, Page

from experiments.models import Comment, Experiment, Progress
from tests import shop
from tests.browser.test_admin import drawn, overflow
from tests.experiments import looks
from tests.experiments.test_results import stored

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
Visit = Callable[..., Page]


@pytest.fixture
def run() -> Experiment:
    shop.person("product manager")
    return stored(shop.experiment(name="A new ranker with a name that goes on and on for longer than a phone is wide"))


def address(run: Experiment, tail: str = "results/") -> str:
    return f"/admin/experiments/experiment/{run.pk}/{tail}"


@pytest.mark.parametrize("width", [1440, 400])
@pytest.mark.parametrize("dark", [False, True])
def test_every_picture_is_drawn_and_nothing_is_wider_than_the_window(
    visit: Visit, run: Experiment, tmp_path: Path, width: int, dark: bool
) -> None:
    page = visit("product-manager", width=width, dark=dark)
    page.goto(address(run))
    assert drawn(page, mode="dark" if dark else "light") == 13
    for folded in page.locator("details:not(.fl-more)").all():
        folded.evaluate("place => place.open = true")
    assert overflow(page) <= 0
    page.screenshot(path=tmp_path / f"results-{width}-{dark}.png", full_page=True)
    page.goto(address(run, "report/"))
    assert overflow(page) <= 0
    loaded = "[...document.images].every(i => i.complete && i.naturalWidth > 0) && document.images.length"
    assert page.evaluate(loaded) == 13


def test_labels_never_run_into_the_numbers_beside_them(visit: Visit, run: Experiment) -> None:
    """Boxes of words that are shown, on one row of the forest, do not meet."""
    page = visit("product-manager", width=400)
    page.goto(address(run))
    drawn(page)
    meet = page.evaluate(
        """() => {
          const shown = [...document.querySelectorAll('[data-chart=chart-lifts] .mark-text text')]
            .filter(t => t.textContent && getComputedStyle(t).opacity !== '0').map(t => t.getBoundingClientRect());
          return shown.filter((a, i) => shown.some((b, j) => j > i && a.left < b.right - 1 && b.left < a.right - 1
            && a.top < b.bottom - 1 && b.top < a.bottom - 1)).length;
        }"""
    )
    assert meet == 0


def test_keys_alone_switch_the_reading_open_a_fold_and_comment(visit: Visit, run: Experiment) -> None:
    page = visit("product-manager")
    page.goto(address(run))
    page.get_by_role("link", name="Fixed").focus()
    page.keyboard.press("Enter")
    page.wait_for_url("**horizon=fixed**")
    assert "Shown: adjusted and fixed." in page.locator("#lifts").inner_text()
    page.locator("#plan > summary").focus()
    page.keyboard.press("Enter")
    page.get_by_text("O'Brien-Fleming").wait_for()
    page.locator("#comment-text").focus()
    page.keyboard.type("Holiday in two countries.")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    page.get_by_text("Holiday in two countries.").wait_for()
    assert Comment.objects.get().author == "product-manager"


def test_without_a_script_the_pictures_and_the_switches_are_there(
    browser: Browser, visit: Visit, live_server: Any, run: Experiment
) -> None:
    signed_in = visit("product-manager").context.storage_state()
    context = browser.new_context(base_url=live_server.url, java_script_enabled=False, storage_state=signed_in)
    page = context.new_page()
    page.goto(address(run))
    pictures = page.locator("figure noscript img")
    assert pictures.count() == 13
    page.get_by_role("link", name="Absolute").click()
    assert "Each row in the unit of its metric" in page.locator("#lifts").inner_text()
    context.close()


def test_the_bar_moves_and_the_new_look_comes_by_itself(visit: Visit, run: Experiment) -> None:
    under_way = Progress.objects.create(experiment=run, stage="reading the lake", share=0.25, asked_at=timezone.now())
    page = visit("product-manager")
    page.goto(address(run))
    bar = page.locator(".fl-progress progress")
    assert bar.evaluate("bar => bar.value") == 0.25
    Progress.objects.filter(pk=under_way.pk).update(stage="comparing arms", share=0.5)
    page.get_by_text("Analysis: comparing arms.").wait_for()
    assert bar.evaluate("bar => bar.value") == 0.5
    stored(run, seed=8)
    Progress.objects.filter(pk=under_way.pk).update(share=1.0, finished_at=timezone.now() + timedelta(seconds=1))
    page.get_by_text("Look 2, events until").wait_for()
    assert page.locator(".fl-progress").count() == 0


def test_a_failed_analysis_says_why(visit: Visit, run: Experiment) -> None:
    Progress.objects.create(experiment=run, stage="reading the lake", share=0.25, asked_at=timezone.now())
    page = visit("product-manager")
    page.goto(address(run))
    Progress.objects.update(finished_at=timezone.now(), failure="The lake cannot be read.")
    page.get_by_text("The lake cannot be read.").wait_for()


def test_hostile_names_do_nothing_on_page_and_report(visit: Visit) -> None:
    shop.person("viewer")
    found = looks.results()
    found["arms"] = [{**arm, "name": shop.HOSTILE} for arm in found["arms"]]
    found["metrics"] = [{**metric, "name": shop.HOSTILE} for metric in found["metrics"]]
    run = stored(shop.experiment(name=shop.HOSTILE), whole=found)
    page = visit("viewer")
    alarms: list[str] = []
    page.on("dialog", lambda dialog: alarms.append(dialog.message))
    for tail in ("results/", "report/"):
        page.goto(address(run, tail))
        drawn(page)
        assert page.locator("img[src=x]").count() == 0
    assert alarms == []
