"""From the bytes that are sent to the verdict that is stored, through every real part between."""

import json
import random
import shutil
import uuid
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.conf import settings
from scipy import stats

from experiments import analysis
from experiments.models import Arm, Experiment, ExperimentMetric, Look, Status
from firstlight.catalog.models import Scenario
from firstlight.events import inbox
from firstlight.events.flush import flush
from firstlight.events.parse import InboxRow, parse
from firstlight.metrics.models import Metric

NOW = datetime.now(UTC)
START = NOW - timedelta(days=9)
Sent = dict[str, Any]


@pytest.fixture(autouse=True)
def empty(transactional_db: None) -> Iterator[None]:
    shutil.rmtree(settings.VAR_DIR / "lake", ignore_errors=True)
    inbox.close()
    with inbox.connected() as connection:
        connection.execute("TRUNCATE events_inbox")
    yield
    inbox.close()


@pytest.fixture
def experiment() -> Experiment:
    made = Experiment.objects.create(
        key="ranker", name="Ranker", status=Status.RUNNING, started_at=START, planned_days=7
    )
    made.scenarios.add(Scenario.objects.create(key="home", name="Home"))
    for position, key in enumerate(("old", "new")):
        Arm.objects.create(experiment=made, key=key, position=position, weight=Decimal("0.5"))
    conversion, _ = Metric.objects.get_or_create(
        key="conversion",
        defaults={"name": "Conversion", "kind": "proportion", "numerator_event": "order", "in_scenario": False},
    )
    ExperimentMetric.objects.create(experiment=made, metric=conversion)
    return made


def event(kind: str, unit: str, at: datetime, **more: Any) -> Sent:
    return {"event_id": str(uuid.uuid4()), "type": kind, "at": at.isoformat(), "unit": {"user_id": unit}, **more}


def exposure(unit: str, arm: str, at: datetime) -> Sent:
    return event("exposure", unit, at, scenario="home", experiment="ranker", variant=arm)


def order(unit: str, at: datetime) -> Sent:
    return event("order", unit, at, value="12.50", currency="INR", order_id=unit)


def life(arm: str, n: int, buyers: int) -> list[Sent]:
    """So many units of the arm, exposed day by day, of whom so many buy; all buy before their exposure too."""
    sent = []
    for i in range(n):
        unit, met = f"{arm}-{i}", START + timedelta(days=8.9 * i / n)
        sent += [exposure(unit, arm, met), order(unit, met - timedelta(minutes=1))]
        sent += [order(unit, met + timedelta(minutes=1))] * (i < buyers)
    return sent


def send(events: Sequence[Sent]) -> inbox.Stored:
    """As the endpoint does, in bodies of 500."""
    accepted = duplicates = 0
    for i in range(0, len(events), 500):
        body = "\n".join(json.dumps(one) for one in events[i : i + 500]).encode()
        parsed = parse(body, "application/x-ndjson", at=NOW, may_backfill=False)
        assert parsed.rejected == []
        stored = inbox.store(parsed.rows)
        accepted, duplicates = accepted + stored.accepted, duplicates + stored.duplicates
    return inbox.Stored(accepted, duplicates)


def conversion(look: Look) -> Any:
    return look.results["metrics"][0]


def units_and_buyers(look: Look) -> list[tuple[int, float]]:
    # A sum is n times a mean, so it is whole but for the last bits.
    return [(arm["units"], round(arm["numerator"], 6)) for arm in conversion(look)["arms"]]


def test_a_planted_effect_is_shipped_with_its_size(experiment: Experiment) -> None:
    send(life("old", 1000, 100) + life("new", 1010, 180))
    flush()
    look = analysis.look(experiment.pk, at=NOW)
    assert look.verdict == "ship"
    assert look.sentence.startswith("Ship new: “Conversion” is better")
    assert units_and_buyers(look) == [(1000, 100), (1010, 180)]
    raw = [[1] * hits + [0] * (n - hits) for n, hits in ((1000, 100), (1010, 180))]
    assert conversion(look)["estimates"][0]["p"] == pytest.approx(
        float(stats.ttest_ind(*raw, equal_var=False).pvalue), rel=1e-9
    )


def test_without_an_effect_nothing_is_shipped(experiment: Experiment) -> None:
    send(life("old", 1000, 100) + life("new", 1010, 103))
    flush()
    assert analysis.look(experiment.pk, at=NOW).verdict == "end"


def test_a_split_that_is_not_as_planned_is_said_before_any_lift(experiment: Experiment) -> None:
    send(life("old", 1000, 100) + life("new", 800, 160))
    flush()
    look = analysis.look(experiment.pk, at=NOW)
    assert look.verdict == "abort"
    assert "No lift can be trusted" in look.sentence
    ratio = next(check for check in look.results["health"] if check["check"] == "sample_ratio")
    assert not ratio["passed"]
    assert ratio["p"] == pytest.approx(float(stats.chisquare([1000, 800]).pvalue), rel=1e-9)


def test_a_decision_of_the_allocation_api_is_an_exposure(experiment: Experiment) -> None:
    bought = order("a", START + timedelta(days=2))
    assigned = [{"experiment": "ranker", "variant": "new", "phase": 1}, {"experiment": "x", "variant": "y", "phase": 1}]
    decision: Sent = {
        "event_id": str(uuid.uuid4()),
        "type": "decision",
        "at": round((START + timedelta(days=1)).timestamp() * 1e6),
        "user_id": "a",
        "scenario": "home",
        "assignments": assigned,
    }
    inbox.store([InboxRow(decision["event_id"], json.dumps(decision).encode())])
    send([bought])
    flush()
    assert units_and_buyers(analysis.look(experiment.pk, at=NOW)) == [(0, 0), (1, 1)]


def test_events_sent_twice_late_and_out_of_order_come_to_the_same(experiment: Experiment) -> None:
    events = life("old", 300, 40) + life("new", 310, 80)
    random.Random(4).shuffle(events)
    early, late = events[:500], events[500:]
    send(early)
    flush()
    partial = analysis.look(experiment.pk, at=NOW)
    assert send(early[:300]) == (0, 300)
    assert flush() == 0
    assert analysis.look(experiment.pk, at=NOW) == partial
    assert send(late + early + late) == (len(late), len(early) + len(late))
    assert flush() == len(late)
    whole = analysis.look(experiment.pk, at=NOW)
    assert whole.number == partial.number + 1
    assert units_and_buyers(whole) == [(300, 40), (310, 80)]


def test_an_exposure_that_comes_late_moves_the_start_of_what_counts(experiment: Experiment) -> None:
    met = START + timedelta(days=3)
    send([exposure("a", "new", met), order("a", met - timedelta(hours=1))])
    flush()
    assert units_and_buyers(analysis.look(experiment.pk, at=NOW))[1] == (1, 0)
    send([exposure("a", "new", met - timedelta(hours=2))])
    flush()
    assert units_and_buyers(analysis.look(experiment.pk, at=NOW))[1] == (1, 1)


def test_a_unit_that_met_both_arms_is_told_and_left_out(experiment: Experiment) -> None:
    send(life("old", 300, 30) + life("new", 300, 30) + [exposure("old-0", "new", NOW - timedelta(days=1))])
    flush()
    look = analysis.look(experiment.pk, at=NOW)
    assert look.results["mixed_units"] == 1
    assert [arm["units"] for arm in look.results["arms"]] == [299, 300]
