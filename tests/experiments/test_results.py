"""The result page of a look, as the reading of version 2 stores it, and of the looks before."""

import re
from collections import Counter
from html import unescape
from pathlib import Path
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

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
    client.force_login(shop.person("everything"))
    return client


@pytest.fixture
def run() -> Experiment:
    return stored(shop.experiment())


def stored(of: Experiment, **changes: Any) -> Experiment:
    found = looks.results(**changes)
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
    """A query more or less is looked at, and then the file is written anew (WRITE_QUERIES=1)."""
    import os

    text(manager, run)
    with CaptureQueriesContext(
        connection,
    ) as seen:
        text(manager, run)
    told = told_queries([q["sql"] for q in seen.captured_queries])
    if os.environ.get("WRITE_QUERIES"):
        BASELINE.write_text(told)
    assert told == BASELINE.read_text()
    assert len(seen) <= 20


def told_queries(queries: list[str]) -> str:
    """(table, how often) of each, in the order of their first turn."""
    tables = Counter(re.search(r'(?:FROM|INTO|UPDATE) "([a-z_]+)"', sql).group(1) for sql in queries)
    return "".join(f"{n} {table}\n" for table, n in tables.items()) + f"{len(queries)} in all\n"


def test_the_page_of_ten_metrics_and_fifty_segments_stays_small(manager: Client, run: Experiment) -> None:
    assert len({(s["slice"], s["segment"]) for s in looks.results()["segments"]}) == 50
    assert len(manager.get(at("results", run)).content) < 1_500_000


def test_comments_stand_as_they_were_said(manager: Client, run: Experiment) -> None:
    answer = manager.post(at("comment", run), {"text": "  Outage on day 3.\n<b>Beware</b> "})
    assert (answer.status_code, answer["Location"]) == (302, at("results", run) + "#comments")
    assert Comment.objects.get().text == "Outage on day 3.\n<b>Beware</b>"
    assert "&lt;b&gt;Beware" in manager.get(at("results", run)).content.decode()
