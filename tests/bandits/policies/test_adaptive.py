"""Values from adaptively collected data: the interval holds where the plain mean is biased."""

import numpy as np
import pytest

from bandits.policies import adaptive, modelled
from bandits.policies.adaptive import Scores
from bandits.policies.evaluation import Log
from bandits.policies.modelled import Chosen
from firstlight.kernel.withheld import Reason, Withheld
from firstlight.stats.estimates import Estimate

BATCHES, EACH, FLOOR = 25, 40, 0.05
RUNS = 400


def collected(rng: np.random.Generator, rates: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Thompson sampling of two items in batches, with a floor: action, reward, batch, and propensities by batch."""
    won, shown = np.ones(2), np.full(2, 2.0)
    action, reward, chances = [], [], []
    for _ in range(BATCHES):
        draws = rng.beta(won, shown - won, size=(256, 2))
        share = np.bincount(draws.argmax(axis=1), minlength=2) / 256
        p = FLOOR + (1 - 2 * FLOOR) * share
        a = rng.choice(2, EACH, p=p)
        r = (rng.random(EACH) < rates[a]).astype(float)
        won += np.bincount(a, r, 2)
        shown += np.bincount(a, minlength=2)
        action.append(a)
        reward.append(r)
        chances.append(p)
    return np.concatenate(action), np.concatenate(reward), np.repeat(np.arange(BATCHES), EACH), np.array(chances)


def of_item(item: int, action: np.ndarray, reward: np.ndarray, batch: np.ndarray, p: np.ndarray) -> tuple[Log, Scores]:
    """The policy that always shows this item."""
    log = Log(reward, p[batch, action], (action == item).astype(float))
    chosen = Chosen(reward, np.zeros(len(action), np.intp), action)
    model = modelled.past(chosen, batch, (1, 2))
    expected = model.rates[model.group, 0, item]
    return log, adaptive.scores(log, model.of(chosen), expected, batch, 1 / p[batch, item])


@pytest.fixture(scope="module")
def found() -> np.ndarray:
    """Of both items, equally good in truth: naive mean, estimate, whether its interval holds, and how far all weighted
    scores together are off the truth; (runs, items, 4)."""
    rng, rates = np.random.default_rng(17), np.array([0.5, 0.5])
    answers = np.empty((RUNS, 2, 4))
    for run in range(RUNS):
        action, reward, batch, p = collected(rng, rates)
        counts, sums = np.bincount(action, minlength=2).astype(float), np.bincount(action, reward, 2)
        for item in range(2):
            _, scores = of_item(item, action, reward, batch, p)
            one = adaptive.weighted(scores, np.arange(len(action)))
            naive = adaptive.naive(sums.astype(float), counts, np.eye(2)[item])
            off = float(adaptive.weights(scores) @ (scores.score - 0.5))
            answers[run, item] = naive, one.value, one.low <= 0.5 <= one.high, off
    return answers


def test_the_naive_mean_is_too_low(found: np.ndarray) -> None:
    naive = found[:, :, 0].mean(axis=1)
    assert naive.mean() < 0.5 - 4 * naive.std(ddof=1) / np.sqrt(RUNS)


def test_weighted_scores_are_right_on_average_whatever_was_learned(found: np.ndarray) -> None:
    """A martingale: sum of h (score - truth) is 0 in expectation. Both items of a run go together."""
    off = found[:, :, 3].mean(axis=1)
    assert abs(off.mean()) < 4 * off.std(ddof=1) / np.sqrt(RUNS)


def test_the_weighted_estimate_is_clearly_less_biased(found: np.ndarray) -> None:
    """Dividing by the sum of the weights, which were learned too, leaves a little: paired by run."""
    gap = (found[:, :, 1] - found[:, :, 0]).mean(axis=1)
    assert gap.mean() > 4 * gap.std(ddof=1) / np.sqrt(RUNS)
    assert found[:, :, 1].mean() < 0.5 + 4 * gap.std(ddof=1) / np.sqrt(RUNS)


def test_its_interval_holds_as_often_as_it_says(found: np.ndarray) -> None:
    held = found[:, :, 2].mean(axis=1)
    assert abs(held.mean() - 0.95) < 4 * np.sqrt(0.95 * 0.05 / RUNS)


def test_with_one_version_it_is_the_plain_mean_of_doubly_robust_scores() -> None:
    rng = np.random.default_rng(3)
    score = rng.normal(size=200)
    one = adaptive.weighted(Scores(score, np.zeros(200, np.intp), np.full(200, 3.0)), np.arange(200))
    error = score.std(ddof=0) / np.sqrt(200)
    assert one.value == pytest.approx(score.mean())
    assert one.high - one.value == pytest.approx(1.959963984540054 * error)


def test_a_version_weighs_by_its_mean_spread_not_by_the_context_of_a_choice() -> None:
    scores = Scores(np.arange(4.0), np.array([7, 7, 9, 9]), np.array([1.0, 7.0, 1.0, 1.0]))
    assert adaptive.weights(scores) == pytest.approx([0.5, 0.5, 1, 1])
    assert adaptive.weighted(scores, np.arange(4)).value == pytest.approx((0.5 * (0 + 1) + 2 + 3) / 3)


def test_scores_of_one_unit_count_as_one() -> None:
    rng = np.random.default_rng(4)
    scores = Scores(np.repeat(rng.normal(size=100), 4), np.zeros(400, np.intp), np.ones(400))
    alone = adaptive.weighted(scores, np.arange(400))
    together = adaptive.weighted(scores, np.repeat(np.arange(100), 4))
    assert together.high - together.low == pytest.approx(2 * (alone.high - alone.low))


def test_it_is_withheld_as_all_that_rests_on_weights() -> None:
    few = Log(np.ones(30), np.full(30, 0.5), np.full(30, 0.5))
    scores = Scores(np.ones(30), np.zeros(30, np.intp), np.ones(30))
    assert adaptive.value(few, scores, np.arange(30)) == Withheld(Reason.LOW_ESS)
    none = Log(np.empty(0), np.empty(0), np.empty(0))
    assert adaptive.value(none, scores, np.empty(0)) == Withheld(Reason.NO_DATA)
    many = Log(np.ones(90), np.full(90, 0.5), np.full(90, 0.5))
    scores = Scores(np.ones(90), np.zeros(90, np.intp), np.ones(90))
    assert adaptive.value(many, scores, np.arange(90)) == Estimate(1.0, 1.0, 1.0)
