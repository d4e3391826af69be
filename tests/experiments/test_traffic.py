"""What traffic is read from: the measures of scenarios, the lake, and looks of the past."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from experiments import lifecycle, traffic
from experiments.models import FurtherLayer, Layer
from experiments.traffic import Pace, Seen
from firstlight.catalog.models import Scenario
from firstlight.kernel.withheld import Reason, Withheld
from firstlight.lake import table
from firstlight.metrics.models import ScenarioMeasure
from tests.experiments.plans import NOON, draft, ramp, scenario
from tests.firstlight.metrics import reference

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def lake(settings: Any, tmp_path: Path) -> None:
    settings.LAKE_URL = (tmp_path / "lake").as_uri()
    settings.AFTER_CHANGE = "builtins.dict"


def measure(of: Scenario, starts_at: datetime, units: int, returning: int, **more: Any) -> None:
    none = dict.fromkeys(("impressions", "clicks", "clicked_impressions", "carts", "orders", "buyers"), 0)
    seen = {"units": units, "returning_units": returning, "measured_at": NOON, "grain": "day", "recall_source": ""}
    ScenarioMeasure.objects.create(scenario=of, starts_at=starts_at, **{**none, **seen, **more})


def test_the_pace_is_that_of_the_last_whole_days_of_the_busiest_scenario() -> None:
    home, search = scenario("home"), scenario("search")
    midnight = datetime(2026, 11, 23, tzinfo=UTC)
    for day, units in enumerate((100, 200, 300), start=1):
        measure(home, midnight - timedelta(days=day), units, units // 2)
        measure(search, midnight - timedelta(days=day), 10, 0)
    measure(home, midnight, 9999, 0)  # today is not over
    measure(home, midnight - timedelta(days=8), 9999, 0)  # too old
    measure(home, midnight - timedelta(days=1), 9999, 0, recall_source="i2i")
    measure(home, midnight - timedelta(days=1), 9999, 0, grain="hour")
    found = traffic.pace([home, search], NOON)
    assert found == Pace(200.0, 100.0)
    assert found.units(1) == 200 and found.units(14) == 200 + 13 * 100
    assert traffic.pace([scenario("cart")], NOON) == Withheld(Reason.NO_DATA)


def event(kind: str, days: float = 0, place: str = "home", **attributes: Any) -> dict[str, Any]:
    at = (NOON - timedelta(days=days, minutes=1)).replace(tzinfo=None)
    told = {"properties": json.dumps({"attributes": attributes})} if kind == "decision" else {}
    return {"type": kind, "user_id": "u", "at": at, "scenario": place, "event_id": f"{kind}{days}{place}", **told}


def arrive(*events: dict[str, Any]) -> None:
    table.append(1, reference.table([{"batch": 1, **one} for one in events]))


def test_an_empty_lake_shows_nothing() -> None:
    assert traffic.seen(["home"], NOON) == Seen(frozenset(), ())


def test_types_are_of_seven_days_and_requests_of_the_last() -> None:
    old, new = event("decision", days=3, country="BR"), event("decision", country="IN")
    arrive(old, new, event("decision", place="search", country="XX"), event("click", days=5), event("cart", days=9))
    found = traffic.seen(["home"], NOON)
    assert found == Seen(frozenset({"decision", "click"}), ({"country": "IN"},))


def test_without_requests_of_the_last_day_older_ones_tell() -> None:
    arrive(event("decision", days=3, country="BR"))
    assert traffic.seen(["home"], NOON).attributes == ({"country": "BR"},)


def test_a_lake_that_is_away_is_said_and_stops_nobody(settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def away(*_: Any, **__: Any) -> None:
        raise OSError("no route")

    monkeypatch.setattr("firstlight.lake.engine.events", away)
    assert traffic.seen(["home"], NOON) == Withheld(Reason.NO_ANSWER)
    assert lifecycle.submit(draft().pk, actor="pm", at=NOON).status == "in_review"


def test_who_takes_part_is_what_targeting_layers_and_the_end_of_the_ramp_leave() -> None:
    layer = Layer.objects.create(key="ranking", name="Ranking")
    experiment = draft("ranker", layer=layer, end_bucket=2000, coverage="0.1")
    assert traffic.share_taking_part(experiment, 0.5) == pytest.approx(0.5 * 0.2 * 0.1)
    further = Layer.objects.create(key="price", name="Price")
    FurtherLayer.objects.create(experiment=experiment, layer=further, first_bucket=5000)
    ramp(experiment, ("0.1", 1, 0), ("0.8", 1, 0))
    assert traffic.share_taking_part(experiment, 0.5) == pytest.approx(0.5 * 0.2 * 0.5 * 0.8)


@pytest.mark.parametrize(
    ("condition", "shown", "share"),
    [({"a": 1}, ({"a": 1}, {"a": 2}, {}, {"a": 1}), 0.5), ({"a": 1}, (), None), ({"a": {"$near": 1}}, ({},), None)],
)
def test_targeting_is_a_share_of_requests(condition: Any, shown: Any, share: float | None) -> None:
    assert traffic.share_targeted(condition, shown) == share
