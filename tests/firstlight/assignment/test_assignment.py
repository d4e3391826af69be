"""The hash and the rule against GrowthBook's own SDK, and against what randomisation promises."""

import random

import numpy as np
import pytest
from scipy import stats

from firstlight.assignment.hashing import BUCKETS, bucket
from firstlight.assignment.index import Index, assign
from firstlight.assignment.rules import Arm, Filter, Range, Rule, layer_seed, ranges, seed

# The variation of u-0, u-1, … u-199 as the PyPI package growthbook 4.0.0 evaluates the same rules ("-" is out).
SDK = {
    "plain": "0001010110000001111010111111000000010010010111011111010101111101001101110111010001100100111100101001"
    "1110001010010110010111110101110111010010101101011111001011010111001000111000111110010010110001011010",
    "thirds": "0000120000-2101-1002-022-010101-01211-12-12-00-00121--0-022211001-112----221--0----221100-12011--0--"
    "-2102-001-0001-1-110---0-11-00-200--21--02--00212-1-01----1110101-0010-101100-10-21---2-100-00--0100",
    "layered": "-----1----100------1-11---0-111--10---0--1-1-1---0011-11---11-1---10--1--1------0-1111---1-----1-1--"
    "1-------111---011-1110-111-0-111------10--1----1-0---11---1-1--0--1--11---1-----11-1----1--0-1--1-1-",
}


def rule(key: str = "plain", weights: tuple[float, ...] = (0.5, 0.5), coverage: float = 1.0, **changes: object) -> Rule:
    values = {
        "key": key,
        "phase": 1,
        "seed": key,
        "unit": "user_id",
        "arms": tuple(Arm(str(i), weight) for i, weight in enumerate(weights)),
        "coverage": coverage,
        "ranges": ranges(weights, coverage),
        "scenarios": ("home",),
    }
    return Rule(**(values | changes))  # type: ignore[arg-type]


RULES = {
    "plain": rule(),
    "thirds": rule("thirds", (0.3333, 0.3333, 0.3334), 0.7, seed=seed("thirds", 2)),
    "layered": rule("layered", (0.2, 0.8), 0.9, layer=Filter(layer_seed("ranking"), 2500, 7500)),
}


@pytest.mark.parametrize("key", SDK)
def test_every_unit_gets_the_arm_that_the_sdk_gives(key: str) -> None:
    arms = [assign(RULES[key], {"user_id": f"u-{i}"}) for i in range(200)]
    assert "".join(arm.key if arm else "-" for arm in arms) == SDK[key]


@pytest.mark.parametrize(
    ("weights", "coverage", "expected"),
    [  # GrowthBook's getBucketRanges
        ((0.3333, 0.3333, 0.3334), 0.7, [(0, 0.23330999999999996), (0.3333, 0.56661), (0.6666, 0.89998)]),
        ((0.5, 0.5), 0.1, [(0, 0.05), (0.5, 0.55)]),
        (
            (0.4, 0.3, 0.2, 0.1),
            1,
            [(0, 0.4), (0.4, 0.7), (0.7, 0.8999999999999999), (0.8999999999999999, 0.9999999999999999)],
        ),
        ((0.4, 0.1), 1, [(0, 0.5), (0.5, 1.0)]),
        ((0.2, 0.3, 0.5), 2, [(0, 0.2), (0.2, 0.5), (0.5, 1.0)]),
        ((0.5, 0.5), -1, [(0, 0.0), (0.5, 0.5)]),
    ],
)
def test_ranges_are_those_of_the_sdk_to_the_last_bit(
    weights: tuple[float, ...], coverage: float, expected: list[Range]
) -> None:
    assert list(ranges(weights, coverage)) == expected


def test_the_table_is_the_comparison_of_floats_for_every_bucket() -> None:
    """The published rule: the first arm with start <= n < end, n = bucket / 10,000."""
    rng = np.random.default_rng(7)
    for _ in range(40):
        cut = np.sort(rng.random(3))
        spans = tuple((float(a), float(b)) for a, b in zip([0.0, *cut], [*cut, 1.0], strict=True))
        index = Index.of([rule(weights=(0.25,) * 4, ranges=spans)])
        table = index.free[0].table
        points = [b / BUCKETS for b in range(BUCKETS)]
        assert list(table) == [next(i for i, (low, high) in enumerate(spans) if low <= n < high) for n in points]


def test_on_the_edge_of_a_bucket_the_start_is_in_and_the_end_is_out() -> None:
    table = Index.of([rule(ranges=((0.1, 0.2), (0.2, 0.3)))]).free[0].table
    assert (table[999], table[1000], table[1999], table[2000], table[2999], table[3000]) == (255, 0, 0, 1, 1, 255)


def test_where_ranges_overlap_the_first_arm_has_it() -> None:
    table = Index.of([rule(ranges=((0.0, 0.5), (0.3, 0.8)))]).free[0].table
    assert (table[2999], table[4999], table[5000], table[8000]) == (0, 0, 1, 255)


def test_arms_get_the_shares_that_were_planned() -> None:
    weights, n = (0.5, 0.3, 0.2), 100_000
    index = Index.of([rule("shares", weights)])
    met = [index.assign({"user_id": f"customer{i}"})[0][1].key for i in range(n)]
    counts = [met.count(str(i)) for i in range(3)]
    assert stats.chisquare(counts, [n * w for w in weights]).pvalue > 1e-4


def test_experiments_of_different_layers_and_of_none_are_independent() -> None:
    halves = [Filter(layer_seed("a"), 0, 10_000), Filter(layer_seed("b"), 0, 10_000), None, None]
    index = Index.of([rule(f"exp{i}", layer=layer) for i, layer in enumerate(halves)])
    arms = np.array([[int(arm.key) for _, arm in index.assign({"user_id": str(i)})] for i in range(40_000)])
    for i in range(4):
        for j in range(i):
            table = np.histogram2d(arms[:, i], arms[:, j], bins=2)[0]
            assert stats.chi2_contingency(table).pvalue > 1e-4, (i, j)


def test_a_layer_named_like_its_experiment_does_not_tie_arm_to_bucket() -> None:
    index = Index.of([rule("home", layer=Filter(layer_seed("home"), 0, 5_000))])
    arms = [arm.key for i in range(20_000) for _, arm in index.assign({"user_id": str(i)})]
    assert stats.binomtest(arms.count("1"), len(arms)).pvalue > 1e-4


def test_experiments_of_one_layer_share_the_units_out() -> None:
    layer = layer_seed("ranking")
    index = Index.of([rule(f"exp{i}", layer=Filter(layer, 2500 * i, 2500 * (i + 1))) for i in range(4)])
    met = [index.assign({"user_id": str(i)}) for i in range(20_000)]
    assert all(len(each) == 1 for each in met)
    counts = [sum(each[0][0].key == f"exp{i}" for each in met) for i in range(4)]
    assert stats.chisquare(counts).pvalue > 1e-4


def test_the_end_of_its_buckets_is_not_its_own() -> None:
    point = bucket(layer_seed("ranking"), "u-1")
    for first, end, taken in ((point, point + 1, True), (0, point, False), (point + 1, BUCKETS, False)):
        held = rule(layer=Filter(layer_seed("ranking"), first, end))
        assert (assign(held, {"user_id": "u-1"}) is not None) == taken


def test_a_new_phase_shuffles_the_units_anew() -> None:
    old, new = Index.of([rule("exp")]), Index.of([rule("exp", seed=seed("exp", 2))])
    same = sum(old.assign(u)[0][1] == new.assign(u)[0][1] for u in ({"user_id": str(i)} for i in range(10_000)))
    assert stats.binomtest(same, 10_000).pvalue > 1e-4


def test_raising_the_coverage_moves_nobody_between_arms() -> None:
    some, more = Index.of([rule(coverage=0.2)]), Index.of([rule(coverage=0.6)])
    for i in range(5_000):
        unit = {"user_id": str(i)}
        if met := some.assign(unit):
            assert more.assign(unit)[0][1] == met[0][1]


def test_a_unit_without_the_id_that_is_hashed_is_left_out() -> None:
    assert assign(rule(), {"device_id": "d-1"}) is None
    assert assign(rule(), {"user_id": ""}) is None
    assert assign(rule(layer=Filter("__l", 0, 10_000)), {"device_id": "d-1"}) is None


def test_assignments_come_by_key_of_the_experiment_whatever_their_order_was() -> None:
    rules = [rule(f"exp{i}", layer=Filter(layer_seed(f"l{i}"), 0, 10_000) if i % 2 else None) for i in range(10)]
    shuffled = random.Random(3).sample(rules, len(rules))
    assert Index.of(shuffled).assign({"user_id": "u"}) == Index.of(rules).assign({"user_id": "u"})
    assert [found.key for found, _ in Index.of(shuffled).assign({"user_id": "u"})] == [f"exp{i}" for i in range(10)]


def test_ids_beyond_ascii_hash_by_utf_16_code_units() -> None:
    assert bucket("größe", "ü-1") == 6153  # growthbook 4.0.0
