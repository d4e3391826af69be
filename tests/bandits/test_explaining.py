"""A logged decision, told again from what decided it."""

import itertools
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from msgspec.json import encode

from bandits import explaining, lifecycle, section
from bandits.models import Campaign
from bandits.section import State
from firstlight.catalog.models import Category, Item, Merchant, Scenario
from firstlight.events import packs, traces
from firstlight.events.flush import columns
from firstlight.kernel.withheld import Reason, Withheld
from firstlight.lake import table as lake
from firstlight.snapshots import publication
from firstlight.snapshots.models import Part, Version
from firstlight.snapshots.sections import Request

pytestmark = pytest.mark.django_db

NOW = datetime.now(UTC).replace(microsecond=123456)
PLAIN = {"control_share": "0", "uniform_share": "0", "floor": "0.3"}
batches = itertools.count(1)


@pytest.fixture(autouse=True)
def shop(settings: Any, tmp_path: Path) -> Scenario:
    settings.LAKE_URL = (tmp_path / "lake").as_uri()
    merchants = [Merchant.objects.create(key=f"m-{i}") for i in range(4)]
    kinds = [Category.objects.create(key=key) for key in ("dress", "shoe")]
    for i in range(40):
        item = {"merchant": merchants[i % 4], "category": kinds[i % 2], "country": ("IN", "CN")[i % 2]}
        Item.objects.create(key=f"sku-{i:02}", tags=["new"] if i % 3 else [], **item)
    return Scenario.objects.create(key="home", name="Home")


def started(shop: Scenario, key: str = "new", **more: Any) -> Campaign:
    given = {"positions": [3, 5, 8], "merchant_cap": 2, **PLAIN, **more}
    campaign = Campaign.objects.create(key=key, name=key, scenario=shop, **given)
    return lifecycle.start(campaign.pk, actor="anna", at=timezone.now())


def state() -> tuple[int, State]:
    """What a web process makes of the newest version."""
    version = Version.objects.get(number=publication.publish())
    digests = version.parts["bandits"]
    payloads = dict(Part.objects.filter(digest__in=digests.values()).values_list("digest", "payload"))
    return version.number, section.gather({n: section.load(bytes(payloads[d])) for n, d in digests.items()})


def decide(trace: str, **more: Any) -> dict[str, Any]:
    """Answered, completed, and logged into the lake; the answer."""
    number, held = state()
    request = Request(unit={"user_id": "u-1"}, scenario="home", trace_id=trace, at=NOW, **more.pop("asked", {}))
    answer = {"snapshot": number, "experiments": [], "parameters": {}, "objectives": None, "journey_stage": None} | more
    section.decide(held, request, answer)
    section.complete(held, request, answer)
    log(request, answer)
    return answer


def log(request: Request, answer: dict[str, Any]) -> None:
    asked = {name: getattr(request, name) for name in ("unit", "attributes", "slots", "exclude_items", "eligible")}
    told = {"trace_id": request.trace_id, "scenario": request.scenario} | answer
    pack = packs.pack([packs.Decided(int(NOW.timestamp() * 1e6), encode(asked), encode(told))])
    batch = next(batches)
    lake.append(batch, columns(b"\n".join(packs.lines(pack.event_id, pack.packed)), batch))


def why(campaign: Campaign, trace: str) -> dict[str, Any]:
    told = explaining.why(campaign, trace, at=NOW)
    assert not isinstance(told, Withheld), told
    return told


ASKED: dict[str, dict[str, Any]] = {
    "plain": {},
    "filtered": {
        "eligible": {"category": ["dress"], "tags": ["new"]},
        "exclude_items": frozenset({"sku-04", "sku-77"}),
    },
    "few": {"slots": 2, "eligible": {"country": ["CN"]}},
    "nothing fits": {"eligible": {"merchant": ["m-9"]}},
}


@pytest.mark.parametrize("asked", ASKED.values(), ids=ASKED)
def test_what_was_logged_comes_out_again_to_the_last_bit_whatever_is_left_of_then(
    shop: Scenario, asked: dict[str, Any]
) -> None:
    campaign = started(shop)
    answer = decide("t-1", asked=asked)
    told = why(campaign, "t-1")
    assert told["retraced_from"] == "snapshot"
    assert told["replays"]
    assert [(s["position"], s["item_id"], s["propensity"]) for s in told["slots"]] == [
        (s["position"], s["item_id"], s["propensity"]) for s in answer["discovery"]
    ]
    Version.objects.all().delete()
    again = why(campaign, "t-1")
    assert again == told | {"retraced_from": "tables"}


def test_steps_lead_from_the_draws_to_the_slots(shop: Scenario) -> None:
    """The slate, made again from the told ranking by the rules alone."""
    campaign = started(shop, floor="0")
    decide("t-2", asked={"eligible": {"category": ["dress"]}, "exclude_items": frozenset({"sku-02"})})
    told = why(campaign, "t-2")
    scores = [step["score"] for step in told["steps"]]
    assert scores == sorted(scores, reverse=True)
    owner = dict(Item.objects.values_list("key", "merchant__key"))
    chosen: list[str] = []
    for step in told["steps"]:
        item = step["item"]
        fits = int(item[4:]) % 2 == 0 and item != "sku-02"
        crowded = [owner[one] for one in chosen].count(owner[item]) >= 2
        if len(chosen) < 3:
            assert bool(step["skipped"]) == (not fits or crowded), step
            assert (step["position"] is not None) == (not step["skipped"])
        if step["position"]:
            chosen.append(item)
    assert chosen == [slot["item_id"] for slot in told["slots"]]
    assert told["filter"]["n_allowed"] == 19
    assert all(step["low"] < step["mean"] < step["high"] for step in told["steps"])


def test_the_floor_says_which_slot_it_took_and_from_whom(shop: Scenario) -> None:
    campaign = started(shop, floor="1")
    decide("t-3")
    told = why(campaign, "t-3")
    floor = told["floor"]
    (drawn,) = [slot for slot in told["slots"] if slot["source"] == "floor"]
    assert floor["position"] == drawn["position"]
    assert floor["drawn"] < 1
    (row,) = [step for step in told["steps"] if step["position"] == floor["position"]]
    assert row["item"] == floor["instead_of"]


def test_items_of_an_earlier_campaign_are_part_of_the_filter(shop: Scenario) -> None:
    first, second = started(shop, "a-new"), started(shop, "b-new", positions=[1, 2])
    answer = decide("t-4")
    shown = {s["item_id"] for s in answer["discovery"] if s["campaign"] == "a-new"}
    told = why(second, "t-4")
    assert set(told["filter"]["on_the_page"]) == shown
    assert told["replays"] and why(first, "t-4")["replays"]


def test_a_unit_of_the_control_share_is_told_its_bucket(shop: Scenario) -> None:
    campaign = started(shop, control_share="0.5", uniform_share="0.4")
    decide("c-1")
    arm = why(campaign, "c-1")["arm"]
    assert (arm["because"], arm["unit"], arm["none_below"], arm["uniform_below"]) == ("share", "user_id", 5_000, 9_000)
    assert arm["arm"] == ("none" if arm["bucket"] < 5_000 else "uniform" if arm["bucket"] < 9_000 else "learned")


def test_an_experiment_that_names_the_campaign_is_the_reason(shop: Scenario) -> None:
    campaign = started(shop, control_share="0.1", uniform_share="0.1")
    for arm in ("none", "uniform", "learned"):
        decide(f"e-{arm}", parameters={"discovery.new": arm})
        told = why(campaign, f"e-{arm}")
        assert (told["arm"]["arm"], told["arm"]["because"], told["replays"]) == (arm, "experiment", True)
        assert (told["table"] is None) == (arm == "none")
        assert (told["turned_by"] is not None) == (arm == "uniform" and campaign.merchant_cap is None)


def test_a_changed_log_is_found_out(shop: Scenario) -> None:
    campaign = started(shop)
    decide("t-5")
    decision = traces.find("t-5", at=NOW).decision
    assert decision is not None
    _, held = state()
    same = explaining.explained("new", "t-5", decision, held)
    decision["discovery"][0]["propensity"] *= 1 + 2**-52
    other = explaining.explained("new", "t-5", decision, held)
    assert not isinstance(same, Withheld) and not isinstance(other, Withheld)
    assert (same["replays"], other["replays"]) == (True, False)
    assert campaign.key == "new"


def test_of_an_unknown_trace_nothing_is_told(shop: Scenario) -> None:
    campaign = started(shop)
    assert explaining.why(campaign, "nobody", at=NOW + timedelta(seconds=1)) == Withheld(Reason.NO_DECISION)


@pytest.mark.parametrize("more", [{}, {"control_share": "0.9"}, {"uniform_share": "0.9"}])
def test_the_page_of_a_campaign_explains_a_trace(shop: Scenario, admin_client: Client, more: dict[str, str]) -> None:
    """Learned, none and uniform: each of them is drawn."""
    campaign = started(shop, **more)
    answer = decide("t-page")
    address = reverse("admin:bandits_campaign_results", args=[campaign.pk])
    told = admin_client.get(address, {"trace": "t-page"}).content.decode()
    assert "Why this was shown" in told
    for slot in answer["discovery"]:
        assert slot["item_id"] in told
    assert ("never sees the campaign" in told) == (not answer["discovery"])
    missing = admin_client.get(address, {"trace": "t-else"}).content.decode()
    assert "“t-else”" in missing
