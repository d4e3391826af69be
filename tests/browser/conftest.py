"""Pages in a real browser: Debian's Chromium, driven by Playwright."""

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

CHROMIUM = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser")
REFUSED = "status of 409"  # a refusal in words; the browser counts it among the errors
# Playwright's loop runs in this thread, and Django takes it for an async server that must not touch the database.
os.environ.setdefault("DJANGO_ALLOW_ASYNC_UNSAFE", "true")


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    if not CHROMIUM:
        if os.environ.get("CI") == "true":
            pytest.fail("CI needs Chromium: apt-get install chromium, or name it in CHROMIUM.")
        pytest.skip("no Chromium here; name it in CHROMIUM")
    with sync_playwright() as playwright:
        found = playwright.chromium.launch(
            executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
        )
        yield found
        found.close()


@pytest.fixture
def visit(browser: Browser, live_server: Any, settings: Any, tmp_path: Path) -> Iterator[Callable[..., Page]]:
    """visit(username, width=1440, dark=False) -> a page of somebody signed in. Any complaint of the browser fails."""
    settings.AFTER_CHANGE = "tests.browser.conftest.nothing"
    complaints: list[str] = []
    contexts = []

    def sign_in(username: str, *, width: int = 1440, dark: bool = False) -> Page:
        mode: Any = "dark" if dark else "light"
        context = browser.new_context(
            base_url=live_server.url, viewport={"width": width, "height": 900}, color_scheme=mode
        )
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(15_000)
        page.on("console", lambda m: complaints.append(m.text) if m.type == "error" and REFUSED not in m.text else None)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.goto("/admin/login/?next=/admin/")
        page.fill("#id_username", username)
        page.fill("#id_password", "correct horse battery")
        page.click("button[type=submit]")
        page.wait_for_url("**/admin/")
        return page

    yield sign_in
    for context in contexts:
        context.close()
    assert complaints == []


def nothing() -> None: ...
