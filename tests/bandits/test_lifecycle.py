"""A campaign starts once, with something to show and slots of its own; it stops once and keeps what it learned."""

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from bandits import checklist, lifecycle, plan, pool, section
from bandits.models import Campaign, Outcome, Posterior, Status
from firstlight.accounts.models import AuditEntry
from firstlight.catalog.models import Category, Item, Merchant, Scenario
from firstlight.objectives.models import Weights

pytestmark = pytest.mark.django_db


@pytest.fixture
def home() -> Scenario:
    for index in range(6):
        Item.objects.create(
            key=f"sku-{index}",
            merchant=Merchant.objects.get_or_create(key=f"m-{index % 2}")[0],
            category=Category.objects.get_or_create(key=("dress", "shoe", "hat")[index % 3])[0],
            tags=["new"] if index < 3 else [],
            in_stock=index != 5,
        )
    return Scenario.objects.create(key="home", name="Home")


def campaign(home: Scenario, key: str = "new", **more: Any) -> Campaign:
    return Campaign.objects.create(key=key, name=key, scenario=home, **{"positions": [1], **more})


def start(row: Campaign) -> Campaign:
    return lifecycle.start(row.pk, actor="pm", at=timezone.now())


def stop(row: Campaign) -> Campaign:
    return lifecycle.stop(row.pk, actor="pm", at=timezone.now())


def test_starting_is_recorded_and_served_and_starting_twice_is_refused_in_words(home: Scenario) -> None:
    row = campaign(home)
    assert section.compile(timezone.now()) == {}
    start(row)
    assert AuditEntry.objects.get().changes["status"] == ["draft", "running"]
    assert [name.partition("@")[0] for name in section.compile(timezone.now())] == ["new"]
    with pytest.raises(lifecycle.UnableToStart, match="“new” is already running"):
        start(row)


def test_stopping_takes_it_out_of_serving_and_keeps_what_it_learned(home: Scenario) -> None:
    row = campaign(home)
    with pytest.raises(lifecycle.UnableToStop, match="is a draft; only one that is running or paused can be stopped"):
        stop(row)
    start(row)
    assert stop(row).status == Status.STOPPED
    assert section.compile(timezone.now()) == {}
    assert Posterior.objects.count() == 1
    with pytest.raises(lifecycle.UnableToStop, match="is already stopped"):
        stop(row)
    with pytest.raises(lifecycle.UnableToStart, match="has been stopped"):
        start(row)


def test_every_fault_is_named_at_once(home: Scenario) -> None:
    start(campaign(home, "first", positions=[2, 3]))
    second = campaign(home, "second", positions=[3, 4], pool_tags=["nobody has this"])
    with pytest.raises(lifecycle.UnableToStart) as refusal:
        start(second)
    assert "No item satisfies its pool rule." in str(refusal.value)
    assert "“first” fills slot 3 of home already." in str(refusal.value)


def test_pausing_takes_it_out_of_serving_with_its_reason_and_resuming_brings_it_back(home: Scenario) -> None:
    row = start(campaign(home))
    paused = lifecycle.pause(row.pk, actor="guard", at=timezone.now(), because="Fewer clicks than without it.")
    assert (paused.status, paused.paused_because) == (Status.PAUSED, "Fewer clicks than without it.")
    assert section.compile(timezone.now()) == {}
    newest = AuditEntry.objects.order_by("-pk")[0]
    assert (newest.actor, newest.changes["paused_because"][1]) == ("guard", "Fewer clicks than without it.")
    with pytest.raises(lifecycle.UnableToPause, match="is already paused; only one that is running can be paused"):
        lifecycle.pause(row.pk, actor="pm", at=timezone.now())
    resumed = lifecycle.resume(row.pk, actor="pm", at=timezone.now())
    assert (resumed.status, resumed.paused_because) == (Status.RUNNING, "")
    assert [name.partition("@")[0] for name in section.compile(timezone.now())] == ["new"]
    with pytest.raises(lifecycle.UnableToResume, match="is already running"):
        lifecycle.resume(row.pk, actor="pm", at=timezone.now())


def test_a_pause_without_a_reason_names_who_paused(home: Scenario) -> None:
    row = start(campaign(home))
    assert lifecycle.pause(row.pk, actor="ana", at=timezone.now()).paused_because == "by ana"


def test_a_paused_campaign_may_be_stopped_and_then_nothing_more(home: Scenario) -> None:
    row = start(campaign(home))
    lifecycle.pause(row.pk, actor="pm", at=timezone.now())
    assert stop(row).status == Status.STOPPED
    for command, refusal in ((lifecycle.pause, lifecycle.UnableToPause), (lifecycle.resume, lifecycle.UnableToResume)):
        with pytest.raises(refusal, match="has been stopped"):
            command(row.pk, actor="pm", at=timezone.now())


def test_a_paused_campaign_keeps_its_slots(home: Scenario) -> None:
    first = start(campaign(home, "first"))
    lifecycle.pause(first.pk, actor="pm", at=timezone.now())
    with pytest.raises(lifecycle.UnableToStart, match="“first” fills slot 1 of home already and is paused"):
        start(campaign(home, "second"))


def test_no_command_comes_before_the_start(home: Scenario) -> None:
    row = start(campaign(home))
    for command in (lifecycle.pause, lifecycle.stop):
        with pytest.raises(lifecycle.Unable, match="started later than that"):
            command(row.pk, actor="pm", at=timezone.now() - timedelta(hours=1))


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ({"segments": ["IN"]}, "Say of which request attribute"),
        ({"segment_by": "country"}, "Name the values of country"),
        ({"pool_price_to": 10}, "Say of which currency these prices are"),
        ({"reward": "net_value"}, "say which counts"),
        ({"reward": "weighted", "value_currency": "INR"}, "has no weights to weigh rewards by"),
        ({"item_guarantee": 100, "item_cap": 50}, "No item can get the 100 impressions"),
        ({"control_share": 0.5, "uniform_share": 0.5}, "Nobody is left"),
        ({"policy": "linear"}, "learns from an attribute of requests: say which"),
        ({"policy": "linear", "segment_by": "country", "segments": ["IN"]}, "no item of the pool has any of them"),
        ({"pool_by_rule": False}, "pick at least one item"),
        ({"pool_items": ["sku-1"], "pool_excluded": ["sku-1"]}, "it cannot be both"),
    ],
)
def test_a_plan_that_cannot_hold_is_refused_in_words(home: Scenario, given: dict[str, Any], sentence: str) -> None:
    Item.objects.update(category=None, merchant=None)
    with pytest.raises(lifecycle.UnableToStart, match=sentence):
        start(campaign(home, **given))


def test_with_weights_a_weighted_reward_may_start(home: Scenario) -> None:
    Weights.objects.create(scenario=home, version=1, user="0.5", merchant="0.25", platform="0.25")
    row = campaign(home, reward="weighted", value_currency="INR")
    assert checklist.faults(row) == []


def test_what_one_should_know_is_told_and_keeps_nobody_from_starting(home: Scenario) -> None:
    row = campaign(
        home,
        pool_items=["not-there"],
        item_guarantee=700,
        daily_budget=300,
        merchant_share_cap="0.3",
    )
    told = {check.key: check.sentence for check in checklist.of(row) if check.state == "warn"}
    assert set(told) == {"picked", "guarantee", "merchants", "guards"}
    assert "needs 500 impressions a day, the budget allows 300" in told["guarantee"]  # 5 x 700 / 7
    assert "2 merchants at 30 % each" in told["merchants"]
    assert checklist.faults(row) == []


def test_a_plan_that_names_nothing_has_no_fault() -> None:
    assert plan.faults({}) == {}


def test_slots_of_another_scenario_are_free(home: Scenario) -> None:
    start(campaign(home, "first"))
    assert start(campaign(Scenario.objects.create(key="cart", name="Cart"), "second")).status == Status.RUNNING


def test_the_pool_is_what_satisfies_all_that_is_set(home: Scenario) -> None:
    row = campaign(home)
    assert keys(row) == {f"sku-{i}" for i in range(5)}
    row.pool_categories.add(Category.objects.get(key="dress"), Category.objects.get(key="shoe"))
    assert keys(row) == {"sku-0", "sku-1", "sku-3", "sku-4"}
    row.pool_merchants.add(Merchant.objects.get(key="m-1"))
    assert keys(row) == {"sku-1", "sku-3"}
    row.pool_tags = ["new", "other"]
    assert keys(row) == {"sku-1"}


def test_the_pool_may_ask_for_what_is_new_and_for_what_is_sold_out(home: Scenario) -> None:
    row = campaign(home, pool_max_age_days=7, pool_in_stock=False)
    Item.objects.filter(key="sku-0").update(listed_at=timezone.now() - timedelta(days=8))
    assert keys(row) == {f"sku-{i}" for i in range(1, 6)}


def test_the_pool_may_ask_for_prices_of_one_currency_and_for_countries(home: Scenario) -> None:
    for key, price, currency, country in (
        ("sku-0", 9, "INR", "IN"),
        ("sku-1", 10, "INR", "BR"),
        ("sku-2", 10, "EUR", "IN"),
    ):
        Item.objects.filter(key=key).update(price=price, currency=currency, country=country)
    assert keys(campaign(home, pool_price_from=10, pool_currency="INR")) == {"sku-1"}
    assert keys(campaign(home, "low", pool_price_from=9, pool_price_to=9, pool_currency="INR")) == {"sku-0"}
    assert keys(campaign(home, "india", pool_countries=["IN", "PK"])) == {"sku-0", "sku-2"}


def test_who_is_picked_takes_part_whatever_the_rule_says_and_who_is_excluded_never(home: Scenario) -> None:
    row = campaign(home, pool_tags=["new"], pool_items=["sku-5", "sku-4"], pool_excluded=["sku-0"])
    assert keys(row) == {"sku-1", "sku-2", "sku-4", "sku-5"}  # sku-5 is sold out
    assert keys(campaign(home, "hand", pool_by_rule=False, pool_items=["sku-4"])) == {"sku-4"}
    assert keys(campaign(home, "all", pool_in_stock=False, pool_items=["sku-4"])) == {f"sku-{i}" for i in range(6)}


def test_who_graduated_has_left_the_pool_until_somebody_takes_it_back(home: Scenario) -> None:
    row, at = campaign(home), timezone.now()
    left = Outcome.objects.create(campaign=row, item="sku-1", kind="graduated", decided_at=at, evidence={})
    assert keys(row) == {"sku-0", "sku-2", "sku-3", "sku-4"}
    Outcome.objects.filter(pk=left.pk).update(reversed_at=at, reason="Too early.")
    assert keys(row) == {f"sku-{i}" for i in range(5)}


def keys(row: Campaign) -> set[str]:
    return {item.key for item in pool.items(row)}
