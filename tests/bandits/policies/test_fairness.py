"""How evenly impressions are spread, against known figures, the definition, and SciPy."""

from math import log

import numpy as np
import pytest
from scipy.stats import entropy

from bandits.policies.fairness import Got, Spread, by_merchant, floors_met, gini, spread, top_share
from firstlight.kernel.withheld import Reason, Withheld

# Impressions of the 80 items of “all” in the Open Bandit logs (obp 0.5.7), 10,000 by each policy.
RANDOM = """
122 160 131 126 121 98 131 146 139 126 140 120 114 129 127 137 111 123 119 128 132 134 96 124 127
131 111 110 126 126 105 130 126 144 135 110 122 136 122 100 132 136 115 126 136 134 154 116 115 114
136 113 136 105 157 126 137 149 112 113 113 104 129 114 133 121 125 103 129 125 124 126 133 124 111
127 122 108 134 138
"""
THOMPSON = """
125 31 17 46 17 22 14 741 48 18 9 77 17 12 56 51 21 27 244 34 11 14 74 17 26 16 30 16 154 15 51 40
49 17 202 358 22 37 113 756 13 322 42 124 26 166 56 282 68 408 43 1105 121 31 4 46 9 35 323 651 211
704 101 473 26 37 47 17 27 109 17 24 14 57 13 16 30 15 185 357
"""


@pytest.mark.parametrize(
    ("counts", "expected", "within"),
    [
        ([1, 2, 3, 4], 0.25, 1e-15),
        ([0, 0, 0, 1], 0.75, 1e-15),
        ([7, 7, 7], 0.0, 1e-15),
        ([int(n) for n in RANDOM.split()], 0.0576, 5e-5),
        ([int(n) for n in THOMPSON.split()], 0.6678, 5e-5),
    ],
)
def test_gini_is_the_known_figure(counts: list[int], expected: float, within: float) -> None:
    assert gini(np.array(counts, dtype=float)) == pytest.approx(expected, abs=within)


def test_gini_is_the_mean_difference_of_all_pairs_over_twice_the_mean() -> None:
    x = np.random.default_rng(1).gamma(0.5, size=200)
    pairs = np.abs(x[:, None] - x[None, :]).mean()
    assert gini(x) == pytest.approx(pairs / (2 * x.mean()), rel=1e-12)


def test_entropy_is_scipys_and_evenness_is_one_when_all_have_alike() -> None:
    x = np.random.default_rng(2).integers(0, 50, 30).astype(float)
    found, even = spread(x), spread(np.full(8, 3.0))
    assert isinstance(found, Spread) and isinstance(even, Spread)
    assert found.entropy == pytest.approx(entropy(x), rel=1e-12)
    assert even.entropy == pytest.approx(log(8))
    assert even.evenness == pytest.approx(1.0)


def test_the_head_is_a_tenth_of_the_items_and_at_least_one() -> None:
    assert top_share(np.array([5.0, 3, 2])) == 0.5
    assert top_share(np.arange(20.0)) == pytest.approx((19 + 18) / 190)


def test_what_was_never_shown_counts() -> None:
    found = spread(np.array([4.0, 0, 0, 0]))
    assert isinstance(found, Spread)
    assert (found.n, found.n_shown, found.coverage, found.gini) == (4, 1, 0.25, 0.75)


def test_before_the_first_impression_there_is_nothing_to_tell() -> None:
    assert spread(np.zeros(3)) == Withheld(Reason.NO_DATA)
    assert by_merchant({}, {"a": "m"}, floor=0.1, cap=1) == Withheld(Reason.NO_DATA)


def test_merchants_share_the_floor_alike_and_are_told_whether_they_got_it() -> None:
    shown = {"a": 60.0, "b": 35.0, "c": 5.0}
    merchants = {"a": "one", "b": "two", "c": "three", "d": "two"}
    found = by_merchant(shown, merchants, floor=0.3, cap=0.5)
    assert isinstance(found, list)
    assert [(row.merchant, row.n_items, row.share) for row in found] == [
        ("one", 1, 0.6),
        ("two", 2, 0.35),
        ("three", 1, 0.05),
    ]
    assert [row.is_floor_met for row in found] == [True, True, False]
    assert [row.is_cap_kept for row in found] == [False, True, True]
    assert floors_met(found) == 2


def test_a_share_that_is_just_the_floor_meets_it() -> None:
    assert Got("m", 1, 1.0, 0.25, 0.25, 1.0).is_floor_met
