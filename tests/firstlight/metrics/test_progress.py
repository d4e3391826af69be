"""The measures follow the lake, whatever comes late, twice or in between."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from django.db import connection

from firstlight.catalog.models import Scenario
from firstlight.kernel.windows import Window
from firstlight.lake import table
from firstlight.metrics import progress, tasks
from firstlight.metrics.models import MeasuredDay, ScenarioMeasure
from firstlight.metrics.series import series
from firstlight.postgres import locks
from tests.firstlight.metrics import reference

pytestmark = pytest.mark.django_db

AT = datetime(2026, 11, 15, tzinfo=UTC)
NOON = datetime(2026, 11, 12, 12)


@pytest.fixture(autouse=True)
def lake(settings: Any, tmp_path: Path) -> None:
    settings.LAKE_URL = (tmp_path / "lake").as_uri()
    for key in ("home", "search"):
        Scenario.objects.create(key=key, name=key)


def event(kind: str, unit: str = "u", *, days: float = 0.0, **more: Any) -> dict[str, Any]:
    return {
        "type": kind,
        "user_id": unit,
        "at": NOON + timedelta(days=days),
        "scenario": "home",
        "item_id": "a",
        **more,
    }


def arrive(batch: int, *rows: dict[str, Any]) -> None:
    told = [{"batch": batch, "event_id": f"{batch}-{i}", **row} for i, row in enumerate(rows)]
    table.append(batch, reference.table(told))


def measured(at: datetime = AT) -> list[dict[str, Any]]:
    progress.catch_up(at=at)
    fields = [f.attname for f in ScenarioMeasure._meta.fields if f.attname not in ("id", "measured_at")]
    return list(ScenarioMeasure.objects.order_by(*progress.IDENTITY).values(*fields))


def day_of(scenario: str, day: date) -> ScenarioMeasure:
    return ScenarioMeasure.objects.get(scenario__key=scenario, grain="day", recall_source="", starts_at__date=day)


ORDER: dict[str, Any] = {"scenario": None, "order_id": "o", "value": Decimal("2.50"), "currency": "INR"}


def test_an_empty_lake_has_no_measures() -> None:
    assert measured() == []


def test_measuring_again_changes_nothing() -> None:
    arrive(
        1, event("impression"), event("click", recall_source="i2i"), event("order", **ORDER), event("visit", days=-3)
    )
    first = measured()
    assert len(first) == 6  # two days, each whole by hour and day; one recall source by hour and day
    assert measured(AT + timedelta(hours=1)) == first
    MeasuredDay.objects.update(measured=0)
    assert measured(AT + timedelta(hours=2)) == first
    assert set(ScenarioMeasure.objects.values_list("measured_at", flat=True)) == {AT + timedelta(hours=2)}


def test_in_small_batches_it_comes_to_the_same_as_in_one() -> None:
    rows = [
        event("impression", "v", days=-0.7),
        event("click", "v"),
        event("order", "v", **ORDER),
        event("visit", "v", days=-2),
        event("refund", "v", days=1, **ORDER),
        event("click", "v", days=-0.1, scenario="search"),
        event("visit", "v", days=3),
    ]
    for i, row in enumerate(rows):
        arrive(i + 1, row)
        stepwise = measured()
    ScenarioMeasure.objects.all().delete()
    MeasuredDay.objects.update(measured=0)
    assert measured() == stepwise
    assert len(stepwise) > 8


def test_a_late_click_moves_an_order_and_leaves_no_ghost_behind() -> None:
    arrive(1, event("click", days=-0.2), event("order", **ORDER))
    measured()
    assert day_of("home", NOON.date()).orders == 1
    arrive(2, event("click", days=-0.1, scenario="search"))
    measured()
    assert day_of("search", NOON.date()).gross == {"INR": "2.5000"}
    assert day_of("home", NOON.date()).orders == 0
    hours = ScenarioMeasure.objects.filter(scenario__key="home", grain="hour", starts_at__hour=12)
    assert not hours.exists()  # nothing else happened at home in that hour


def test_other_days_are_left_alone() -> None:
    arrive(1, event("visit", days=-20), event("visit"))
    measured()
    arrive(2, event("visit", "v"))
    assert progress.catch_up(at=AT + timedelta(hours=1)) == 1
    assert day_of("home", NOON.date()).measured_at > AT
    assert day_of("home", NOON.date() - timedelta(days=20)).measured_at == AT


def test_a_late_visit_makes_those_of_the_next_week_return() -> None:
    arrive(1, event("visit"), event("visit", days=8))
    measured()
    arrive(2, event("visit", days=-7))
    measured()
    assert day_of("home", NOON.date()).returning_units == 1
    assert day_of("home", NOON.date() + timedelta(days=8)).returning_units == 0


def test_cut_short_it_goes_on_where_it_was(monkeypatch: pytest.MonkeyPatch) -> None:
    arrive(1, *(event("visit", days=-n) for n in range(5)))
    whole = progress.measure_day

    def tired(day: date, batch: int, *, at: datetime) -> None:
        if ScenarioMeasure.objects.filter(grain="day").count() == 2:
            raise TimeoutError
        whole(day, batch, at=at)

    monkeypatch.setattr(progress, "measure_day", tired)
    with pytest.raises(TimeoutError):
        progress.catch_up(at=AT)
    monkeypatch.undo()
    assert progress.catch_up(at=AT) == 3
    assert ScenarioMeasure.objects.filter(grain="day").count() == 5


def test_a_scenario_nobody_knows_is_left_out() -> None:
    arrive(1, event("visit", scenario="gone"), event("visit"))
    assert {m["scenario_id"] for m in measured()} == {Scenario.objects.get(key="home").pk}


def test_shares_are_divided_when_read_and_withheld_when_there_is_nothing_to_divide() -> None:
    arrive(
        1,
        event("impression"),
        event("impression", item_id="b"),
        event("click", days=0.01, recall_source="i2i"),
        event("order", days=0.02, **ORDER),
        event("visit", "v", days=1),
        event("visit", "v"),
    )
    progress.catch_up(at=AT)
    week = Window(AT - timedelta(days=7), AT)
    first, second = series(Scenario.objects.get(key="home"), week, grain="day")
    assert (first["click_rate"], first["conversion"], first["revisit_rate"]) == (0.5, 0.5, 0.0)
    assert (first["starts_at"], first["gross"]) == ("2026-11-12T00:00:00+00:00", {"INR": "2.5000"})
    assert (second["click_rate"], second["revisit_rate"]) == ({"withheld": "the denominator is zero"}, 1.0)
    (by,) = series(Scenario.objects.get(key="home"), week, grain="day", by="recall_source")
    assert (by["recall_source"], by["clicks"], by["orders"], by["conversion"]) == ("i2i", 1, 1, 1.0)
    assert series(Scenario.objects.get(key="home"), Window(AT, AT), grain="hour") == []


@pytest.mark.django_db(transaction=True)
def test_one_worker_measures_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    ran: list[datetime] = []
    monkeypatch.setattr(progress, "catch_up", lambda *, at: ran.append(at))
    with locks.alone("measure scenarios"):
        in_a_session_of_its_own(lambda: tasks.measure_scenarios(unknown="argument"))
    assert ran == []
    in_a_session_of_its_own(tasks.measure_scenarios)
    assert len(ran) == 1


def in_a_session_of_its_own(work: Callable[[], None]) -> None:
    def run() -> None:
        try:
            work()
        finally:
            connection.close()

    with ThreadPoolExecutor(1) as pool:
        pool.submit(run).result()
