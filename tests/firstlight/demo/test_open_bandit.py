"""The logs are read as their publisher describes them."""

from collections import Counter
from datetime import UTC, date, datetime, timedelta

import pytest

from firstlight.demo.open_bandit import ARMS, CAMPAIGNS, Dataset, Impression

# Clicks in 10,000 impressions each, random and Bernoulli TS: docs/methods.md, Open Bandit Dataset.
CLICKS = {"all": (38, 42), "men": (46, 69), "women": (46, 46)}


def of(dataset: Dataset, campaign: str, arm: str) -> list[Impression]:
    return [i for i in dataset.impressions if (i.campaign, i.arm) == (campaign, arm)]


@pytest.mark.parametrize("campaign", CAMPAIGNS)
def test_impressions_and_clicks_are_those_known(dataset: Dataset, campaign: str) -> None:
    logs = [of(dataset, campaign, arm) for arm in ARMS]
    assert [len(rows) for rows in logs] == [10_000, 10_000]
    assert tuple(sum(i.clicked for i in rows) for rows in logs) == CLICKS[campaign]


def test_items_are_as_many_as_the_paper_says(dataset: Dataset) -> None:
    assert Counter(g.campaign for g in dataset.garments) == {"all": 80, "men": 34, "women": 46}
    assert {name: len(beliefs.alpha) for name, beliefs in dataset.beliefs.items()} == {
        "all": 80,
        "men": 34,
        "women": 46,
    }


@pytest.mark.parametrize("campaign", CAMPAIGNS)
def test_the_random_policy_was_uniform(dataset: Dataset, campaign: str) -> None:
    n_items = sum(g.campaign == campaign for g in dataset.garments)
    assert {round(i.propensity * n_items, 2) for i in of(dataset, campaign, "random")} == {1.0}


def test_every_item_shown_is_an_item_of_its_campaign(dataset: Dataset) -> None:
    known = {(g.campaign, g.item) for g in dataset.garments}
    assert {(i.campaign, i.item) for i in dataset.impressions} <= known


def test_times_keep_their_microseconds_and_lie_in_the_week(dataset: Dataset) -> None:
    first = of(dataset, "all", "random")[0]
    assert first.at == datetime(2019, 11, 24, 0, 0, 34, 762830, tzinfo=UTC)
    days = {i.at.date() for i in dataset.impressions}
    assert days == {date(2019, 11, 24) + timedelta(days=k) for k in range(7)}


def test_a_row_names_one_impression(dataset: Dataset) -> None:
    assert len({(i.campaign, i.arm, i.row) for i in dataset.impressions}) == len(dataset.impressions)


def test_positions_are_three(dataset: Dataset) -> None:
    assert {i.position for i in dataset.impressions} == {1, 2, 3}
