"""A campaign starts once, with something to show and slots of its own; it stops once and keeps what it learned."""

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from bandits import lifecycle, pool, section
from bandits.models import Campaign, Posterior, Status
from firstlight.accounts.models import AuditEntry
from firstlight.catalog.models import Category, Item, Merchant, Scenario

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
    assert list(section.compile(timezone.now())) == ["new"]
    with pytest.raises(lifecycle.UnableToStart, match="“new” is already running"):
        start(row)


def test_stopping_takes_it_out_of_serving_and_keeps_what_it_learned(home: Scenario) -> None:
    row = campaign(home)
    with pytest.raises(lifecycle.UnableToStop, match="it is a draft"):
        stop(row)
    start(row)
    assert stop(row).status == Status.STOPPED
    assert section.compile(timezone.now()) == {}
    assert Posterior.objects.count() == 1
    with pytest.raises(lifecycle.UnableToStop, match="it is already stopped"):
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


def keys(row: Campaign) -> set[str]:
    return {item.key for item in pool.items(row)}
