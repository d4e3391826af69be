"""What traffic is read from: the measures of scenarios, the lake, and looks of the past."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from experiments import lifecycle, traffic
from experiments.traffic import Pace, Seen, Spread
from firstlight.catalog.models import Scenario
from firstlight.kernel.withheld import Reason, Withheld
from firstlight.lake import table
from firstlight.metrics.models import ScenarioMeasure
from tests.experiments.plans import DAY, NOON, draft, look, scenario
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
    assert isinstance(found, Pace) and found.units(1) == 200 and found.units(14) == 200 + 13 * 100
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


def stored(key: str, values: Any, until: datetime) -> None:
    """A look whose control has these values per unit."""
    experiment = lifecycle.start(draft(key).pk, actor="pm", at=NOON)
    made = look(experiment, until)
    error = float(np.std(values, ddof=1) / np.sqrt(len(values)))
    arm = {"arm": "control", "units": len(values), "mean": float(np.mean(values)), "standard_error": error}
    made.results["metrics"] = [{"metric": "test-clicks", "estimates": [], "arms": [arm]}]
    look_of = type(made)(experiment=experiment, number=2, until=until, batch=1, verdict="end", sentence="")
    look_of.results = made.results
    look_of.save()


def test_the_spread_of_a_unit_comes_out_of_the_standard_error_of_the_newest_look() -> None:
    rng = np.random.default_rng(3)
    older, newer = rng.gamma(2, 3, 500), rng.gamma(4, 5, 800)
    stored("older", older, NOON + DAY)
    stored("newer", newer, NOON + DAY)
    found = traffic.spread("test-clicks", [scenario()])
    assert isinstance(found, Spread)
    assert found.mean == pytest.approx(newer.mean())
    assert found.variance == pytest.approx(newer.var(ddof=1)) and found.experiment == "newer"
    assert traffic.spread("test-clicks", [scenario("search")]) == Withheld(Reason.NO_DATA)
    assert traffic.spread("unknown", [scenario()]) == Withheld(Reason.NO_DATA)


def test_a_metric_that_never_varied_tells_nothing() -> None:
    stored("still", np.zeros(50), NOON + DAY)
    assert traffic.spread("test-clicks", [scenario()]) == Withheld(Reason.NO_SPREAD)
