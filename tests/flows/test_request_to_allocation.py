"""From what a product manager starts to what the recommender is told, and on to the lake."""

import io
from decimal import Decimal
from typing import Any

import msgspec
import pytest
from django.db import connection
from django.utils import timezone

import bandits.lifecycle
import experiments.lifecycle
from bandits.models import Campaign
from experiments.models import Arm, Experiment, ExperimentMetric
from firstlight.accounts import keys
from firstlight.catalog.models import Item, Scenario
from firstlight.events import flush, inbox
from firstlight.kernel.windows import Window
from firstlight.lake import engine
from firstlight.metrics.models import Metric
from firstlight.serving import dispatcher, journal
from firstlight.serving.journal import Journal
from firstlight.snapshots import memory

pytestmark = pytest.mark.django_db(transaction=True)

ITEMS = {f"sku-{i}" for i in range(40)}


@pytest.fixture
def shop(monkeypatch: pytest.MonkeyPatch, settings: Any, tmp_path: Any) -> Any:
    """One live experiment and one live campaign in a scenario; gives the key to it."""
    settings.LAKE_URL = (tmp_path / "lake").as_uri()
    with connection.cursor() as cursor:  # the inbox has no model, so nobody else empties it
        cursor.execute("TRUNCATE events_inbox")
    monkeypatch.setattr(journal, "_journal", Journal(inbox.store_packs))
    scenario = Scenario.objects.create(key="home_feed", name="Home feed")
    experiment = Experiment.objects.create(key="ranker-din", name="DIN against DNN")
    experiment.scenarios.add(scenario)
    for position, key in enumerate(("dnn", "din")):
        Arm.objects.create(
            experiment=experiment, position=position, key=key, weight=Decimal("0.5"), parameters={"ranker": key}
        )
    ExperimentMetric.objects.create(experiment=experiment, metric=Metric.objects.order_by("pk")[0])
    Item.objects.bulk_create(Item(key=key) for key in sorted(ITEMS))
    campaign = Campaign.objects.create(key="new", name="New arrivals", scenario=scenario, positions=[3, 8])
    experiments.lifecycle.start(experiment.pk, actor="pm", at=timezone.now())
    bandits.lifecycle.start(campaign.pk, actor="pm", at=timezone.now())
    yield keys.create("recommender", ["allocate"], [], "pm")[1]
    memory.forget()
    inbox.close()


def ask(key: str, body: dict[str, Any]) -> Any:
    raw, told = msgspec.json.encode(body), []
    environ = {
        "REQUEST_METHOD": "POST",
        "PATH_INFO": "/api/v1/allocations",
        "CONTENT_TYPE": "application/json",
        "CONTENT_LENGTH": str(len(raw)),
        "HTTP_AUTHORIZATION": f"Bearer {key}",
        "wsgi.input": io.BytesIO(raw),
    }
    chunks = dispatcher.Dispatcher(lambda *_: [])(environ, lambda status, _: told.append(status))
    assert told == ["200 OK"], b"".join(chunks)
    return msgspec.json.decode(b"".join(chunks))


def test_what_is_started_is_answered_and_every_answer_reaches_the_lake(
    shop: str, django_assert_num_queries: Any
) -> None:
    began = timezone.now()
    memory.refresh()
    with django_assert_num_queries(0):
        answers = [ask(shop, {"unit": {"user_id": f"u-{i}"}, "scenario": "home_feed"}) for i in range(60)]

    for answer in answers:
        (assignment,) = answer["experiments"]
        assert assignment["experiment"] == "ranker-din"
        assert answer["parameters"] == {"ranker": assignment["variant"]}
        slate = answer["discovery"]
        assert [slot["position"] for slot in slate] == [3, 8]
        assert len({slot["item_id"] for slot in slate} & ITEMS) == 2
        assert all(0 < slot["propensity"] <= 1 for slot in slate)
        assert sum(answer["objectives"]["weights"].values()) == pytest.approx(1)
    assert {a["parameters"]["ranker"] for a in answers} == {"dnn", "din"}

    journal.opened().write()
    assert flush.flush() == 60
    with engine.events(Window(began, timezone.now())) as events:
        rows = {row["trace_id"]: row for row in events.to_pyarrow().to_pylist()}
    assert rows.keys() == {answer["trace_id"] for answer in answers}
    for answer in answers:
        row = rows[answer["trace_id"]]
        (assignment,) = answer["experiments"]
        assert row["assignments"] == [{name: assignment[name] for name in ("experiment", "variant", "phase")}]
        assert row["discovery"] == answer["discovery"]
        assert row["snapshot"] == answer["snapshot"]


def test_the_same_question_under_the_same_trace_is_answered_alike_after_unrelated_changes(shop: str) -> None:
    asked = {"unit": {"user_id": "u-81"}, "scenario": "home_feed", "trace_id": "t"}
    memory.refresh()
    before = ask(shop, asked)
    Scenario.objects.create(key="search", name="Search")
    keys.create("another", ["read"], [], "pm")
    assert memory.refresh().number > before["snapshot"]
    assert {**ask(shop, asked), "snapshot": before["snapshot"]} == before


def test_a_stopped_experiment_and_campaign_are_gone_from_the_next_answer(shop: str) -> None:
    memory.refresh()
    experiments.lifecycle.stop(Experiment.objects.get().pk, actor="pm", at=timezone.now())
    bandits.lifecycle.stop(Campaign.objects.get().pk, actor="pm", at=timezone.now())
    memory.refresh()
    answer = ask(shop, {"unit": {"user_id": "u-81"}, "scenario": "home_feed"})
    assert (answer["experiments"], answer["parameters"], answer["discovery"]) == ([], {}, [])
