"""The result page of a look, as the reading of version 2 stores it, and of the looks before."""

import os
import re
from collections import Counter
from datetime import timedelta
from html import unescape
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from experiments import comments
from experiments.models import Comment, Experiment, Look, Phase, Progress, RampStage, Status
from tests import shop
from tests.experiments import looks

pytestmark = pytest.mark.django_db
BASELINE = Path(__file__).with_name("queries.txt")


@pytest.fixture(autouse=True)
def silent(settings: Any) -> None:
    settings.AFTER_CHANGE = "builtins.dict"


@pytest.fixture
def manager(client: Client) -> Client:
    client.force_login(shop.person("product manager"))
    return client


@pytest.fixture
def run() -> Experiment:
    return stored(shop.experiment())


def stored(of: Experiment, *, whole: dict[str, Any] | None = None, **changes: Any) -> Experiment:
    """With one look more."""
    found = whole or looks.results(**changes)
    number = of.looks.count() + 1
    about = {"verdict": found["verdict"]["kind"], "sentence": found["verdict"]["sentence"]}
    Look.objects.create(experiment=of, number=number, until=timezone.now(), batch=number, results=found, **about)
    return of


def at(name: str, row: Experiment) -> str:
    return reverse(f"admin:experiments_experiment_{name}", args=[row.pk])


def text(client: Client, row: Experiment, **asked: str) -> str:
    answer = client.get(at("results", row), asked)
    assert answer.status_code == 200
    return unescape(answer.content.decode())


class Outline(HTMLParser):
    """What of a page is told to those who hear it."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))

    def all(self, *tags: str) -> list[dict[str, str | None]]:
        return [attrs for tag, attrs in self.found if tag in tags]


def test_the_page_tells_everything_that_the_look_knows(manager: Client, run: Experiment) -> None:
    page = text(manager, run)
    found = looks.results()
    assert found["verdict"]["sentence"] in page and all(reason in page for reason in found["verdict"]["reasons"])
    assert all(check["sentence"] in page for check in found["health"])
    charts = set(re.findall(r'id="chart-([a-z0-9-]+)"', page)) - {"themes"}
    assert charts == {
        "lifts", "settling-click-rate", "settling-value", "bounds", "segments", "scenarios", "growth", "ages",
        "criterion", "interests-user-merchant", "interests-user-platform", "interests-merchant-platform", "beliefs",
    }  # fmt: skip
    assert looks.SQL in page and "not a stopping rule" in page and "Not in this look" not in page


def test_it_answers_with_the_queries_that_were_reviewed(manager: Client, run: Experiment) -> None:
    """A query more or less is looked at; then WRITE_QUERIES=1 writes the file anew."""
    text(manager, run)
    with CaptureQueriesContext(connection) as seen:
        text(manager, run)
    told = by_table([q["sql"] for q in seen.captured_queries])
    if os.environ.get("WRITE_QUERIES"):
        BASELINE.write_text(told)
    assert told == BASELINE.read_text()
    assert len(seen) <= 20


def by_table(queries: list[str]) -> str:
    """How often each table was asked, in the order of their first turn."""
    tables = Counter(re.search(r'(?:FROM|INTO|UPDATE) "([a-z_]+)"', sql).group(1) for sql in queries)
    return "".join(f"{n} {table}\n" for table, n in tables.items()) + f"{len(queries)} in all\n"


def test_ten_times_as_much_history_takes_no_query_more(manager: Client, run: Experiment) -> None:
    with CaptureQueriesContext(connection) as before:
        text(manager, run)
    for i in range(10):
        stored(run, whole=looks.old())
        comments.add(run, author="anna", text=f"Comment {i}")
        Phase.objects.create(experiment=run, number=i + 1, weights={"control": 1}, started_at=timezone.now())
        RampStage.objects.create(experiment=run, position=i, coverage="0.5")
    stored(run)
    with CaptureQueriesContext(connection) as after:
        text(manager, run)
    assert len(after) <= len(before)


def test_the_page_of_ten_metrics_and_fifty_segments_stays_small(manager: Client, run: Experiment) -> None:
    assert len({(s["slice"], s["segment"]) for s in looks.results()["segments"]}) == 50
    assert len(manager.get(at("results", run)).content) < 1_500_000


# --- switches are links ---


def test_every_switch_is_a_link_that_leads_to_a_page_that_has_it_on(manager: Client, run: Experiment) -> None:
    links = re.findall(r'<a href="(\?[^"#]*)#[a-z]+"[^>]*>([^<]+)', manager.get(at("results", run)).content.decode())
    assert len(links) > 20
    for link, name in {(unescape(a), unescape(b).strip()) for a, b in links}:
        answer = manager.get(at("results", run) + link)
        assert answer.status_code == 200
        on = re.findall(r'aria-current="true">([^<]+)', answer.content.decode())
        assert name in [unescape(x).strip() for x in on], link


def test_a_picture_is_taken_away_as_it_is_shown(manager: Client, run: Experiment) -> None:
    page = manager.get(at("results", run), {"horizon": "fixed", "arm": "dien"}).content.decode()
    links = {unescape(x) for x in re.findall(r'href="(/admin/[^"]+\.(?:png|svg|csv)[^"]*)"', page)}
    assert len(links) == 39 and all("horizon=fixed" in link and "arm=dien" in link for link in links)
    for link in links:
        if not link.split("?")[0].endswith(".png"):
            assert manager.get(link).status_code == 200
    csv = manager.get(at("results", run) + "segments.csv", {"arm": "dien"}).content.decode()
    assert ",dien," in csv and ",din," not in csv and len(csv.splitlines()) == 51


# --- looks ---


def test_an_old_look_keeps_rendering_and_says_what_it_does_not_know(manager: Client) -> None:
    run = stored(stored(shop.experiment(), whole=looks.old()))
    page = text(manager, run, look="1")
    assert "Keep running, about 5 days left." in page and "not read yet when this look was stored" in page
    assert "withheld: too little data for a percentage" in page
    assert 'id="chart-segments"' not in page and 'id="chart-segments"' in text(manager, run)


def test_links_on_an_old_look_stay_on_it(manager: Client) -> None:
    run = stored(stored(shop.experiment()))
    page = manager.get(at("results", run), {"look": "1"}).content.decode()
    switches = re.findall(r'<a href="(\?[^"]*)#lifts"', page)
    assert switches and all("look=1" in unescape(link) for link in switches)


# --- who decided, how it went ---


def test_the_decision_stands_above_everything(manager: Client, run: Experiment) -> None:
    decided = {"decision": "shipped", "shipped_arm": "din", "decided_by": "anna", "decision_note": "Ship & watch."}
    Experiment.objects.filter(pk=run.pk).update(
        status=Status.DECIDED, decided_at=timezone.now(), decision_look=1, stopped_at=timezone.now(), **decided
    )
    page = text(manager, run)
    assert f"din was shipped by anna on {timezone.now():%-d %B %Y}, after look 1." in page
    assert page.index("din was shipped") < page.index(looks.results()["verdict"]["sentence"])
    assert "Ship & watch." in page


def test_phases_and_ramp_stand_with_their_evidence(manager: Client, run: Experiment) -> None:
    now = timezone.now()
    Phase.objects.create(
        experiment=run, number=1, weights={"control": 0.9, "din": 0.1}, started_at=now, reason="careful start"
    )
    seen = {"units": 12_345, "harmed": ["refunds"]}
    RampStage.objects.create(
        experiment=run, position=0, coverage="0.05", outcome="rolled_back", entered_at=now, left_at=now, evidence=seen
    )
    page = text(manager, run)
    assert "control 90 %, din 10 %" in page and "careful start" in page
    assert "rolled back" in page and "units 12,345" in page and "refunds" in page


# --- comments ---


def test_comments_stand_as_they_were_said(manager: Client, run: Experiment) -> None:
    answer = manager.post(at("comment", run), {"text": "  Outage on day 3.\n<b>Beware</b> "})
    assert (answer.status_code, answer["Location"]) == (302, at("results", run) + "#comments")
    said = Comment.objects.get()
    assert (said.text, said.author) == ("Outage on day 3.\n<b>Beware</b>", "product-manager")
    assert "&lt;b&gt;Beware" in manager.get(at("results", run)).content.decode()


@pytest.mark.parametrize(("said", "why"), [("  \n", "Nothing was written."), ("x" * 10_001, "Up to 10,000 characters")])
def test_a_comment_that_cannot_stand_is_refused_where_it_was_written(
    manager: Client, run: Experiment, said: str, why: str
) -> None:
    answer = manager.post(at("comment", run), {"text": said})
    assert answer.status_code == 422 and why in answer.content.decode()
    assert said.strip() in answer.content.decode()
    assert not Comment.objects.exists()


@pytest.mark.parametrize(("role", "may"), [("viewer", False), ("analyst", True), ("operator", True)])
def test_who_may_comment(client: Client, run: Experiment, role: str, may: bool) -> None:
    client.force_login(shop.person(role))
    assert ('name="text"' in client.get(at("results", run)).content.decode()) == may
    assert client.post(at("comment", run), {"text": "Hello"}).status_code == (302 if may else 403)
    assert client.get(at("comment", run)).status_code == (405 if may else 403)


def test_a_comment_needs_the_token_of_the_form(run: Experiment) -> None:
    guarded = Client(enforce_csrf_checks=True)
    guarded.force_login(shop.person("product manager"))
    assert guarded.post(at("comment", run), {"text": "Hello"}).status_code == 403
    assert not Comment.objects.exists()


# --- asking for a look ---


def test_the_bar_says_how_far_the_analysis_has_come(manager: Client, run: Experiment) -> None:
    assert manager.get(at("newest", run)).json() == {"number": 1}
    Progress.objects.create(experiment=run, stage="comparing arms", share=0.5, asked_at=timezone.now())
    answer = manager.get(at("newest", run)).json()
    assert answer == {"number": 1, "stage": "comparing arms", "share": 0.5, "finished": False, "failure": ""}
    page = text(manager, run)
    assert 'value="0.500"' in page and "comparing arms" in page and 'data-after="1"' in page
    Progress.objects.update(finished_at=timezone.now(), failure="The lake cannot be read.")
    assert manager.get(at("newest", run)).json()["failure"] == "The lake cannot be read."
    assert "data-waiting" not in text(manager, run)


def test_an_analysis_that_died_long_ago_is_not_waited_for(manager: Client, run: Experiment) -> None:
    long_ago = timezone.now() - timedelta(hours=2)
    Progress.objects.create(experiment=run, stage="reading the lake", share=0.2, asked_at=long_ago)
    assert "data-waiting" not in text(manager, run)


# --- for those who hear the page or use no mouse ---


def test_tables_and_pictures_have_names_and_ids_are_there_once(manager: Client, run: Experiment) -> None:
    page = manager.get(at("results", run)).content.decode()
    main = Outline(page[page.index('class="fl-page"') :])
    tables = main.all("table")
    assert len(tables) == len(main.all("caption")) > 10
    assert all(th.get("scope") for th in main.all("th"))
    charts = [a for a in main.all("div") if "data-chart" in a]
    assert len(charts) == 13
    assert all(a["role"] == "img" and len(a["aria-label"] or "") > 20 for a in charts)
    ids = [a["id"] for _, a in Outline(page).found if a.get("id")]
    assert [i for i, n in Counter(ids).items() if n > 1] == []
    scrolls = [a for a in main.all("div") if "fl-scroll" in (a.get("class") or "")]
    assert all(a.get("tabindex") == "0" and a.get("role") == "region" and a.get("aria-label") for a in scrolls)
    assert all(a.get("aria-label") for a in main.all("nav"))
