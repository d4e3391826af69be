"""A classification problem as a bandit, where the truth is known: the digits of scikit-learn.

The protocol of the Open Bandit Pipeline (Saito et al., arXiv:2008.07146; its README, multi-class classification): a
seventh tenth of the images is kept for evaluation, the split and the logging seeded with 12345; the logging policy
follows a logistic regression with probability .8 and else chooses a digit at random; the policy asked about follows a
random forest. A choice is rewarded when it is the digit. The figures are those that the README prints.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from sklearn.datasets import load_digits
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import train_test_split
from sklearn.svm import SVC

from bandits.policies import evaluation, modelled
from bandits.policies.evaluation import Log

# The README's own settings: a hundred iterations choose the same digits as ten thousand.
pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

N_DIGITS, FOLLOWS = 10, 0.8


@dataclass
class Played:
    images: np.ndarray[Any, Any]
    action: np.ndarray[Any, Any]
    asked: np.ndarray[Any, Any]  # what the other policy chooses
    log: Log
    truth: float


def played(seed: int, n_trees: int = 100) -> Played:
    images, digit = load_digits(return_X_y=True)
    train, images, train_digit, digit = train_test_split(images, digit, test_size=0.7, random_state=seed)
    logging = LogisticRegression(random_state=seed).fit(train, train_digit).predict(images)
    asked = RandomForestClassifier(n_trees, random_state=seed).fit(train, train_digit).predict(images)
    chances = np.full((len(digit), N_DIGITS), (1 - FOLLOWS) / N_DIGITS)
    chances[np.arange(len(digit)), logging] += FOLLOWS
    random = np.random.RandomState(seed)
    action = np.array([random.choice(N_DIGITS, p=row) for row in chances])
    log = Log(
        reward=(action == digit).astype(float),
        logged=chances[np.arange(len(digit)), action],
        target=(action == asked).astype(float),
    )
    return Played(images, action, asked, log, float((asked == digit).mean()))


def believed(game: Played) -> np.ndarray[Any, Any]:
    """1 for the digit that an image seems to show, shape (n, digits), learned from rewarded choices of other folds."""
    fold, found = modelled.folds(np.arange(len(game.action))), np.zeros((len(game.action), N_DIGITS))
    for one in range(modelled.N_FOLDS):
        known = (fold != one) & (game.log.reward == 1)
        model = SVC(C=10, gamma=0.001).fit(game.images[known], game.action[known])
        found[np.flatnonzero(fold == one), model.predict(game.images[fold == one])] = 1
    return found


def test_inverse_propensity_scoring_errs_as_the_pipelines_own_does() -> None:
    game = played(12345)
    assert len(game.log.reward) == 1_258
    assert game.truth == pytest.approx(0.9634340222575517, abs=1e-15)
    error = abs(evaluation.ips(game.log) - game.truth) / game.truth
    assert error == pytest.approx(0.01827255896321327, abs=1e-14)


@pytest.mark.slow
def test_over_thirty_games_the_doubly_robust_estimate_halves_the_error() -> None:
    off = []
    for seed in range(30):
        game = played(seed, n_trees=20)
        q, row = believed(game), np.arange(len(game.action))
        found = evaluation.doubly_robust(game.log, q[row, game.action], q[row, game.asked])
        off.append((evaluation.ips(game.log) - game.truth, found - game.truth))
    by_ips, by_dr = np.sqrt((np.array(off) ** 2).mean(axis=0))
    assert by_dr <= by_ips / 2
