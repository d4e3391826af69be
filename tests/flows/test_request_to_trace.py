"""From a request over the wire to its path: seen and decided again while its events wait, and in the lake."""

import io
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest
import uuid_utils
from django.test import Client
from django.utils import timezone

import experiments.lifecycle
from experiments.models import Experiment
from firstlight.accounts import keys
from firstlight.events import flush, traces
from firstlight.kernel.windows import Window
from firstlight.serving import dispatcher, journal
from firstlight.snapshots import memory
from tests.flows.test_request_to_allocation import ask, shop

pytestmark = pytest.mark.django_db(transaction=True)
__all__ = ["shop"]


def post(key: str, path: str, body: Any) -> Any:
    raw, told = msgspec.json.encode(body), []
    environ = {
        "REQUEST_METHOD": "POST",
        "PATH_INFO": path,
        "CONTENT_TYPE": "application/json",
        "CONTENT_LENGTH": str(len(raw)),
        "HTTP_AUTHORIZATION": f"Bearer {key}",
        "wsgi.input": io.BytesIO(raw),
    }
    chunks = dispatcher.Dispatcher(lambda *_: [])(environ, lambda status, _: told.append(status))
    assert told == ["200 OK"], b"".join(chunks)
    return msgspec.json.decode(b"".join(chunks))


def event(kind: str, trace: str, item: str, seconds: float, **more: Any) -> dict[str, Any]:
    at = (datetime.now(UTC) + timedelta(seconds=seconds)).isoformat()
    who = {"unit": {"user_id": "u-81"}, "scenario": "home_feed", "trace_id": trace, "item_id": item}
    return {"event_id": str(uuid_utils.uuid7()), "type": kind, "at": at, **who, **more}


def told(trace: str) -> Any:
    _, text = keys.create("reader", ["read"], [], "pm")
    return Client(headers={"Authorization": f"Bearer {text}"}).get(f"/api/v1/traces/{trace}/").json()


def test_the_path_of_an_item_is_there_at_once_and_stays_when_the_lake_has_it(shop: str) -> None:
    _, sender = keys.create("sender", ["ingest"], [], "pm")
    memory.refresh()
    asked = {"unit": {"user_id": "u-81"}, "scenario": "home_feed", "exclude_items": [f"sku-{i}" for i in range(20)]}
    answer = ask(shop, asked)
    trace, slot = answer["trace_id"], answer["discovery"][0]
    item = slot["item_id"]
    shown = event("impression", trace, item, 1, position=3, recall_source="discovery", ranker="din", score=0.5)
    bought = event("order", trace, item, 3, value="12.50", currency="INR", order_id="o-1")
    assert post(sender, "/api/v1/events", [bought, event("click", trace, item, 2), shown])["accepted"] == 3
    journal.opened().write()

    before = told(trace)
    way = next(one for one in before["path"] if one["item_id"] == item)
    assert way["reached"] == before["reached"] == "order"
    assert [(step["type"], step["waiting"]) for step in way["steps"]] == [
        ("impression", True), ("click", True), ("order", True),
    ]  # fmt: skip
    assert {name: way["placed"][name] for name in ("campaign", "table", "row", "source")} == {
        name: slot[name] for name in ("campaign", "table", "row", "source")
    }
    assert 0 < way["placed"]["propensity"] <= 1, "counted by the log, if not by the answer"
    assert (way["recall_source"], way["ranker"], way["score"]) == ("discovery", "din", 0.5)
    assert before["decision"]["properties"]["floors"] == answer["floors"]
    assert before["replay"]["verdict"] == "same", before["replay"]

    experiments.lifecycle.stop(Experiment.objects.get().pk, actor="pm", at=timezone.now())
    memory.refresh()
    flush.flush()
    after = told(trace)
    assert [step | {"waiting": True} for one in after["path"] for step in one["steps"]] == [
        step for one in before["path"] for step in one["steps"]
    ]
    assert not any(step["waiting"] for one in after["path"] for step in one["steps"])
    assert after["decision"] == before["decision"]
    assert after["replay"] == before["replay"]


def test_a_flag_that_was_asked_for_by_itself_is_decided_again_too(shop: str) -> None:
    memory.refresh()
    context = {"targetingKey": "u-81", "user_id": "u-81", "scenario": "home_feed"}
    assert post(shop, "/ofrep/v1/evaluate/flags/ranker", {"context": context})["value"] in ("dnn", "din")
    journal.opened().write()
    flush.flush()
    now = timezone.now()
    ((trace, decision),) = traces.recent(Window(now - timedelta(hours=1), now), 5)
    assert decision["assignments"][0]["experiment"] == "ranker-din"
    assert told(trace)["replay"]["verdict"] == "same"
