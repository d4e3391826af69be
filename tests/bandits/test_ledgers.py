"""What a ledger has of a scenario is one plain recount of all events, in whatever order and pieces they came."""

import os
import random
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings as django_settings
from django.db import connection

from bandits import ledgers
from bandits.models import Campaign, DrawTable, Ledger, LedgerDay, Posterior
from firstlight.catalog.models import Category, Item, Scenario
from firstlight.kernel.windows import Window
from firstlight.lake import table as lake
from firstlight.metrics.models import Rate
from tests.bandits.recount import START, Cell, Event, Sums, Way, arrive, recounted, some

AT = START + timedelta(days=8)
LONG_AGO = date(2026, 1, 1)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)


@pytest.fixture(autouse=True)
def home(db: None, settings: Any, tmp_path: Path) -> None:
    settings.LAKE_URL = (tmp_path / "lake").as_uri()


@pytest.fixture
def scenario() -> Scenario:
    return Scenario.objects.create(key="home", name="Home")


def campaign(scenario: Scenario, key: str = "new", **fields: Any) -> Campaign:
    plan = {"attribution_hours": 24, "value_cap": Decimal(100), **fields}
    return Campaign.objects.create(key=key, name=key, scenario=scenario, positions=[3, 8], **plan)


def up(ledger: Ledger, at: datetime = AT) -> Ledger:
    return ledgers.bring_up(ledger, until_batch=lake.latest_batch(), at=at)


def found(ledger: Ledger) -> dict[Cell, Sums]:
    rows = ledgers.read(ledger, LONG_AGO).to_pylist()
    cells = {Cell(**{name: row.pop(name) for name in Cell._fields}): row for row in rows}
    assert len(cells) == len(rows)
    return cells


def took(ledger: Ledger) -> Counter[tuple[Any, str, int]]:
    rows = ledgers.delays(ledger, LONG_AGO, AT.date()).to_pylist()
    return Counter({(row["day"], row["reward"], row["hours"]): int(row["count"]) for row in rows})


def check(ledger: Ledger, events: Sequence[Event], way: Way) -> None:
    cells, delays = recounted(events, way)
    here = found(ledger)
    assert here.keys() == cells.keys()
    for place, sums in cells.items():
        assert here[place] == pytest.approx(sums, rel=1e-9, abs=1e-9), place
    assert took(ledger) == delays


def way_of(ledger: Ledger, uniform: Sequence[int] = ()) -> Way:
    hours = timedelta(hours=ledger.attribution_hours)
    return Way(hours, float(ledger.value_cap), ledger.segment_by, frozenset(uniform))


@pytest.mark.parametrize("seed", range(6))
def test_any_order_in_any_pieces_counts_as_one_recount_of_all(scenario: Scenario, seed: int) -> None:
    rng = random.Random(seed)
    asking = campaign(scenario, attribution_hours=rng.choice([3, 24, 60]), segment_by=rng.choice(["", "country"]))
    posterior = Posterior.objects.create(
        campaign=asking, number=1, batch=0, prior_a=1, prior_b=1, items=[], trials=[], successes=[]
    )
    nothing = {"seed": 1, "items": [], "merchants": [], "categories": [], "n_rows": 0, "depth": 0, "rows": b""}
    even = DrawTable.objects.create(campaign=asking, posterior=posterior, arm="uniform", **nothing).pk
    events = some(rng, 200, tables=(even, even + 1))
    rng.shuffle(events)
    ledger, batch, done = ledgers.of(asking), 0, 0
    while done < len(events):
        size = rng.randint(1, 100)
        arrive(batch := batch + 1, events[done : done + size])
        done += size
        if rng.random() < 0.5 or done >= len(events):
            check(up(ledger), events[:done], way_of(ledger, [even]))
            up(ledger)  # a repeated task
            assert ledger.batch == batch
    check(ledger, events, way_of(ledger, [even]))


@pytest.mark.parametrize("seed", range(3))
def test_a_day_is_counted_alike_whichever_days_are_counted_with_it(scenario: Scenario, seed: int) -> None:
    rng = random.Random(seed)
    ledger = ledgers.of(campaign(scenario, attribution_hours=rng.choice([12, 50]), segment_by="country"))
    arrive(1, some(rng, 300))
    asked, days = ledgers.counted_as(ledger, AT), Window(START - DAY, START + 6 * DAY)
    whole = ledgers._counted(asked, days, 1)
    for day in days.days():
        begun = datetime(day.year, day.month, day.day, tzinfo=UTC)
        alone = ledgers._counted(asked, Window(begun, begun + DAY), 1)
        for packed, expected in zip(alone.get(day, ()), whole.get(day, ()), strict=True):
            assert _rows(packed) == _rows(expected), day


def _rows(packed: bytes) -> list[Any]:
    rows = ledgers._joined([(LONG_AGO, packed)], ledgers.CELLS).to_pylist()
    return sorted([sorted((name, _plain(value)) for name, value in row.items()) for row in rows])


def _plain(value: Any) -> str:
    """But for what the order of a sum changes."""
    return str(round(value, 9) + 0.0) if isinstance(value, float) else str(value)


def test_what_is_counted_again_takes_the_place_of_what_was(scenario: Scenario) -> None:
    """A late impression takes a click from an earlier one; a late decision says whose impression it was."""
    ledger = ledgers.of(campaign(scenario))
    evening, morning = START, START + 10 * HOUR
    early = [
        Event("impression", evening, "sku-1", trace="t", id="1"),
        Event("click", morning + HOUR, "sku-1", trace="t", id="2"),
    ]
    arrive(1, early)
    assert [(c.day, s["clicks"]) for c, s in found(up(ledger)).items()] == [(evening.date(), 1)]
    slot = {
        "position": 3,
        "item_id": "sku-1",
        "campaign": "new",
        "table": 1,
        "row": 0,
        "propensity": 0.5,
        "source": "table",
    }
    arrive(2, [Event("impression", morning, "sku-1", trace="t", id="3")])
    arrive(3, [Event("decision", evening, trace="t", discovery=[slot], id="4")])
    now = {(c.day, c.campaign, c.position): (s["clicks"], s["inverse_clicks"]) for c, s in found(up(ledger)).items()}
    assert now == {(evening.date(), "new", 3): (0, 0), (morning.date(), "new", 3): (1, 2)}


def test_a_late_event_has_only_the_days_counted_anew_that_it_can_reach(scenario: Scenario) -> None:
    ledger = ledgers.of(campaign(scenario))
    arrive(1, [Event("impression", START + n * DAY, "sku-1", trace=f"t-{n}", id=str(n)) for n in range(8)])
    up(ledger)
    kept = {row.day: row.pk for row in LedgerDay.objects.all()}
    late = [Event("click", START + n * DAY + HOUR, "sku-1", trace=f"t-{n}", id=f"c-{n}") for n in (1, 6)]
    arrive(2, late)
    up(ledger)
    same = {day for day, pk in kept.items() if LedgerDay.objects.filter(pk=pk).exists()}
    assert same == {(START + n * DAY).date() for n in (3, 4)}
    assert sum(s["clicks"] for s in found(ledger).values()) == 2


@pytest.mark.parametrize(("late", "won"), [(timedelta(hours=24), 1), (timedelta(hours=24, microseconds=1), 0)])
def test_a_reward_counts_up_to_the_attribution_time(scenario: Scenario, late: timedelta, won: int) -> None:
    ledger = ledgers.of(campaign(scenario))
    shown, bought = Event("impression", START, "sku-1", id="1"), Event("order", START + late, "sku-1", value=9, id="2")
    arrive(1, [shown, bought])
    assert [s["orders"] for s in found(up(ledger)).values()] == [won]


def test_net_value_is_orders_less_what_came_back_within_the_time_and_capped(scenario: Scenario) -> None:
    ledger = ledgers.of(campaign(scenario, value_cap=Decimal(50)))
    shown = [Event("impression", START, f"sku-{n}", trace="t", id=f"i{n}") for n in range(1, 5)]
    bought = [
        Event("order", START + HOUR, "sku-1", value=30, order="o-1", id="1"),
        Event("order", START + HOUR, "sku-2", value=40, order="o-1", id="2"),
        Event("order", START + HOUR, "sku-3", value=80, order="o-2", id="3"),
        Event("order", START + HOUR, "sku-4", value=20, order="o-3", id="4"),
    ]
    back = [
        Event("refund", START + 2 * HOUR, "sku-2", value=15, order="o-1", id="5"),
        Event("refund", START + 30 * HOUR, "sku-2", value=25, order="o-1", id="6"),  # too late
        Event("cancel", START + 2 * HOUR, value=25, order="o-3", id="7"),  # the whole order, and more than it was
        Event("refund", START + 2 * HOUR, value=10, order="o-1", id="8"),  # of its first line
    ]
    arrive(1, shown + bought + back)
    net = {c.item_id: (s["net"], s["valued"], s["orders"], s["share"]) for c, s in found(up(ledger)).items()}
    expected = {"sku-1": (20, 1, 1, 0.4), "sku-2": (25, 1, 1, 0.5), "sku-3": (50, 1, 1, 1), "sku-4": (0, 0, 1, 0)}
    assert net == {item: pytest.approx(numbers) for item, numbers in expected.items()}


def test_values_are_converted_at_the_rate_of_their_day(scenario: Scenario) -> None:
    Rate.objects.create(currency="BRL", day=START.date() - DAY, per_unit=Decimal("0.2"))
    ledger = ledgers.of(campaign(scenario, value_currency=django_settings.BASE_CURRENCY))
    arrive(
        1,
        [
            Event("impression", START, "sku-1", trace="t", id="1"),
            Event("order", START + HOUR, "sku-1", trace="t", value=10, currency="BRL", id="2"),
            Event("order", START + HOUR, "sku-1", trace="t", value=10, currency="XXX", id="3"),  # of no known worth
        ],
    )
    assert [s["net"] for s in found(up(ledger)).values()] == [pytest.approx(2)]


def test_traffic_is_parted_by_the_category_of_the_item(scenario: Scenario) -> None:
    shelf = Category.objects.create(key="dress")
    Item.objects.create(key="sku-1", category=shelf)
    ledger = ledgers.of(campaign(scenario, segment_by="category"))
    arrive(1, [Event("impression", START, item, id=item) for item in ("sku-1", "sku-2")])
    assert {c.item_id: c.segment for c in found(up(ledger))} == {"sku-1": "dress", "sku-2": ""}


def test_campaigns_that_count_alike_share_a_ledger_and_others_do_not(scenario: Scenario) -> None:
    one, same = campaign(scenario), campaign(scenario, "same", reward="order", prior_strength_cap=20)
    assert ledgers.of(one) == ledgers.of(same)
    others: list[dict[str, Any]] = [
        {"attribution_hours": 25},
        {"segment_by": "country"},
        {"value_cap": 5},
        {"value_currency": "EUR"},
    ]
    asking = [campaign(scenario, f"other-{n}", **fields) for n, fields in enumerate(others)]
    assert len({ledgers.of(each).pk for each in [one, *asking]}) == 5


def test_a_ledger_that_is_ahead_of_a_restored_lake_is_begun_anew(
    scenario: Scenario, settings: Any, tmp_path: Path
) -> None:
    events = some(random.Random(5), 200)
    ledger = ledgers.of(campaign(scenario))
    for batch in range(1, 5):
        arrive(batch, events[(batch - 1) * 50 : batch * 50])
    up(ledger)
    settings.LAKE_URL = (tmp_path / "restored").as_uri()
    arrive(1, events[:50])
    arrive(2, events[50:90])
    check(up(ledger), events[:90], way_of(ledger))
    assert ledger.batch == 2


def test_a_ledger_that_was_restored_itself_catches_up(scenario: Scenario) -> None:
    events = some(random.Random(6), 200)
    ledger = ledgers.of(campaign(scenario))
    arrive(1, events[:100])
    up(ledger)
    saved = list(ledger.days.values_list("day", "counts", "delays"))
    arrive(2, events[100:150])
    up(ledger)
    ledger.days.all().delete()
    LedgerDay.objects.bulk_create(LedgerDay(ledger=ledger, day=d, counts=c, delays=t) for d, c, t in saved)
    Ledger.objects.update(batch=1)
    arrive(3, events[150:])
    check(up(ledger), events, way_of(ledger))


def test_who_asks_late_for_less_than_is_known_changes_nothing(scenario: Scenario) -> None:
    """Two ask for the newest batch, and the first to look is the last to be served."""
    events = some(random.Random(7), 100)
    ledger = ledgers.of(campaign(scenario))
    arrive(1, events[:60])
    arrive(2, events[60:])
    up(ledger)
    days = set(ledger.days.values_list("pk", flat=True))
    ledgers.bring_up(ledger, until_batch=1, at=AT)
    assert (ledger.batch, set(ledger.days.values_list("pk", flat=True))) == (2, days)


def test_days_that_are_too_old_to_teach_are_forgotten(scenario: Scenario) -> None:
    ledger = ledgers.of(campaign(scenario))
    arrive(1, [Event("impression", START + n * DAY, "sku-1", id=str(n)) for n in range(4)])
    up(ledger)
    later = START + ledgers.HISTORY + 2 * DAY
    arrive(2, [Event("impression", later, "sku-1", id="9")])
    up(ledger, at=later)
    assert [row.day for row in ledger.days.order_by("day")] == [(START + n * DAY).date() for n in (2, 3)] + [
        later.date()
    ]


def test_a_long_history_is_counted_in_pieces_alike(scenario: Scenario, monkeypatch: pytest.MonkeyPatch) -> None:
    events = some(random.Random(10), 200)
    ledger = ledgers.of(campaign(scenario, attribution_hours=50))
    monkeypatch.setattr(ledgers, "MOST_AT_ONCE", 2 * DAY)
    arrive(1, events)
    check(up(ledger), events, way_of(ledger))


@pytest.mark.django_db(transaction=True)
def test_of_two_that_count_at_once_one_counts(scenario: Scenario, monkeypatch: pytest.MonkeyPatch) -> None:
    events, counted = some(random.Random(8), 150), []
    ledger = ledgers.of(campaign(scenario))
    arrive(1, events)
    one_run = ledgers._counted

    def noted(*asked: Any) -> Any:
        counted.append(asked)
        return one_run(*asked)

    monkeypatch.setattr(ledgers, "_counted", noted)

    def learner(_: int) -> None:
        try:
            up(Ledger.objects.get(pk=ledger.pk))
        finally:
            connection.close()

    with ThreadPoolExecutor(2) as threads:
        list(threads.map(learner, range(2)))
    assert len(counted) == 1
    check(Ledger.objects.get(pk=ledger.pk), events, way_of(ledger))


POINTS = {
    "before it counts": "ledgers._counted",
    "when it has counted": "ledgers._keep",
    "with the old days gone": "LedgerDay.objects.bulk_create",
    "before the watermark moves": "Ledger.save",
}


@pytest.mark.slow
@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("point", POINTS.values(), ids=POINTS)
def test_a_counter_killed_there_leaves_all_as_it_was_and_the_next_counts_once(
    scenario: Scenario, settings: Any, point: str
) -> None:
    events = some(random.Random(9), 200)
    ledger = ledgers.of(campaign(scenario))
    arrive(1, events[:120])
    up(ledger)
    arrive(2, events[120:])
    assert _killed(ledger, settings.LAKE_URL, point) == -signal.SIGKILL
    ledger.refresh_from_db()
    assert ledger.batch == 1
    check(ledger, events[:120], way_of(ledger))
    check(up(ledger), events, way_of(ledger))


def _killed(ledger: Ledger, lake_url: str, point: str) -> int:
    """Another process brings it up and is killed there."""
    code = (
        "import os, signal, django; django.setup()\n"
        "from datetime import datetime\n"
        "from bandits import ledgers\n"
        "from bandits.models import Ledger, LedgerDay\n"
        f"{point} = lambda *args, **named: os.kill(os.getpid(), signal.SIGKILL)\n"
        f"ledger = Ledger.objects.get(pk={ledger.pk})\n"
        f"ledgers.bring_up(ledger, until_batch=2, at=datetime.fromisoformat('{AT.isoformat()}'))\n"
    )
    root = django_settings.ROOT
    environment = {
        **os.environ,
        "PYTHONPATH": f"{root / 'platform'}:{root}",
        "DJANGO_SETTINGS_MODULE": "firstlight.settings",
        "LAKE_URL": lake_url,
        "DATABASE_URL": address(django_settings.DATABASES["default"]),
    }
    return subprocess.run([sys.executable, "-c", code], env=environment, check=False).returncode


def address(database: dict[str, Any]) -> str:
    """Of the tests' own database, for a process that is not one of theirs."""
    from urllib.parse import quote

    who = quote(database["USER"] or "") + (f":{quote(database['PASSWORD'])}" if database.get("PASSWORD") else "")
    at = "" if str(database["HOST"]).startswith("/") else f"{database['HOST']}:{database['PORT'] or 5432}"
    options = f"?host={quote(database['HOST'], safe='')}" if not at else ""
    return f"postgresql://{who}@{at}/{database['NAME']}{options}"
