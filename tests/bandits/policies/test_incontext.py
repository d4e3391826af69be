"""A contextual model in one context is beliefs like any other: the same draws, and what they imply."""

import numpy as np
import pytest
from scipy.special import expit

from bandits.policies import beliefs, contextual, draws, incontext
from bandits.policies.contextual import Model, Prior, Seen
from bandits.policies.incontext import InContext
from bandits.policies.policy import Policy

N, CONTEXT = 30, np.array([1.0, 0.0, 1.0])
ITEMS = tuple(f"sku-{i}" for i in range(N))


def model(kind: str) -> Model:
    rng = np.random.default_rng(4)
    z = np.hstack([np.ones((N, 1)), np.eye(4)[np.arange(N) % 4]])
    c = np.array([[1.0, 0, 0], [1.0, 1, 0], [1.0, 0, 1]])
    trials = rng.poisson(40, (N, 3)).astype(float)
    trials[:5] = 0
    rate = expit(-2 + z @ rng.normal(0, 0.5, (5, 3)) @ c.T + rng.normal(0, 0.4, (N, 1)))
    seen = Seen(z, c, trials, rng.binomial(trials.astype(int), rate).astype(float))
    found: Model = getattr(contextual, kind)(seen, Prior(0.12, 40.0))
    return found


def covariance(of: Model) -> np.ndarray:
    """Of the scores in the context, from the joint covariance of W and u in whole."""
    in_w = of.noise**2 * np.linalg.inv(of.factor @ of.factor.T)
    x = np.stack([np.kron(z, CONTEXT) for z in of.z])
    b = np.stack([np.kron(z, pull) for z, pull in zip(of.z, of.pull, strict=True)])
    moves = x - b / of.own[:, None]
    return moves @ in_w @ moves.T + of.noise**2 * np.diag(1 / of.own)


@pytest.mark.parametrize("kind", ["linear", "logistic"])
def test_scores_have_the_models_mean_and_covariance(kind: str) -> None:
    of = model(kind)
    here = incontext.believed(of, ITEMS, CONTEXT)
    assert here.m == pytest.approx(of.z @ of.w @ CONTEXT + of.u)
    assert here.g @ here.g.T + np.diag(here.s**2) == pytest.approx(covariance(of), abs=1e-12)


def test_with_fewer_columns_each_item_is_still_as_uncertain(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(incontext, "RANK", 2)
    of = model("logistic")
    here = incontext.believed(of, ITEMS, CONTEXT)
    assert here.g.shape == (N, 2)
    assert here.sd == pytest.approx(np.sqrt(np.diag(covariance(of))))


@pytest.mark.parametrize("kind", ["linear", "logistic"])
def test_mean_interval_and_chance_are_those_of_the_draws(kind: str) -> None:
    """100,000 draws; within 4 standard errors."""
    here = incontext.believed(model(kind), ITEMS, CONTEXT)
    rng, n = np.random.default_rng(3), 100_000
    drawn = np.array([here.draw(rng) for _ in range(n)])
    assert (np.abs(drawn.mean(axis=0) - here.mean) < 4 * drawn.std(axis=0) / np.sqrt(n)).all()
    low, high = here.interval(0.9)
    for share in ((drawn < low).mean(axis=0), (drawn > high).mean(axis=0)):
        assert (np.abs(share - 0.05) < 4 * np.sqrt(0.05 * 0.95 / n)).all()
    bar = float(np.median(here.mean))
    chance = here.above(bar)
    assert (np.abs((drawn > bar).mean(axis=0) - chance) <= 4 * np.sqrt(chance * (1 - chance) / n) + 1e-5).all()


@pytest.mark.parametrize("kind", ["linear", "logistic"])
def test_they_are_stored_and_read_as_any_beliefs_whole_or_in_part(kind: str) -> None:
    here = incontext.believed(model(kind), ITEMS, CONTEXT)
    arrays = beliefs.unpack(beliefs.pack(here.arrays() | {"closed": np.zeros(N)}))
    again = beliefs.of(here.kind, ITEMS, arrays)
    assert isinstance(again, InContext)
    assert (draws.table(Policy(), again, None, draws.generators(5, 16), 4) == rows(here)).all()
    few = [3, 17]
    some = beliefs.of(here.kind, [ITEMS[i] for i in few], {name: values[few] for name, values in arrays.items()})
    assert some.mean == pytest.approx(here.mean[few])
    assert some.above(0.1) == pytest.approx(here.above(0.1)[few])


def rows(here: InContext) -> np.ndarray:
    return draws.table(Policy(), here, None, draws.generators(5, 16), 4)


def test_a_table_of_them_leads_with_whom_draws_of_all_coefficients_lead_with() -> None:
    """The first slot, counted off 4,096 rows, beside 40,000 draws of W and u from their joint covariance in whole."""
    of, n, several = model("logistic"), 4096, 40_000
    in_w = np.linalg.inv(of.factor @ of.factor.T)
    to_u = -np.stack([np.kron(z, pull) for z, pull in zip(of.z, of.pull, strict=True)]) / of.own[:, None]
    rng = np.random.default_rng(6)
    dw = rng.multivariate_normal(np.zeros(of.w.size), in_w, several)
    du = dw @ to_u.T + rng.standard_normal((several, N)) / np.sqrt(of.own)
    scores = np.einsum("ip,spq,q->si", of.z, of.w + dw.reshape(-1, *of.w.shape), CONTEXT) + of.u + du
    exact = np.bincount(scores.argmax(axis=1), minlength=N) / several
    here = incontext.believed(of, ITEMS, CONTEXT)
    leads = draws.table(Policy(), here, None, draws.generators(5, n), 1)[:, 0]
    error = np.sqrt(exact * (1 - exact) * (1 / n + 1 / several))
    assert (np.abs(np.bincount(leads, minlength=N) / n - exact) <= 4 * error + 1e-4).all()
