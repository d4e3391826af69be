"""The report: one HTML file that fetches nothing, and the same on paper."""

import base64
import re
from html import unescape
from typing import Any

import pypdfium2
import pytest
from django.test import Client

from experiments.models import Experiment
from tests import shop
from tests.experiments import looks
from tests.experiments.test_results import at, stored

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def silent(settings: Any) -> None:
    settings.AFTER_CHANGE = "builtins.dict"


@pytest.fixture
def reader(client: Client) -> Client:
    client.force_login(shop.person("viewer"))
    return client


@pytest.fixture
def run() -> Experiment:
    return stored(shop.experiment())


def paper(client: Client, run: Experiment, **asked: str) -> str:
    """The words of the PDF, as a reader of PDFs finds them."""
    answer = client.get(at("pdf", run), asked)
    assert (answer.status_code, answer["Content-Type"]) == (200, "application/pdf")
    document = pypdfium2.PdfDocument(answer.content)
    text = " ".join(document[i].get_textpage().get_text_range() for i in range(len(document)))
    return re.sub(r"\s+", " ", text)


def test_the_html_fetches_nothing_and_runs_nothing(reader: Client, run: Experiment) -> None:
    text = reader.get(at("report", run)).content.decode()
    assert "<script" not in text and "@import" not in text and "url(" not in text
    assert all(address.startswith("data:") for address in re.findall(r'(?:src|href)="([^"]+)"(?! *>[A-Z])', text))


def test_it_shows_verdict_health_every_picture_the_table_and_the_plan(reader: Client, run: Experiment) -> None:
    text = unescape(reader.get(at("report", run)).content.decode())
    found = looks.results()
    assert found["verdict"]["sentence"] in text and all(c["sentence"] in text for c in found["health"])
    drawings = re.findall(r'src="data:image/svg\+xml;base64,([^"]+)" alt="([^"]+)"', text)
    assert len(drawings) == 13
    assert all(base64.b64decode(svg).startswith(b"<svg") and len(alt) > 20 for svg, alt in drawings)
    assert "Adjusted p" in text and "O'Brien-Fleming" in text and looks.SQL in text


def test_the_report_is_of_the_reading_that_was_on_screen(reader: Client, run: Experiment) -> None:
    stored(run, seed=9)
    assert "look 2," in reader.get(at("report", run)).content.decode()
    asked = {"look": "1", "scale": "absolute"}
    text = reader.get(at("report", run), asked).content.decode()
    assert "look 1," in text and "each row on its own scale" not in text and "on its own scale" in text
    assert "look 1," in paper(reader, run, **asked)


def test_paper_says_what_the_page_says(reader: Client, run: Experiment) -> None:
    text = paper(reader, run).replace("\u00a0", " ")
    found = looks.results()
    for sentence in (found["verdict"]["sentence"], *(c["sentence"] for c in found["health"])):
        assert sentence in text
    titles = ("Lifts", "How it settled", "Segments", "Scenarios", "Growth", "Novelty and primacy", "Objectives")
    assert all(title in text for title in (*titles, "Interactions", "Bayesian view", "All metrics", "Plan", "Looks"))
    assert "The query behind these numbers" in text and "SELECT" not in text
    estimate = found["metrics"][0]["estimates"][0]
    assert f"{estimate['lift']['value'] * 100:+.1f} %".replace("-", "−") in text


def test_paper_has_every_picture(reader: Client, run: Experiment) -> None:
    content = reader.get(at("pdf", run)).content
    document = pypdfium2.PdfDocument(content)
    images = [o for i in range(len(document)) for o in document[i].get_objects() if o.type == 3]
    assert len(images) == 13
    assert len(content) < 3_000_000


@pytest.mark.parametrize("name", [shop.HOSTILE, "新しいランカー", "नया रैंकर", "x" * 180])
def test_any_name_is_only_text(reader: Client, name: str) -> None:
    run = stored(shop.experiment(name=name))
    assert name not in reader.get(at("report", run)).content.decode() or "<" not in name
    assert "keep running" in paper(reader, run).lower()


def test_old_looks_are_reported_too(reader: Client) -> None:
    run = stored(shop.experiment(), whole=looks.old())
    assert "Keep running, about 5 days left." in paper(reader, run)
    assert "Keep running, about 5 days left." in reader.get(at("report", run)).content.decode()


def test_without_a_look_there_is_nothing_to_report(reader: Client) -> None:
    run = shop.experiment()
    assert reader.get(at("report", run)).status_code == reader.get(at("pdf", run)).status_code == 404


def test_a_stranger_gets_neither(client: Client, run: Experiment) -> None:
    assert {client.get(at(name, run)).status_code for name in ("report", "pdf")} == {302}
