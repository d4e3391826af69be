"""A look checked by the bootstrap: from rows in the lake to the page."""

from pathlib import Path
from typing import Any

import pytest
from django.test import Client

from experiments import analysis, redrawing, tasks
from experiments.models import Look, Progress, Redrawn
from firstlight.accounts.models import User
from tests.experiments.test_looks_from_lake import DAY, START, arrive, one, planned, shop

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def lake(settings: Any, tmp_path: Path) -> None:
    settings.LAKE_URL = (tmp_path / "lake").as_uri()


@pytest.fixture
def look() -> Look:
    experiment = planned(metrics=("orders_per_unit", "order_value"))
    rows, _ = shop()
    arrive(1, rows)
    return analysis.look(experiment.pk, at=START + 7 * DAY)


def test_the_bootstrap_and_the_formula_agree_where_the_formula_holds(look: Look) -> None:
    """With 2,000 draws an end lies within 8 % of the interval's width of where it would with endless ones."""
    arrive(2, shop(lift=3.0, seed=9)[0])  # came after the look: not of it
    found = redrawing.redraw(look)
    drawn = {row["metric"]: row for row in found.results}
    assert set(drawn) == {"orders_per_unit", "order_value"}
    for of in ("difference", "lift"):
        raw, again = one(look)["readings"]["raw"]["fixed"][of], drawn["orders_per_unit"][of]
        width = raw["high"] - raw["low"]
        assert again["value"] == pytest.approx(raw["value"], rel=1e-9)
        assert again["low"] == pytest.approx(raw["low"], abs=0.08 * width)
        assert again["high"] == pytest.approx(raw["high"], abs=0.08 * width)
    assert redrawing.redraw(look).pk == found.pk


def test_what_is_no_unit_cannot_be_drawn_again() -> None:
    experiment = planned(cluster="merchant_id")
    arrive(1, shop()[0])
    clustered = analysis.look(experiment.pk, at=START + 7 * DAY)
    with pytest.raises(redrawing.UnableToRedraw, match="one by one"):
        redrawing.redraw(clustered)
    tasks.redraw(look_id=clustered.pk)
    progress = Progress.objects.get()
    assert progress.finished_at is not None and "one by one" in progress.failure
    assert not Redrawn.objects.exists()


def test_it_is_asked_for_on_the_page_and_shown_there(look: Look, monkeypatch: Any) -> None:
    person = Client()
    person.force_login(User.objects.create_superuser("pm", "pm@shop.example", "secret"))
    at = f"/admin/experiments/experiment/{look.experiment_id}"
    assert "Nobody has checked this look" in person.get(f"{at}/results/").content.decode()
    assert person.get(f"{at}/redraw/").status_code == 405
    monkeypatch.setattr("experiments.tasks.redraw.delay", tasks.redraw)
    answer = person.post(f"{at}/redraw/")
    assert answer["Location"].endswith("/results/?after=1")
    assert person.get(f"{at}/results/newest/").json()["number"] == 2
    page = person.get(f"{at}/results/").content.decode()
    assert "Units were drawn again 2,000 times" in page and "Lift drawn again" in page
    api = person.get(f"/api/v1/experiments/{look.experiment.key}/results/redrawn/").json()
    assert (api["look"], api["draws"]) == (1, 2_000)
    assert {row["metric"] for row in api["results"]} == {"orders_per_unit", "order_value"}


def test_over_http_it_is_asked_for_once_there_is_a_look(look: Look, monkeypatch: Any) -> None:
    asked: list[Any] = []
    monkeypatch.setattr("experiments.tasks.redraw.apply_async", lambda **about: asked.append(about["kwargs"]))
    person = Client()
    person.force_login(User.objects.create_superuser("pm", "pm@shop.example", "secret"))
    at = f"/api/v1/experiments/{look.experiment.key}/results"
    assert person.get(f"{at}/redrawn/").status_code == 404
    assert person.post(f"{at}/redraw/").status_code == 202
    assert asked == [{"look_id": look.pk}]
    planned("unseen")
    assert person.post("/api/v1/experiments/unseen/results/redraw/").status_code == 409
