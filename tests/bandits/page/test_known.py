"""What the page says of posteriors, chances and what they stand on; against SciPy and counts by hand."""

from datetime import timedelta
from typing import Any

import numpy as np
import pytest
from django.utils import timezone
from scipy import stats

from bandits.page import Choice, Known, Wording, chances, exposure, item, leaders, standing
from bandits.page.known import taken
from bandits.policies.beliefs import Beta, Gamma, Hurdle

CLICKS = Wording.of("click", "")
MONEY = Wording.of("net_value", "INR")


def known(trials: Any, successes: Any, *, prior: tuple[float, float] = (1.0, 50.0), **more: Any) -> Known:
    seen, won = np.array(trials, float), np.array(successes, float)
    keys = tuple(f"i{i}" for i in range(len(seen)))
    given: dict[str, Any] = {"at": timezone.now(), "number": 1, "segment": "", "seen": seen, "shown": seen, "told": {}}
    believed = Beta(keys, prior[0] + won, prior[1] + seen - won)
    return Known(**{**given, "beliefs": believed, "trials": seen, "successes": won, **more})


def test_the_best_comes_first_with_the_interval_of_its_beta_distribution() -> None:
    found = known([100, 10], [3, 2])
    assert found.best.tolist() == [1, 0]  # 3/61 before 4/151
    picture = leaders.section(found, {}, CLICKS, Choice()).pictures[0]
    assert [row["item"] for row in picture.rows] == ["i1", "i0"]
    for row, (a, b) in zip(picture.rows, [(3, 58), (4, 147)], strict=True):
        assert row["mean"] == pytest.approx(stats.beta(a, b).mean())
        assert (row["low"], row["high"]) == pytest.approx(stats.beta(a, b).interval(0.95))


def test_who_is_clearly_better_than_the_average_is_counted() -> None:
    found = known([1000] * 5, [100, 10, 10, 10, 10])
    assert found.average == pytest.approx(140 / 5000)
    assert "1 item is clearly better than the average of 2.80 %" in leaders.sentence(found, {}, CLICKS)
    assert "no item is clearly better yet" in leaders.sentence(known([10] * 5, [1, 0, 0, 0, 0]), {}, CLICKS)


def test_money_is_told_in_its_currency_and_without_an_average_of_shares() -> None:
    ones = np.ones(2)
    hurdle = Hurdle(("a", "b"), 2 * ones, 98 * ones, np.log([10.0, 20.0]), 9 * ones, 9 * ones, 4 * ones, 100.0)
    found = known([100, 100], [2, 2], beliefs=hurdle, is_money=True)
    told = leaders.sentence(found, {}, MONEY)
    assert found.average is None
    assert "“b” leads with" in told
    assert " INR" in told
    assert "%" not in told


def test_beliefs_of_a_few_items_are_those_of_all_at_their_places() -> None:
    whole = Gamma(("a", "b", "c"), np.array([1.0, 2.0, 3.0]), np.array([10.0, 20.0, 40.0]))
    part = taken(whole, [2, 0])
    assert part.items == ("c", "a")
    assert part.interval()[1].tolist() == whole.interval()[1][[2, 0]].tolist()


def test_exposure_between_two_posteriors_is_what_was_gained() -> None:
    before = known([10.0] * 9, [0.0] * 9)
    after = known([10.0 + i for i in range(9)], [0.0] * 9, at=before.at + timedelta(hours=1))
    picture = exposure.section([before, after], {}).pictures[1]
    assert sum(row["impressions"] for row in picture.rows) == sum(range(9))
    assert picture.rows[-1]["item"] == exposure.OTHERS
    assert picture.rows[-1]["impressions"] == 7 + 8  # never clicked: those shown most come last


def test_before_the_first_impression_there_is_no_exposure() -> None:
    assert exposure.section([known([0, 0], [0, 0])], {}).is_missing


def test_the_chance_of_an_hour_is_that_of_any_of_its_pages() -> None:
    page = np.array([0.5, 0.1, 0.0])
    found = chances.Chances(("a", "b", "c"), np.array([0.7, 0.3, 0.0]), page, 10.0, 1024)
    assert found.hour is not None
    simulated = (np.random.default_rng(3).random((200_000, 10, 3)) < page).any(axis=1).mean(axis=0)
    assert np.abs(found.hour - simulated).max() < 4 * np.sqrt(0.25 / 200_000)
    told = chances.section(found, {"a": "Linen dress"}, Choice())
    assert "“Linen dress” is the best item with 70 %" in told.sentence
    assert [p.key for p in told.pictures] == ["best", "next-hour"]


def test_without_traffic_nothing_is_said_of_the_next_hour() -> None:
    assert chances.an_hour(0.0, 2) is None
    assert chances.an_hour(480.0, 2) == 10.0
    found = chances.Chances(("a",), np.ones(1), np.ones(1), None, 8)
    assert [p.key for p in chances.section(found, {}, Choice()).pictures] == ["best"]
    assert chances.section(None, {}, Choice()).is_missing


def test_an_item_tells_its_rank_and_how_its_belief_moved() -> None:
    history = [
        known([10, 10], [0, 1]),
        known([100, 100], [1, 9]),
    ]
    found = item.section(history, "i0", {}, CLICKS, None)
    assert "number 2 of 2; shown 100 times" in found.sentence
    assert [row["mean"] for row in found.pictures[0].rows] == pytest.approx([2 / 151, 1 / 61])
    assert item.section(history, "i9", {}, CLICKS, None).is_missing


def test_what_a_posterior_stands_on_is_told_with_its_data() -> None:
    told: dict[str, Any] = {
        "priors": [
            {"level": "scenario", "name": "", "items": 9, "trials": 900.0, "rate": 0.03, "mean": 0.03, "strength": 0.0},
            {
                "level": "category",
                "name": "dress",
                "items": 1,
                "trials": 0.0,
                "rate": {"withheld": "no data yet"},
                "mean": 0.03,
                "strength": 100.0,
            },
        ],
        "positions": {"1": {"value": 1.0, "se": 0.0, "n": 500.0}, "8": {"value": 0.4, "se": 0.05, "n": 90.0}},
        "delays": {"n": 60.0, "arrived": [{"days": 1, "share": 0.4}, {"days": 2, "share": 0.8}]},
        "budgets": [{"name": "item_cap", "sentence": "3 items are full.", "binds": True}],
    }
    assert (
        "click rate 3 %, by 900 impressions of 9 items; 1 category or merchant"
        in standing.priors(told, CLICKS).sentence
    )
    nobody = {**told["priors"][1], "level": "merchant", "name": " (dress)"}
    rows = standing.priors({**told, "priors": [*told["priors"], nobody]}, CLICKS).tables[0].rows
    assert [line.cells[0].text for line in rows] == ["the scenario", "dress", "no merchant (dress)"]
    assert "slot 8 counts 40 %" in standing.slots(told, [8]).sentence
    assert [row["slot"] for row in standing.slots(told, [8]).pictures[0].rows] == [1, 8]
    assert "half had come within 2 days" in standing.delays(told).sentence
    assert standing.budgets(told).sentence.startswith("Item cap binds.")


@pytest.mark.parametrize(
    ("told", "sentence"),
    [
        ({}, "from the next learning step on"),
        ({"positions": {}, "delays": {}}, "The plan"),
        ({"positions": {"withheld": "no data yet"}, "delays": {"withheld": "no data yet"}}, "no data yet"),
    ],
)
def test_what_is_not_known_is_said_with_its_reason(told: dict[str, Any], sentence: str) -> None:
    assert sentence in standing.slots(told, [1]).missing
    assert sentence in standing.delays(told).missing


def test_an_address_keeps_what_makes_sense() -> None:
    assert Choice.of({"segment": "IN", "item": " sku-1 "}, ["IN"]) == Choice("IN", "sku-1")
    assert Choice.of({"segment": "XX", "item": "a\0b"}, ["IN"]) == Choice("", "ab")
    assert Choice("IN").of_item("a b&c") == "?segment=IN&item=a+b%26c#item"
