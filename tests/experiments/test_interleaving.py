"""Two rankers in one list: fair by count, by coin and by name."""

from collections import Counter
from math import sqrt

import pytest

from experiments.interleaving import draft
from firstlight.assignment.answers import draft_seed

FIRST = [f"a{i}" for i in range(20)]
SECOND = [f"b{i}" for i in range(20)]


@pytest.mark.parametrize("slots", [1, 2, 7, 20])
def test_the_teams_differ_by_one_at_most_and_keep_their_own_order(slots: int) -> None:
    for i in range(200):
        drafted = draft(FIRST, SECOND, slots, f"s{i}")
        assert len(drafted) == slots
        teams = Counter(team for _, team in drafted)
        assert abs(teams[0] - teams[1]) <= 1
        for team, ranked in enumerate((FIRST, SECOND)):
            picked = [item for item, by in drafted if by == team]
            assert picked == ranked[: len(picked)]


def test_nothing_is_shown_twice_and_equal_rankers_share_each_item_evenly() -> None:
    n = 4_000
    drafts = [draft(FIRST, FIRST, 6, draft_seed("ranker", f"t-{i}")) for i in range(n)]
    assert all([item for item, _ in one] == FIRST[:6] for one in drafts)
    for place in range(6):
        share = sum(one[place][1] for one in drafts) / n
        assert abs(share - 0.5) < 4 * sqrt(0.25 / n)


def test_swapping_the_rankers_under_the_other_coin_swaps_the_teams() -> None:
    """Of all seeds, as many begin with the one as with the other, so the swapped drafts have the same law."""
    n = 4_000
    ours = Counter(draft(FIRST, SECOND, 2, f"s{i}")[0][1] for i in range(n))
    swapped = Counter(1 - draft(SECOND, FIRST, 2, f"r{i}")[0][1] for i in range(n))
    assert abs(ours[0] - swapped[0]) < 4 * sqrt(n / 2)


def test_when_one_has_no_more_the_other_goes_on_alone() -> None:
    assert {item for item, _ in draft(["a"], ["a", "b", "c"], 10, "s")} == {"a", "b", "c"}
    assert draft([], [], 3, "s") == []


def test_the_same_request_is_drafted_the_same_way_again() -> None:
    assert draft(FIRST, SECOND, 10, draft_seed("x", "t-1")) == draft(FIRST, SECOND, 10, draft_seed("x", "t-1"))
    assert len({tuple(draft(FIRST, SECOND, 10, draft_seed("x", f"t-{i}"))) for i in range(50)}) > 20
