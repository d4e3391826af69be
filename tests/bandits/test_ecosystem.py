"""Who gets what of a campaign, summed off the ledger."""

from datetime import timedelta
from decimal import Decimal

import pytest

from bandits import ecosystem
from bandits.models import Campaign
from firstlight.catalog.models import Item, Merchant
from tests.bandits.ledger_rows import Cell
from tests.bandits.test_graduating import AT, Rows, campaign, ledger

__all__ = ["campaign", "ledger"]  # fixtures

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def merchants(campaign: Campaign) -> None:
    """good and fair belong to one, poor to another; young has none."""
    for key, items in (("ada", ["good", "fair"]), ("bob", ["poor"]), ("cyn", [])):
        merchant = Merchant.objects.create(key=key)
        Item.objects.filter(key__in=items).update(merchant=merchant)


def test_what_merchants_had_ever_counts_the_impressions_of_the_campaign_alone(campaign: Campaign) -> None:
    found = ecosystem.spread(campaign, at=AT)
    assert [(row["merchant"], row["n_items"], row["impressions"]) for row in found["ever"]] == [
        ("ada", 2, 2000),
        ("bob", 1, 1000),
    ]
    assert found["ever"][0]["share"] == pytest.approx(2000 / 3050)
    assert (found["items"]["n"], found["items"]["n_shown"]) == (4, 4)
    # (50, 1000, 1000, 1000): the mean difference of all pairs over twice the mean
    assert found["items"]["gini"] == pytest.approx(2 * 3 * 950 / 16 / (2 * 3050 / 4))


def test_promises_are_held_against_yesterday(campaign: Campaign, ledger: Rows) -> None:
    Campaign.objects.update(merchant_floor=Decimal("0.4"), merchant_share_cap=Decimal("0.6"))
    campaign.refresh_from_db()
    yesterday = (AT - timedelta(days=1)).replace(hour=0)
    ledger(
        [
            Cell("good", yesterday, 90, campaign="spring"),
            Cell("poor", yesterday.replace(hour=23), 10, campaign="spring"),
        ]
    )
    ledger([Cell("poor", AT, 500, campaign="spring"), Cell("poor", yesterday, 500)])  # today; not ours
    found = ecosystem.spread(campaign, at=AT)
    assert found["day"] == "2026-11-19"
    assert [(row["merchant"], row["share"], row["floor"]) for row in found["yesterday"]] == [
        ("ada", 0.9, 0.2),
        ("bob", 0.1, 0.2),
    ]
    assert [(row["floor_met"], row["cap_kept"]) for row in found["yesterday"]] == [(True, False), (False, True)]
    assert found["floors_met"] == 1


def test_an_item_that_was_shown_and_left_the_pool_still_counts(campaign: Campaign) -> None:
    Item.objects.filter(key="good").update(tags=[])
    assert ecosystem.spread(campaign, at=AT)["items"]["n"] == 4


def test_before_anything_was_learned_there_is_nothing_to_tell(campaign: Campaign) -> None:
    campaign.posteriors.all().delete()
    found = ecosystem.spread(campaign, at=AT)
    assert found["items"] == {"withheld": "no data yet"}
    assert found["ever"] == found["yesterday"] == []
