"""Contextual Thompson sampling: the blocks against the whole, the mode against an optimiser, and what it is for."""

from typing import NamedTuple

import numpy as np
import pytest
from scipy.optimize import minimize
from scipy.special import expit, logit

from bandits.policies import contextual, draws, encoding, incontext, stored
from bandits.policies.beliefs import Beta
from bandits.policies.contextual import Matrix, Model, Prior, Seen, Vector
from bandits.policies.encoding import Traits
from bandits.policies.policy import Policy

N, CONTEXTS = 12, 3


def some(seed: int = 4, n: int = N) -> Seen:
    rng = np.random.default_rng(seed)
    z = np.hstack([np.ones((n, 1)), np.eye(3)[np.arange(n) % 3]])
    c = np.array([[1.0, 0.0, 0.0], [1.0, 1.0, 0.0], [1.0, 0.0, 1.0]])
    trials = rng.poisson(60, (n, CONTEXTS)).astype(float)
    rate = expit(-2 + z @ rng.normal(0, 0.5, (4, 3)) @ c.T + rng.normal(0, 0.4, (n, 1)))
    return Seen(z, c, trials, rng.binomial(trials.astype(int), rate).astype(float))


class Whole(NamedTuple):
    """The same regression with one column per item, and one row per item and context."""

    x: Matrix
    trials: Vector
    rewards: Vector


def whole(seen: Seen) -> Whole:
    x = [np.concatenate([np.kron(z, c), np.eye(len(seen.z))[i]]) for i, z in enumerate(seen.z) for c in seen.c]
    return Whole(np.array(x), seen.trials.ravel(), seen.rewards.ravel())


def covariance(model: Model) -> Matrix:
    """Of (W, u), from the blocks that the draws use."""
    of_w = model.noise**2 * np.linalg.inv(model.factor @ model.factor.T)
    b = (model.z[:, :, None] * model.pull[:, None, :]).reshape(len(model.u), -1).T
    to_u = -(b / model.own).T
    of_u = model.noise**2 * np.diag(1 / model.own) + to_u @ of_w @ to_u.T
    return np.block([[of_w, of_w @ to_u.T], [to_u @ of_w, of_u]])


def test_linear_is_the_closed_form_of_bayesian_regression() -> None:
    """Mean (M + X'NX)^-1 (M theta_0 + X'r) and covariance noise^2 (M + X'NX)^-1, over all columns at once."""
    seen, prior = some(), Prior(0.12, 50.0)
    full, model = whole(seen), contextual.linear(seen, prior)
    precision = 50.0 * np.eye(full.x.shape[1]) + full.x.T @ (full.trials[:, None] * full.x)
    centre = np.zeros(full.x.shape[1])
    centre[0] = 0.12
    mean = np.linalg.solve(precision, 50.0 * centre + full.x.T @ full.rewards)
    assert np.concatenate([model.w.ravel(), model.u]) == pytest.approx(mean, abs=1e-12)
    assert covariance(model) == pytest.approx(0.12 * 0.88 * np.linalg.inv(precision), abs=1e-12)


def test_logistic_is_the_mode_that_an_optimiser_finds_and_the_curvature_there() -> None:
    seen, prior = some(), Prior(0.12, 50.0)
    full, model = whole(seen), contextual.logistic(seen, prior)
    ridge, centre = 50.0 * 0.12 * 0.88, np.zeros(full.x.shape[1])
    centre[0] = logit(0.12)

    def loss(theta: Vector) -> float:
        score = full.x @ theta
        told = full.rewards * score - full.trials * np.logaddexp(0, score)
        return float(ridge / 2 * ((theta - centre) ** 2).sum() - told.sum())

    def slope(theta: Vector) -> Vector:
        return ridge * (theta - centre) - full.x.T @ (full.rewards - full.trials * expit(full.x @ theta))

    found = minimize(loss, centre, jac=slope, method="BFGS", options={"gtol": 1e-7}).x
    assert np.concatenate([model.w.ravel(), model.u]) == pytest.approx(found, abs=1e-6)
    chance = expit(full.x @ found)
    curvature = ridge * np.eye(len(found)) + full.x.T @ ((full.trials * chance * (1 - chance))[:, None] * full.x)
    assert covariance(model) == pytest.approx(np.linalg.inv(curvature), abs=1e-6)


def test_logistic_finds_the_mode_from_afar() -> None:
    """Where rewards are nothing like the prior, whole Newton steps would fly past."""
    seen = some()
    far = Seen(seen.z, seen.c, seen.trials, seen.trials * 0.999)
    model = contextual.logistic(far, Prior(0.0005, 10.0))
    assert expit(model.z @ model.w @ far.c[0] + model.u) == pytest.approx(np.full(N, 0.99), abs=0.02)


def test_with_one_context_and_no_trait_linear_is_the_posterior_mean_of_each_item() -> None:
    """A ridge of M impressions at the rate: for an item of n trials M' more, as a Beta prior of that strength."""
    n = 40
    trials, rewards = np.full((n, 1), 200.0), np.arange(n, dtype=float)[:, None]
    model = contextual.linear(Seen(np.ones((n, 1)), np.ones((1, 1)), trials, rewards), Prior(0.02, 100.0))
    shared = model.w[0, 0]
    assert shared + model.u == pytest.approx((100 * shared + rewards[:, 0]) / 300)


def test_a_model_is_stored_and_read_whole() -> None:
    traits = Traits(["dress", "shoe"], ["m-1", ""], [9.0, None])
    encoded = encoding.fitted(traits, {"country": {"DE": 5.0}})
    model = contextual.logistic(some(), Prior(0.12, 50.0))
    again, by = stored.unpack(stored.pack(model, encoded))
    assert by == encoded
    assert (again.kind, again.noise) == ("logistic", 1.0)
    for name in ("z", "w", "factor", "u", "own", "pull"):
        assert (getattr(again, name) == getattr(model, name)).all()


def test_an_encoding_gives_each_common_value_a_column_and_is_frozen() -> None:
    traits = Traits(["shoe", "dress", "shoe", ""], ["m-2", "m-1", "", "m-1"], [10.0, 20.0, 40.0, None])
    encoded = encoding.fitted(traits, {"platform": {"app": 9.0, "web": 4.0, "": 3.0}, "country": {}})
    assert encoded.categories == ("dress", "shoe")
    assert encoded.attributes == (("platform", ("app", "web")),)
    z = encoded.items(traits)
    assert z.shape == (4, encoded.n_item)
    assert z[:, 0].tolist() == [1, 1, 1, 1]
    assert z[:, 1:3].tolist() == [[0, 1], [1, 0], [0, 1], [0, 0]]
    assert z[:, 5:].sum(axis=1).tolist() == [1, 1, 1, 0]
    assert encoded.context({"platform": "web"}).tolist() == [1, 0, 1]
    assert encoded.context({"platform": "fridge", "country": "DE"}).tolist() == [1, 0, 0]


def test_only_the_most_common_values_have_columns() -> None:
    names = [f"c-{i}" for i in range(30) for _ in range(i + 1)]
    encoded = encoding.fitted(Traits(names, [""] * len(names), [None] * len(names)), {})
    assert encoded.categories == tuple(sorted(f"c-{i}" for i in range(22, 30)))
    assert encoded.n_item == 9


class Shop(NamedTuple):
    """Two kinds of visitors, each fond of other categories; items differ within theirs."""

    z: Matrix
    c: Matrix
    rate: Matrix  # (items, contexts)


def shop(seed: int) -> Shop:
    rng = np.random.default_rng(seed)
    category = np.arange(40) % 4
    z = np.hstack([np.ones((40, 1)), np.eye(4)[category]])
    fond = np.array([[1.2, -0.8], [0.4, -0.4], [-0.4, 0.4], [-0.8, 1.2]])
    return Shop(z, np.array([[1.0, 0.0], [1.0, 1.0]]), expit(-3.3 + fond[category] + rng.normal(0, 0.4, (40, 1))))


def clicks(learn: str, seed: int, batches: int = 12, pages: int = 250) -> float:
    """Expected clicks of one slot, over batches that each serve from what the ones before taught."""
    here, rng = shop(seed), np.random.default_rng((seed, 1))
    trials, rewards = np.zeros((2, 40, 2))
    earned = 0.0
    for batch in range(batches):
        for side, shown in enumerate(served(learn, here, trials, rewards, seed * 100 + batch)):
            items = shown[rng.integers(0, len(shown), pages)]
            earned += float(here.rate[items, side].sum())
            np.add.at(trials[:, side], items, 1)
            np.add.at(rewards[:, side], items, rng.random(pages) < here.rate[items, side])
    return earned


def served(learn: str, here: Shop, trials: Matrix, rewards: Matrix, seed: int) -> list[np.ndarray]:
    """The first slot of 128 rows, for each kind of visitor."""
    if learn == "beta":
        a, b = 2 + rewards.sum(axis=1), 48 + (trials - rewards).sum(axis=1)
        believed = Beta(tuple(map(str, range(40))), a, b)
        return 2 * [draws.table(Policy(), believed, None, draws.generators(seed, 128), 1)[:, 0]]
    model = getattr(contextual, learn)(Seen(here.z, here.c, trials, rewards), Prior(0.04, 50.0))
    each = [incontext.believed(model, tuple(map(str, range(40))), context) for context in here.c]
    return [draws.table(Policy(), one, None, draws.generators(seed, 128), 1)[:, 0] for one in each]


@pytest.mark.parametrize("learn", ["linear", "logistic"])
def test_where_visitors_differ_it_earns_more_than_thompson_sampling_by_item(learn: str) -> None:
    """Eight paired shops: the mean gain is more than 4 standard errors above a tenth."""
    gain = np.array([clicks(learn, seed) / clicks("beta", seed) - 1 for seed in range(8)])
    assert gain.mean() - 4 * gain.std(ddof=1) / np.sqrt(8) > 0.1
