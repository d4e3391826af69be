"""The page of a scenario's paths, and the same as a table to take away."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from html import unescape
from pathlib import Path as Folder
from typing import Any

import numpy as np
import pytest
from django.test import Client
from django.urls import reverse

from experiments.models import Experiment
from firstlight.exports.sources import Asked, Refused, checked
from tests import shop
from tests.firstlight.tracing.rows import row, write

pytestmark = pytest.mark.django_db
NOW = datetime.now(UTC)


@pytest.fixture(autouse=True)
def lake(settings: Any, tmp_path: Folder) -> None:
    settings.LAKE_URL = (tmp_path / "lake").as_uri()
    shop.scenario()


@pytest.fixture
def analyst(client: Client) -> Client:
    client.force_login(shop.person("analyst"))
    return client


def market(n: int = 400) -> Iterator[dict[str, Any]]:
    """Units of two arms; the treatment takes impressions from “hot” to “i2i” and leaves clicks per path alone."""
    rng = np.random.default_rng(4)
    for i in range(n):
        arm = ("control", "din")[i % 2]
        user = {"user_id": f"u-{i}", "scenario": "home_feed"}
        at = NOW - timedelta(hours=30)
        yield row("decision", at, **user, assignments=[{"experiment": "ranker", "variant": arm, "phase": 1}])
        for j in range(int(rng.poisson(6))):
            source = "i2i" if rng.random() < (0.3 if arm == "control" else 0.5) else rng.choice(["hot", "c2i"])
            seen = {**user, "item_id": f"i-{j}", "trace_id": f"t-{i}"}
            yield row("impression", at + timedelta(seconds=j), **seen, recall_source=str(source), ranker="din")
            if rng.random() < 0.15:
                yield row("click", at + timedelta(minutes=1, seconds=j), **seen)
        if rng.random() < 0.2:
            yield row("order", at + timedelta(hours=1), **user, order_id=f"o-{i}")


def text(client: Client, **asked: Any) -> str:
    answer = client.get(reverse("tracing:paths", args=["home_feed"]), asked)
    assert answer.status_code == 200
    return unescape(answer.content.decode())


def test_a_scenario_without_impressions_says_what_to_send(analyst: Client) -> None:
    told = text(analyst)
    assert "No impression was seen in this time." in told
    assert "Send impressions with" in told


def test_most_of_what_was_seen_comes_first(analyst: Client) -> None:
    write(*market())
    told = text(analyst)
    assert "came by i2i." in told
    assert "Exposure by recall source" in told
    assert "Within each path" not in told
    assert "came by i2i → din." in text(analyst, by="both")
    assert "100 % of" in text(analyst, by="ranker")


def test_arms_are_compared_and_what_is_no_effect_is_said_to_be_none(analyst: Client) -> None:
    shop.experiment()
    write(*market())
    told = text(analyst, experiment="ranker")
    assert "Against control, another share of what units see comes by" in told
    assert "Rates within a path: no causal comparison" in told
    assert "it is no effect of the experiment" in told
    assert "selected>New ranker" in told


@pytest.mark.parametrize("asked", [{"experiment": "unknown"}, {"experiment": "\0"}, {"by": "x", "days": "1e9"}])
def test_what_was_asked_wrongly_is_answered_in_words(analyst: Client, asked: dict[str, str]) -> None:
    write(*market(10))
    assert ("There is no experiment" in text(analyst, **asked)) == (asked.get("experiment") == "unknown")


def test_pictures_go_out_as_files(analyst: Client) -> None:
    shop.experiment()
    write(*market())
    address = reverse("tracing:paths", args=["home_feed"])
    csv = analyst.get(f"{address}exposure.csv").content.decode().splitlines()
    assert csv[0] == "path,impressions,clicks,orders"
    assert [line.split(",")[0] for line in csv[1:]] == ["i2i", "c2i", "hot", "no path named"]  # of who bought unclicked
    forest = analyst.get(f"{address}exposure-share.csv?experiment=ranker").content.decode().splitlines()
    assert forest[0] == "path,arm,lift,low,high"
    assert analyst.get(f"{address}clicks-per-unit.svg?experiment=ranker").content.startswith(b"<svg")
    assert analyst.get(f"{address}exposure-share.csv").status_code == 404


def test_only_who_may_see_the_lake_sees_paths(client: Client) -> None:
    address = reverse("tracing:paths", args=["home_feed"])
    assert client.get(address).status_code == 302
    client.force_login(shop.person("nobody's role"))
    assert client.get(address).status_code == 403


def exported(**asked: Any) -> list[dict[str, Any]]:
    wanted = Asked(start=NOW - timedelta(days=3), end=NOW, **asked)
    return [one for batch in checked("paths", wanted).read(wanted).batches for one in batch.to_pylist()]


def test_the_export_has_counts_arms_and_lifts_of_every_scenario() -> None:
    shop.experiment()
    write(*market())
    plain = exported()
    assert {one["row"] for one in plain} == {"path"}
    assert [(one["recall_source"], one["ranker"]) for one in plain] == [
        ("i2i", "din"), ("c2i", "din"), ("hot", "din"), (None, None),
    ]  # fmt: skip
    assert sum(one["exposure_share"] for one in plain) == pytest.approx(1)
    found = exported(experiment="ranker")
    assert {one["row"] for one in found} == {"path", "arm", "lift"}
    assert {one["arm"] for one in found if one["row"] == "lift"} == {"din"}
    assert len([one for one in found if one["row"] == "lift"]) == 4 * 6
    share = next(o for o in found if (o["row"], o["recall_source"], o["measure"]) == ("lift", "i2i", "exposure_share"))
    assert 0 < share["difference_low"] < share["difference"] < share["difference_high"]
    assert share["nature"] == "effect"


def test_an_export_beyond_the_scenarios_of_a_key_is_refused() -> None:
    shop.experiment()
    Experiment.objects.get().scenarios.add(shop.scenario("search", "Search"))
    write(*market(20))
    assert {one["scenario"] for one in exported(scenarios=("home_feed",))} == {"home_feed"}
    with pytest.raises(Refused, match="There is no experiment"):
        exported(experiment="ranker", scenarios=("home_feed",))


def test_the_dictionary_has_every_column() -> None:
    from firstlight.tracing.exports import PATHS

    page = (Folder(__file__).parents[3] / "docs" / "exports.md").read_text().split("## Columns of `paths`")[1]
    told = page.split("\n## ")[0]
    assert [one.name for one in PATHS if f"`{one.name}`" not in told] == []
