"""Where items stand is summed off the ledger: all that was shown, what was ours, and what is known of it."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pyarrow as pa
import pytest

from bandits import standing
from bandits.policies.positions import Examined
from firstlight.kernel.withheld import Reason, Withheld
from tests.bandits.ledger_rows import Cell, counts

NOON = datetime(2026, 11, 10, 12, tzinfo=UTC)
AT = NOON + timedelta(days=3)


def view(**changes: Any) -> standing.View:
    given: dict[str, Any] = {
        "campaign": "new",
        "mix": {"clicks": 1.0},
        "rewarded": "",
        "attribution": timedelta(hours=24),
        "examined": Withheld(Reason.NO_DATA),
        "at": AT,
    }
    return standing.View(**{**given, **changes})


def rows(table: pa.Table) -> dict[str, dict[str, Any]]:
    return {row.pop("item_id"): row for row in table.to_pylist()}


CELLS = [
    Cell("b", NOON, 100, 4),
    Cell("b", NOON + timedelta(hours=5), 50, 1, campaign="new"),
    Cell("b", AT - timedelta(hours=3), 30, 2, campaign="new"),
    Cell("a", NOON + timedelta(hours=1), 10, 1, campaign="other"),
]


def test_impressions_count_whoever_showed_them_and_ours_apart() -> None:
    found = rows(standing.by_item(standing.cells(counts(CELLS), view())))
    assert list(found) == ["a", "b"]
    assert (found["b"]["impressions"], found["b"]["ours"], found["b"]["spent"]) == (180, 80, 50)
    assert found["b"]["first_at"] == NOON.replace(tzinfo=None)
    assert found["b"]["first_ours_at"] == (NOON + timedelta(hours=5)).replace(tzinfo=None)
    assert (found["a"]["ours"], found["a"]["first_ours_at"]) == (0, None)


@pytest.mark.parametrize(("age", "is_known"), [(24, False), (25, True)])
def test_an_impression_is_known_once_the_whole_hour_is_past_its_attribution(age: int, is_known: bool) -> None:
    found = standing.cells(counts([Cell("a", AT - timedelta(hours=age), 1)]), view())
    assert found["known"].to_pylist() == [is_known]


def test_only_what_is_known_was_earned_and_organic_is_nobodys() -> None:
    found = standing.cells(counts(CELLS), view())
    everything, organic = rows(standing.earned(found)), rows(standing.earned(found, found["organic"]))
    assert (everything["b"]["impressions"], everything["b"]["successes"]) == (150, 5)
    assert organic == {"b": {"impressions": 100.0, "examined": 100.0, "successes": 4.0, "worth": 4.0}}


def test_an_impression_in_a_slot_that_few_look_at_is_part_of_one() -> None:
    kappas = standing.examined(
        {"positions": {"1": {"value": 1, "se": 0, "n": 9}, "3": {"value": 0.4, "se": 0.1, "n": 9}}}
    )
    assert kappas == {1: Examined(1, 0, 9), 3: Examined(0.4, 0.1, 9)}
    found = standing.cells(counts([Cell("a", NOON, 10, position=3), Cell("a", NOON, 10)]), view(examined=kappas))
    assert found["examined"].to_pylist() == pytest.approx([4, 10])
    assert isinstance(standing.examined({"positions": {"withheld": "no data yet"}}), Withheld)
    assert isinstance(standing.examined({}), Withheld)


@pytest.mark.parametrize(
    ("mix", "rewarded", "successes", "worth"),
    [
        ({"orders": 1.0}, "", 4, 4),
        ({"net": 1.0}, "valued", 4, 90),
        ({"clicks": 0.5, "orders": 0.3, "share": 0.2}, "", 4 * 0.8 + 2 * 0.2, 4 * 0.8 + 2 * 0.2),
    ],
)
def test_the_reward_of_the_campaign_is_what_is_summed(
    mix: dict[str, float], rewarded: str, successes: float, worth: float
) -> None:
    found = standing.cells(counts([Cell("a", NOON, 100, 4, net=90)]), view(mix=mix, rewarded=rewarded))
    assert found["successes"].to_pylist() == pytest.approx([successes])
    assert found["worth"].to_pylist() == pytest.approx([worth])


def test_impressions_since_a_moment_are_those_of_the_whole_hours_after_it() -> None:
    found = standing.cells(counts(CELLS), view())
    moments = {"b": NOON + timedelta(minutes=1), "a": NOON, "gone": NOON}
    assert standing.since(found, moments) == {"b": 80.0, "a": 10.0, "gone": 0.0}


def test_an_empty_ledger_is_no_items() -> None:
    found = standing.cells(counts([]), view())
    assert standing.by_item(found).num_rows == standing.earned(found, found["organic"]).num_rows == 0
    assert standing.since(found, {}) == {}
