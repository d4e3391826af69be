"""Chances of whole slates against every way in which a table can make them, one by one."""

from collections import defaultdict
from itertools import permutations

import numpy as np
import pytest

from bandits import prefixes, slates, slots
from bandits.policies.beliefs import Beta
from bandits.policies.policy import Policy
from bandits.served import Filter, Table

N_ITEMS, K = 6, 3
ALL = np.array(list(permutations(range(N_ITEMS), K)))


def table(rng: np.random.Generator, *, floor: float, cap: int | None, kind: str = "thompson") -> Table:
    items = tuple(f"i{n}" for n in range(N_ITEMS))
    return Table(
        campaign="c",
        number=1,
        seed=1,
        items=items,
        merchants=("m", "m", "m", "n", "n", ""),
        categories=("hat", "hat", "shoe", "shoe", "shoe", "shoe"),
        beliefs=Beta(items, np.ones(N_ITEMS), np.ones(N_ITEMS)),
        rows=np.array([rng.permutation(N_ITEMS) for _ in range(7)], np.uint32),
        floor=floor,
        merchant_cap=cap,
        policy=Policy(kind),  # type: ignore[arg-type]
    )


def law(of: Table, allowed: np.ndarray) -> dict[tuple[int, ...], float]:
    """Every slate with its chance: each row, and for each slot each item that the floor may draw."""
    found: dict[tuple[int, ...], float] = defaultdict(float)
    for row in slates.slates(of, allowed, K).tolist():
        found[tuple(row)] += (1 - of.floor) / of.n_rows
        for slot in range(len(row)):
            rest = row[:slot] + row[slot + 1 :]
            free = [i for i in np.flatnonzero(allowed).tolist() if i not in rest and fits(of, rest, i)]
            for item in free:
                found[(*row[:slot], item, *row[slot + 1 :])] += of.floor / len(row) / len(free) / of.n_rows
    return found


def fits(of: Table, rest: list[int], item: int) -> bool:
    owner = of.merchants[item]
    return of.merchant_cap is None or not owner or [of.merchants[i] for i in rest].count(owner) < of.merchant_cap


@pytest.mark.parametrize("floor", [0.0, 0.2, 1.0])
@pytest.mark.parametrize("cap", [None, 1, 2])
@pytest.mark.parametrize("limits", [None, Filter(excluded=frozenset({"i4"}))])
def test_they_are_what_every_way_to_make_the_slate_adds_up_to(floor: float, cap: int | None, limits: Filter) -> None:
    of = table(np.random.default_rng(3), floor=floor, cap=cap)
    allowed = slots.mask(of, limits)
    every = law(of, allowed)
    assert sum(every.values()) == pytest.approx(1)
    wanted = [[sum(p for s, p in every.items() if s[:j] == tuple(one[:j])) for j in (1, 2, 3)] for one in ALL.tolist()]
    assert prefixes.prefixes(of, allowed, ALL).at(floor) == pytest.approx(np.array(wanted), abs=1e-12)


@pytest.mark.parametrize("floor", [0.0, 0.3, 1.0])
@pytest.mark.parametrize("cap", [None, 1])
def test_chances_of_slots_lie_between_those_of_both_floors(floor: float, cap: int | None) -> None:
    of = table(np.random.default_rng(4), floor=floor, cap=cap)
    assert prefixes.chances(of, of.everything, K).at(floor) == pytest.approx(slots.propensities(of, K))


def test_the_first_slot_alone_is_its_propensity() -> None:
    of = table(np.random.default_rng(5), floor=0.1, cap=2)
    first = prefixes.prefixes(of, of.everything, ALL).at(0.1)[:, 0]
    assert first == pytest.approx(slots.propensities(of, K)[0, ALL[:, 0]])


def test_an_even_table_makes_every_slate_alike() -> None:
    even = table(np.random.default_rng(6), floor=0.1, cap=None, kind="uniform")
    found = prefixes.prefixes(even, even.everything, ALL).at(0.1)
    assert found == pytest.approx(np.tile([1 / 6, 1 / 30, 1 / 120], (len(ALL), 1)))
    assert found[:, -1].sum() == pytest.approx(1)


def test_an_item_that_is_not_there_ends_the_slate() -> None:
    of = table(np.random.default_rng(7), floor=0.5, cap=None)
    found = prefixes.prefixes(of, of.everything, np.array([[0, -1, 1]])).at(0.5)
    assert found[0, 0] > 0 and (found[0, 1:] == 0).all()
