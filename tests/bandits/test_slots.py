"""What is logged as a propensity is how often it happens: under caps, filters, the floor, and all of them."""

import itertools
from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bandits import slots
from bandits.policies import draws
from bandits.policies.beliefs import Beta
from bandits.policies.policy import UNIFORM, Kind, Policy, Vector
from bandits.slots import Filter, Table

PLAIN = Policy()


def table(
    n: int = 12,
    *,
    n_rows: int = 64,
    depth: int = 12,
    floor: float = 0.2,
    cap: int | None = None,
    seed: int = 3,
    policy: Policy = PLAIN,
    pace: Vector | None = None,
) -> Table:
    rng = np.random.default_rng(seed)
    a, b = rng.uniform(1, 6, n), rng.uniform(20, 80, n)
    items = tuple(f"sku-{i}" for i in range(n))
    return Table(
        campaign="new-arrivals",
        number=55,
        seed=seed,
        items=items,
        merchants=tuple("" if i % 5 == 4 else f"m-{i % 3}" for i in range(n)),
        categories=tuple(("dress", "shoe")[i % 2] for i in range(n)),
        beliefs=Beta(items, a, b),
        rows=draws.table(policy, Beta(items, a, b), pace, draws.generators(seed, n_rows), depth),
        policy=policy,
        pace=pace,
        floor=floor,
        merchant_cap=cap,
    )


DRESSES = Filter({"category": frozenset({"dress"})}, frozenset({"sku-2"}))
SETTINGS = list(itertools.product([None, DRESSES], [None, 1], [0.0, 0.3], [12, 3]))


@pytest.mark.parametrize(("limits", "cap", "floor", "depth"), SETTINGS)
def test_propensities_of_every_slot_sum_to_one(
    limits: Filter | None, cap: int | None, floor: float, depth: int
) -> None:
    found = slots.propensities(table(cap=cap, floor=floor, depth=depth), 3, limits)
    assert found.shape == (3, 12)
    assert found.sum(axis=1) == pytest.approx(np.ones(3), abs=1e-12)
    assert (found >= 0).all()


@pytest.mark.slow
@pytest.mark.parametrize(("limits", "cap", "floor", "depth"), SETTINGS)
def test_items_are_shown_as_often_as_the_logged_propensity_says(
    limits: Filter | None, cap: int | None, floor: float, depth: int
) -> None:
    """60,000 served decisions: every item and slot within 4.5 standard errors.

    16 settings x 36 cells: passed by chance once in 250 runs of all; traces are fixed, so it passes or it does not.
    """
    here, n = table(cap=cap, floor=floor, depth=depth), 60_000
    told = slots.propensities(here, 3, limits)
    shown = np.zeros_like(told)
    for trace in range(n):
        _, picks = slots.choose(here, f"t-{trace}", 3, limits)
        shown[range(3), [pick.item for pick in picks]] += 1
    error = np.sqrt(told * (1 - told) / n)
    assert (np.abs(shown / n - told) <= 4.5 * error + 1e-12).all()


def enumerated(here: Table, k: int, limits: Filter | None) -> list[list[Fraction]]:
    """The same chances the long way: every row, every slot that the floor may take, every item it may put there."""
    limits = limits or Filter()
    allowed = slots.mask(here, limits)
    floor, cap = Fraction(here.floor).limit_denominator(1000), here.merchant_cap
    chances = [[Fraction(0)] * len(here.items) for _ in range(k)]

    def fits(item: int, rest: list[int]) -> bool:
        crowd = sum(here.merchants[i] == here.merchants[item] != "" for i in rest)
        return bool(allowed[item]) and item not in rest and (cap is None or crowd < cap)

    for s in range(here.n_rows):
        slate: list[int] = []
        for item in draws.ranking(Policy(), here.beliefs, None, draws.generator(here.seed, s)).tolist():
            if len(slate) < k and fits(item, slate):
                slate.append(item)
        for slot, item in enumerate(slate):
            chances[slot][item] += (1 - floor / len(slate)) / here.n_rows
            rest = slate[:slot] + slate[slot + 1 :]
            free = [i for i in range(len(here.items)) if fits(i, rest)]
            for other in free:
                chances[slot][other] += floor / len(slate) / len(free) / here.n_rows
    return chances


@pytest.mark.parametrize(("limits", "cap", "floor", "depth"), SETTINGS)
def test_propensities_are_those_of_an_enumeration_in_fractions(
    limits: Filter | None, cap: int | None, floor: float, depth: int
) -> None:
    here = table(cap=cap, floor=floor, depth=depth)
    told = slots.propensities(here, 3, limits)
    assert told == pytest.approx(np.array(enumerated(here, 3, limits), float), abs=1e-12)


def test_one_slot_has_the_floor_of_the_textbook() -> None:
    here = table(floor=0.1)
    counts = np.bincount(here.rows[:, 0], minlength=12) / here.n_rows
    assert slots.propensities(here, 1)[0] == pytest.approx(0.9 * counts + 0.1 / 12, abs=1e-12)


def test_every_item_keeps_a_chance_and_without_the_floor_some_have_none() -> None:
    assert (slots.propensities(table(40, depth=40, floor=0.05), 3) > 0).all()
    assert (slots.propensities(table(40, depth=40, floor=0.0), 3) == 0).any()


def shown(here: Table, k: int, limits: Filter | None, n: int) -> np.ndarray:
    """How often each item stood in each slot over `n` traces, shape (k, items)."""
    counts = np.zeros((k, len(here.items)))
    places = range(k)
    for trace in range(n):
        counts[places, [pick.item for pick in slots.choose(here, f"t-{trace}", k, limits)[1]]] += 1
    return counts


def test_decisions_under_filter_cap_and_floor_are_as_frequent_as_their_propensities() -> None:
    """200,000 served decisions (a million in bench.campaigns): 5 slots of 200 items, 80 allowed, short rows among them.

    400 comparisons, each within 4 standard errors: of a right implementation one set of traces in 40 would fail, but
    these traces are always the same.
    """
    here, n = table(200, n_rows=1024, depth=24, floor=0.2, cap=1), 200_000
    here = replace(here, merchants=tuple("" if i % 10 == 9 else f"m-{i % 7}" for i in range(200)))
    limits = Filter({"category": frozenset({"dress"})}, frozenset(f"sku-{i}" for i in range(0, 40, 2)))
    told = slots.propensities(here, 5, limits)
    error = np.sqrt(told * (1 - told) / n)
    assert int((told > 0).sum()) == 5 * 80
    assert (np.abs(shown(here, 5, limits, n) / n - told) <= 4 * error).all()


@given(
    n=st.integers(1, 60),
    k=st.integers(1, 8),
    depth=st.integers(1, 60),
    cap=st.none() | st.integers(1, 4),
    floor=st.floats(0, 1),
    kind=st.sampled_from(["thompson", "top_two", "epsilon_greedy", "uniform", "greedy"]),
    out=st.sets(st.integers(0, 59)),
    closed=st.sets(st.integers(0, 59)),
)
@settings(deadline=None, max_examples=150)
def test_propensities_sum_to_one_under_any_policy_filter_cap_floor_and_pace(
    n: int,
    k: int,
    depth: int,
    cap: int | None,
    floor: float,
    kind: Kind,
    out: set[int],
    closed: set[int],
) -> None:
    pace = np.where(np.isin(np.arange(n), list(closed)), -np.inf, 0.01)
    here = table(n, n_rows=16, depth=depth, cap=cap, floor=floor, policy=Policy(kind), pace=pace)
    limits = Filter({}, frozenset(f"sku-{i}" for i in out))
    for asked in (limits, None):
        told = slots.propensities(here, k, asked)
        assert (told >= 0).all()
        assert told.sum(axis=1) == pytest.approx(np.ones(len(told)), abs=1e-12)
        assert not told[:, np.isneginf(pace)].any()
        for trace in range(20):
            picks = slots.choose(here, str(trace), k, asked)[1]
            assert len(picks) == len(told)
            assert all(told[slot, pick.item] > 0 for slot, pick in enumerate(picks))
            assert all(p.propensity in (None, told[slot, p.item]) for slot, p in enumerate(picks))


@pytest.mark.parametrize("limits", [None, DRESSES])
def test_a_uniform_table_shows_every_item_exactly_alike(limits: Filter | None) -> None:
    """64 rows of 40 items: counted off the rows alone, no two items would be alike. 60,000 decisions, 4 SE each."""
    here, n = table(40, depth=5, floor=0.3, policy=UNIFORM), 60_000
    allowed = slots.mask(here, limits)
    told = slots.propensities(here, 3, limits)
    assert (told == allowed / allowed.sum()).all()
    seen = shown(here, 3, limits, n) / n
    assert (np.abs(seen - told) <= 4 * np.sqrt(told * (1 - told) / n)).all()


def test_a_uniform_slate_has_no_item_twice_and_tells_its_propensity_at_once() -> None:
    here = table(40, depth=5, floor=0.3, policy=UNIFORM)
    for trace in map(str, range(500)):
        picks = slots.choose(here, trace, 5, DRESSES)[1]
        assert len({pick.item for pick in picks}) == 5
        assert {pick.propensity for pick in picks} == {1 / 19}


@given(
    trace=st.text(max_size=50),
    k=st.integers(1, 6),
    depth=st.integers(1, 12),
    cap=st.none() | st.integers(1, 3),
    floor=st.sampled_from([0.0, 0.5, 1.0]),
    categories=st.none() | st.sets(st.sampled_from(["dress", "shoe", "hat"])),
    excluded=st.sets(st.sampled_from([f"sku-{i}" for i in range(14)])),
)
@settings(deadline=None, max_examples=200)
def test_a_slate_keeps_to_every_rule_and_is_the_same_again(
    trace: str,
    k: int,
    depth: int,
    cap: int | None,
    floor: float,
    categories: set[str] | None,
    excluded: set[str],
) -> None:
    here = table(depth=depth, cap=cap, floor=floor)
    limits = Filter({} if categories is None else {"category": frozenset(categories)}, frozenset(excluded))
    row, picks = slots.choose(here, trace, k, limits)
    items = [pick.item for pick in picks]
    assert (row, picks) == slots.choose(replace(here), trace, k, limits)
    assert slots.replay(here, trace, k, limits, row=row, items=[here.items[i] for i in items])
    assert len(set(items)) == len(items) <= k
    assert all(here.items[i] not in excluded for i in items)
    assert categories is None or all(here.categories[i] in categories for i in items)
    merchants = [here.merchants[i] for i in items if here.merchants[i]]
    assert cap is None or all(merchants.count(m) <= cap for m in merchants)
    free = [i for i in np.flatnonzero(slots.mask(here, limits)) if i not in items]
    open_merchant = [
        i for i in free if cap is None or merchants.count(here.merchants[i]) < cap or not here.merchants[i]
    ]
    assert len(items) == k or not open_merchant, "a slot stays empty only when nothing fits"
    told = slots.propensities(here, k, limits)
    assert all(told[slot, item] > 0 for slot, item in enumerate(items))


def test_a_short_row_is_continued_as_it_was_drawn() -> None:
    """So a stored beginning of rankings chooses as the whole rankings would."""
    whole, short = table(40, depth=40), table(40, depth=4)
    for trace in map(str, range(300)):
        one, other = (slots.choose(here, trace, 5, DRESSES)[1] for here in (whole, short))
        assert [pick.item for pick in one] == [pick.item for pick in other]
    assert {p.source for t in range(300) for p in slots.choose(short, str(t), 5, DRESSES)[1]} >= {"fresh", "floor"}


def test_rows_do_not_go_together_with_the_arms_of_an_experiment() -> None:
    """Chi-square of row halves against hash halves over 20,000 traces; under independence above 15.1 once in 10,000."""
    from firstlight.assignment.hashing import bucket

    cells = np.zeros((2, 2))
    for trace in map(str, range(20_000)):
        cells[slots.coins("new-arrivals", 55, trace)[0] >> 63, bucket("exp", trace) // 5_000] += 1
    expected = cells.sum(1, keepdims=True) * cells.sum(0, keepdims=True) / cells.sum()
    assert ((cells - expected) ** 2 / expected).sum() < 15.1


def test_an_attribute_nobody_has_lets_nothing_through() -> None:
    assert slots.choose(table(), "t", 3, Filter({"colour": frozenset({"red"})}))[1] == []
