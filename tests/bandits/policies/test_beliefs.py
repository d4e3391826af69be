"""Beliefs have the distributions they are named for, can be stored, and grow by counts."""

from collections.abc import Callable

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import integrate, stats

from bandits.policies import beliefs
from bandits.policies.beliefs import Beliefs, Beta, Gamma, Hurdle, Vector
from bandits.policies.values import LogValues

ITEMS = ("x", "y", "z")
BETA = Beta(ITEMS, np.array([1.0, 9.17, 0.2]), np.array([99.0, 1677.8, 9.8]))
GAMMA = Gamma(ITEMS, np.array([0.5, 3.0, 40.0]), np.array([10.0, 100.0, 4000.0]))
HURDLE = Hurdle(
    ITEMS,
    a=np.array([2.0, 30.0, 0.5]),
    b=np.array([98.0, 970.0, 20.0]),
    m=np.array([3.0, 3.5, 6.0]),
    k=np.array([2.0, 20.0, 1.0]),
    alpha=np.array([3.0, 10.0, 5.0]),
    beta=np.array([1.0, 4.0, 4.0]),
    cap=100.0,
)
ALL: list[Beliefs] = [BETA, GAMMA, HURDLE]


@pytest.mark.parametrize("confidence", [0.5, 0.95])
def test_beta_and_gamma_are_those_of_scipy(confidence: float) -> None:
    for found, law in (
        (BETA, stats.beta(BETA.a, BETA.b)),
        (GAMMA, stats.gamma(GAMMA.shape, scale=1 / GAMMA.rate)),
    ):
        assert_allclose(found.mean, law.mean())
        assert_allclose(np.array(found.interval(confidence)), np.array(law.interval(confidence)), rtol=1e-9)
        assert_allclose(found.above(0.012), law.sf(0.012))
        assert_allclose(found.above(np.array([0.001, 0.01, 0.1])), law.sf([0.001, 0.01, 0.1]))


def test_a_beta_draws_what_the_generator_draws_so_that_old_tables_replay() -> None:
    assert_array_equal(BETA.draw(np.random.default_rng(7)), np.random.default_rng(7).beta(BETA.a, BETA.b))


@pytest.mark.parametrize("found", ALL, ids=lambda found: found.kind)
def test_draws_have_the_mean_the_interval_and_the_tail_that_are_told(found: Beliefs) -> None:
    """400,000 draws, as 100 of 4,000 items of each kind; four standard errors, those of the draws themselves."""
    rng, n = np.random.default_rng(11), 400_000
    repeated = {name: np.tile(numbers, 4000) for name, numbers in found.arrays().items()}
    many = beliefs.of(found.kind, ITEMS * 4000, repeated)
    drawn = np.concatenate([many.draw(rng).reshape(4000, 3) for _ in range(100)])
    assert np.all(np.abs(drawn.mean(axis=0) - found.mean) < 4 * drawn.std(axis=0) / n**0.5)
    low, high = found.interval(0.9)
    for share, expected in (((drawn < low).mean(axis=0), 0.05), ((drawn > high).mean(axis=0), 0.05)):
        assert_allclose(share, expected, atol=4 * (0.05 * 0.95 / n) ** 0.5 + 1e-4)
    bar = found.mean * 1.2
    assert_allclose((drawn > bar).mean(axis=0), found.above(bar), atol=4 * 0.5 / n**0.5)


def test_the_tail_of_money_is_the_double_integral() -> None:
    """P(p W > bar): over s2 by its density, over p by its own; the value given s2 is log-normal, cut at the cap."""
    bar, spread, conversion = 0.5, stats.invgamma(3.0, scale=1.0), stats.beta(2, 98)
    p, s2 = np.linspace(bar / 100, 0.3, 3001), np.exp(np.linspace(-8, 12, 1501))
    law = stats.norm(3.0 + s2[:, None] / 2, np.sqrt(s2[:, None] / 2))
    given_s2 = integrate.simpson(law.sf(np.log(bar / p)) * conversion.pdf(p), x=p)
    by_hand = integrate.simpson(given_s2 * spread.pdf(s2) * s2, x=np.log(s2))
    assert HURDLE.above(bar)[0] == pytest.approx(by_hand, abs=1e-5)


def test_a_bar_outside_of_the_possible_is_surely_beaten_or_never() -> None:
    for found in (BETA, GAMMA, HURDLE):
        assert_array_equal(found.above(-1.0), np.ones(3))
    assert_array_equal(BETA.above(1.5), np.zeros(3))
    assert_array_equal(HURDLE.above(100.0), np.zeros(3))


@pytest.mark.parametrize("found", ALL, ids=lambda found: found.kind)
def test_beliefs_come_back_from_bytes_to_the_last_bit(found: Beliefs) -> None:
    stored = beliefs.pack({**found.arrays(), "pace": np.ones(3)})
    again = beliefs.of(found.kind, list(found.items), beliefs.unpack(stored))
    assert type(again) is type(found) and again.items == found.items
    assert_array_equal(again.draw(np.random.default_rng(2)), found.draw(np.random.default_rng(2)))
    assert_array_equal(again.mean, found.mean)


def test_bytes_are_msgpack_of_little_endian_doubles() -> None:
    assert beliefs.pack({"a": np.array([1.0])}) == b"\x81\xa1a\xc4\x08" + b"\0\0\0\0\0\0\xf0\x3f"


def test_rewards_are_counted_onto_the_prior() -> None:
    prior = Beta(("x", "y"), np.array([1.0, 2.0]), np.array([99.0, 98.0]))
    found = prior.after(np.array([10.0, 0.4]), np.array([4.0, 1.0]))
    assert (found.a.tolist(), found.b.tolist()) == ([5, 3], [105, 98])
    orders = Gamma(("x",), np.array([1.0]), np.array([50.0])).after(np.array([10.0]), np.array([13.0]))
    assert (orders.shape.tolist(), orders.rate.tolist()) == ([14], [60])


def after(split: Callable[[Vector], list[Vector]]) -> Hurdle:
    """Fifty orders of the first item, told in the parts that `split` makes."""
    prior = Hurdle(("x", "y"), *(np.array([one, one]) for one in (2.0, 98.0, 3.0, 2.0, 3.0, 1.0, 100.0)))
    for part in split(np.log(np.random.default_rng(5).lognormal(3, 0.7, 50))):
        n = np.array([len(part), 0.0])
        seen = LogValues(n, np.array([part.mean(), 0.0]), np.array([part.var() * len(part), 0.0]))
        prior = prior.after(20 * n, n, seen)
    return prior


def test_money_learns_alike_in_one_go_and_in_parts_in_any_order() -> None:
    whole = after(lambda logs: [logs])
    for parts in (after(lambda logs: np.split(logs, [3, 30])), after(lambda logs: np.split(logs, [3, 30])[::-1])):
        for name, numbers in whole.arrays().items():
            assert_allclose(parts.arrays()[name], numbers, rtol=1e-12, err_msg=name)


def test_what_money_learned_is_the_product_of_prior_and_likelihood() -> None:
    """The posterior of (mu, s2) by the textbook formula, and the marginal of mu by numerical integration."""
    logs = np.array([2.0, 2.5, 4.0])
    seen = LogValues(np.array([3.0]), np.array([logs.mean()]), np.array([3 * logs.var()]))
    prior = Hurdle(("x",), *(np.array([one]) for one in (2.0, 98.0, 3.0, 2.0, 3.0, 1.0, 100.0)))
    found = prior.after(np.array([3.0]), np.array([3.0]), seen)

    def joint(s2: float, mu: float) -> float:
        before = stats.norm.pdf(mu, 3.0, np.sqrt(s2 / 2)) * stats.invgamma.pdf(s2, 3.0, scale=1.0)
        return float(before * np.prod(stats.norm.pdf(logs, mu, np.sqrt(s2))))

    def weight(mu: float) -> float:
        return float(integrate.quad(joint, 0, np.inf, args=(mu,))[0])

    law = stats.t(2 * found.alpha[0], found.m[0], np.sqrt(found.beta[0] / (found.alpha[0] * found.k[0])))
    for mu in (2.0, 3.5):
        assert weight(mu) / weight(3.0) == pytest.approx(law.pdf(mu) / law.pdf(3.0), rel=1e-6)
