"""What items did after they left, against a recount by hand."""

from datetime import timedelta

import pytest

from bandits import judged
from bandits.models import Campaign, Outcome
from firstlight.stats.newcombe import Share
from firstlight.stats.proportions import clopper_pearson
from tests.bandits.ledger_rows import Cell
from tests.bandits.test_graduating import AT, Rows, campaign, decided, ledger, reverse

__all__ = ["campaign", "ledger"]  # fixtures

pytestmark = pytest.mark.django_db

DAY = timedelta(days=1)
LATER = AT + 20 * DAY


def left(campaign: Campaign, kind: str, n: int, bar: float = 0.03) -> list[Outcome]:
    rows = [
        Outcome(
            campaign=campaign,
            item=f"{kind}-{i}",
            kind=kind,
            decided_at=AT,
            evidence={"bar": bar, "age_hours": 24 * (i + 1), "impressions": 100 * (i + 1)},
        )
        for i in range(n)
    ]
    return Outcome.objects.bulk_create(rows)


def test_nothing_is_told_before_anything_was_decided(campaign: Campaign) -> None:
    found = judged.judge(campaign, at=AT)
    assert found["precision"] == {"withheld": "fewer than five decisions can be judged yet"}
    assert found["hours"] == {"withheld": "no data yet"}
    assert (found["graduated"]["in_force"], found["taken_back"], found["items"]) == (0, 0, [])


def test_precision_and_recall_are_of_what_the_ordinary_pool_showed_since(campaign: Campaign, ledger: Rows) -> None:
    left(campaign, "graduated", 8), left(campaign, "retired", 8)
    for i in range(8):
        rate = 0.04 if i < 6 else 0.02
        ledger([Cell(f"graduated-{i}", AT + DAY, 10_000, 10_000 * rate)])
        ledger([Cell(f"retired-{i}", AT + DAY, 10_000, 10_000 * (0.05 if i == 0 else 0.01))])
        ledger([Cell(f"graduated-{i}", AT - DAY, 10_000, 0)])  # before: what the decision stood on
        ledger([Cell(f"graduated-{i}", AT + DAY, 10_000, 0, campaign="spring")])  # ours: nobody's choice but ours
        ledger([Cell(f"graduated-{i}", LATER - timedelta(hours=2), 10_000, 0)])  # not known yet
    found = judged.judge(campaign, at=LATER)
    expected = clopper_pearson(Share(8, 6), 0.95)
    assert found["precision"] == {"value": 0.75, "low": expected.low, "high": expected.high}
    assert found["recall"]["value"] == pytest.approx(6 / 7)
    assert found["graduated"] == {"in_force": 8, "confirmed": 6, "refuted": 2, "open": 0}
    assert found["retired"] == {"in_force": 8, "confirmed": 7, "refuted": 1, "open": 0}
    one = next(row for row in found["items"] if row["item"] == "retired-0")
    assert (one["verdict"], one["rate"]["value"], one["impressions"]) == ("refuted", 0.05, 10_000)


def test_survival_looks_only_at_the_days_it_names_and_at_who_was_seen_in_them(campaign: Campaign, ledger: Rows) -> None:
    rows = left(campaign, "graduated", 8)
    for i in range(7):  # the last is never seen
        ledger([Cell(f"graduated-{i}", AT + DAY, 10_000, 400)])
    ledger([Cell("graduated-0", AT + 10 * DAY, 100_000, 0)])  # falls in the second week
    reverse(rows[1], at=AT + 3 * DAY)
    by_days = {row["days"]: row for row in judged.judge(campaign, at=LATER)["survival"]}
    assert (by_days[7]["n"], by_days[7]["share"]["value"]) == (7, pytest.approx(6 / 7))
    assert (by_days[14]["n"], by_days[14]["share"]["value"]) == (7, pytest.approx(5 / 7))
    assert by_days[30] == {"days": 30, "n": 0, "share": {"withheld": "fewer than five decisions can be judged yet"}}


def test_time_and_impressions_to_graduation_are_those_of_the_evidence(campaign: Campaign, ledger: Rows) -> None:
    left(campaign, "graduated", 5)
    ledger([Cell(f"graduated-{i}", AT - DAY, 10, campaign="spring") for i in range(4)])
    found = judged.judge(campaign, at=LATER)
    assert found["graduation_rate"]["value"] == 4 / 8  # four of these were shown, and four others
    assert found["hours"] == {"n": 5, "median": 72, "low": 48, "high": 96}
    assert found["impressions"]["median"] == 300


def test_the_discoverable_corpus_is_what_was_rewarded_in_the_ordinary_pool_after_we_showed_it(
    campaign: Campaign, ledger: Rows
) -> None:
    ledger([Cell("good", AT, 100, 11), Cell("poor", AT, 100, 1), Cell("fair", AT - 9 * DAY, 100, 50)])
    ledger([Cell("never-ours", AT, 100, 90)])
    found = judged.judge(campaign, at=LATER)
    assert found["explored"] == 4
    assert found["graduation_rate"] == {"withheld": "fewer than five decisions can be judged yet"}
    assert found["corpus"] == [
        {"more_than": 0, "items": 2},
        {"more_than": 10, "items": 1},
        {"more_than": 100, "items": 0},
    ]


def test_of_an_item_that_was_decided_twice_the_latest_is_judged(campaign: Campaign, ledger: Rows) -> None:
    decided(campaign)
    first = Outcome.objects.get(item="good")
    reverse(first)
    Outcome.objects.create(
        campaign=campaign, item="good", kind="retired", decided_at=AT + DAY, evidence={"bar": 0.03, "impressions": 1}
    )
    ledger([Cell("good", AT + timedelta(hours=2), 10_000, 900), Cell("good", AT + 2 * DAY, 10_000, 10)])
    found = judged.judge(campaign, at=LATER)
    assert [row["verdict"] for row in found["items"] if row["item"] == "good"] == ["confirmed"]
    assert found["taken_back"] == 1
