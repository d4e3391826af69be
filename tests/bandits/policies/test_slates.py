"""Estimators of whole slates: the kind whose assumption holds is unbiased, the one whose does not is seen to be off."""

from itertools import permutations
from typing import Any

import numpy as np
import pytest

from bandits.policies import forms, slates
from bandits.policies.slates import KINDS, Chances, Kind, Pages
from firstlight.kernel.withheld import Reason, Withheld

SLATES = np.array(list(permutations(range(4), 3)))  # all 24 of three slots from four items
RATES = np.array([0.2, 0.5, 0.3, 0.7])
RUNS, N = 300, 400
RNG = np.random.default_rng(11)
LOGGED, TARGET = RNG.dirichlet(np.full(24, 3.0)), RNG.dirichlet(np.full(24, 3.0))


def chances(policy: np.ndarray, shown: np.ndarray) -> Chances:
    """Of the slates of these indices, summed over the whole law."""
    agrees = SLATES[shown][:, None, :] == SLATES[None, :, :]  # (n, 24, slots)
    return Chances(
        np.einsum("nsk,s->nk", agrees, policy),
        np.einsum("nsk,s->nk", np.logical_and.accumulate(agrees, axis=2), policy),
    )


def expected(slate: np.ndarray, user: str) -> Any:
    """Click rate of each slot, shape (…, 3)."""
    alone = RATES[slate]
    if user == "independent":
        return alone
    if user == "cascade":  # who liked what stood above looks on less
        return alone * np.concatenate([np.ones_like(alone[..., :1]), np.cumprod(1 - alone, axis=-1)[..., :-1]], axis=-1)
    return alone * (1 - alone[..., ::-1] / 2)  # each slot suffers from what stands across


def pages(rng: np.random.Generator, user: str) -> Pages:
    shown = rng.choice(24, N, p=LOGGED)
    clicked = (rng.random((N, 3)) < expected(SLATES[shown], user)).astype(float)
    return Pages(clicked, chances(LOGGED, shown), chances(TARGET, shown))


UNBIASED: list[tuple[str, Kind]] = [
    ("independent", "independent"),
    ("independent", "cascade"),
    ("independent", "full"),
    ("cascade", "cascade"),
    ("cascade", "full"),
    ("across", "full"),
]


@pytest.mark.parametrize(("user", "kind"), UNBIASED)
def test_it_is_unbiased_for_a_user_as_it_assumes(user: str, kind: Kind) -> None:
    rng = np.random.default_rng(7)
    truth = float(TARGET @ expected(SLATES, user).sum(axis=1))
    found = np.array([forms.value(slates.ips(pages(rng, user), kind)) for _ in range(RUNS)])
    assert abs(found.mean() - truth) < 4 * found.std(ddof=1) / np.sqrt(RUNS)


@pytest.mark.parametrize("user", ["independent", "cascade", "across"])
@pytest.mark.parametrize("kind", KINDS)
def test_its_expectation_is_the_truth_exactly_where_its_assumption_holds(user: str, kind: Kind) -> None:
    """Summed over all slates, without chance: elsewhere it is off."""
    every = np.arange(24)
    whole = Pages(expected(SLATES, user), chances(LOGGED, every), chances(TARGET, every))
    found = float(LOGGED @ (whole.weight(kind) * whole.reward).sum(axis=1))
    off = abs(found - float(TARGET @ expected(SLATES, user).sum(axis=1)))
    assert off < 1e-12 if (user, kind) in UNBIASED else off > 1e-3


def test_the_fewer_slots_a_weight_covers_the_more_a_log_tells() -> None:
    found = slates.evaluated(pages(np.random.default_rng(3), "independent"), np.arange(N), np.random.default_rng(1))
    seen = [one.overlap.ess for one in found.values() if not isinstance(one, Withheld)]
    assert seen[0] > seen[1] >= seen[2]


def test_the_logging_policy_itself_is_worth_the_logged_mean() -> None:
    shown = np.random.default_rng(5).choice(24, N, p=LOGGED)
    reward = np.random.default_rng(6).random((N, 3))
    own = Pages(reward, chances(LOGGED, shown), chances(LOGGED, shown))
    for kind in KINDS:
        assert forms.value(slates.ips(own, kind)) == pytest.approx(reward.sum(axis=1).mean(), abs=1e-12)
        assert forms.value(slates.snips(own, kind)) == pytest.approx(reward.sum(axis=1).mean(), abs=1e-12)


def test_a_page_of_one_slot_is_the_same_by_every_kind() -> None:
    rng = np.random.default_rng(9)
    p = Chances(*(rng.uniform(0.2, 0.4, (200, 1)),) * 2)
    one = Pages(rng.random((200, 1)), p, Chances(p.slots / 2, p.prefixes / 2))
    assert len({round(forms.value(slates.snips(one, kind)), 12) for kind in KINDS}) == 1


def test_the_self_normalised_value_divides_each_slot_by_its_own_weights() -> None:
    """Worked out by hand: weights (2, 1), (0, 3); rewards (1, 0), (1, 1): 2/2 + 3/4."""
    half = np.full((2, 2), 0.5)
    target = np.array([[1.0, 0.5], [0.0, 1.5]])
    two = Pages(np.array([[1.0, 0], [1, 1]]), Chances(half, half), Chances(target, target))
    assert forms.value(slates.snips(two, "independent")) == pytest.approx(1.75)
    assert forms.value(slates.ips(two, "independent")) == pytest.approx((2 + 0 + 0 + 3) / 2)


def test_what_the_slates_cannot_tell_is_withheld_by_each_kind() -> None:
    rng = np.random.default_rng(2)
    few = pages(rng, "independent")
    few = Pages(
        few.reward[:40],
        Chances(few.logged.slots[:40], few.logged.prefixes[:40]),
        Chances(few.target.slots[:40], few.target.prefixes[:40]),
    )
    for one in slates.evaluated(few, np.arange(40), rng).values():
        assert not isinstance(one, Withheld)
        assert one.ips == one.snips == Withheld(Reason.LOW_ESS)
    nothing = Chances(np.empty((0, 3)), np.empty((0, 3)))
    empty = slates.evaluated(Pages(np.empty((0, 3)), nothing, nothing), np.empty(0), rng)
    assert set(empty.values()) == {Withheld(Reason.NO_DATA)}


def test_intervals_cover_the_truth_as_often_as_they_say() -> None:
    rng, truth = np.random.default_rng(13), float(TARGET @ expected(SLATES, "cascade").sum(axis=1))
    said, hits = 150, 0
    for _ in range(said):
        form = slates.snips(pages(rng, "cascade"), "cascade")
        one = forms.estimates({"it": form}, np.arange(N), rng, n_resamples=300)["it"]
        hits += one.low <= truth <= one.high
    assert abs(hits / said - 0.95) < 4 * np.sqrt(0.95 * 0.05 / said)
