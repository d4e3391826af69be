"""Bayesian readings: chance to win, expected losses, credible intervals."""

from collections.abc import Callable, Mapping
from math import sqrt
from typing import Any

import numpy as np

from firstlight.kernel.moments import Moments
from firstlight.stats import (
    mixtures,
)
from firstlight.stats.finish import Belief, Design, Normal, posterior
from tests.oracles.compared import finished, population
from tests.oracles.conventions import growthbook_lift
from tests.oracles.sums import ARMS, Answer, Case, Method, moments, with_past


def betas(given: Case) -> Answer:
    arms = [(given[arm]["sum"], given[arm]["n"]) for arm in ARMS]
    found = mixtures.beta_binomial(arms[0], arms[1], (given["prior"]["alpha"], given["prior"]["beta"]))
    means = {"control_posterior_mean": found.control, "treatment_posterior_mean": found.treatment}
    return means | {"chance_to_win": found.chance_to_win, "expected_loss_shipping_absolute": found.loss_of_shipping}


def bayesian(kind: Any, of: Callable[[Mapping[str, Any]], Moments] = moments, **choices: Any) -> Method:
    def answer(given: Case) -> Answer:
        return told(finished(kind, given, of, **choices).belief)

    return answer


def told(belief: Belief) -> Answer:
    return {
        "chance_to_win": belief.chance_to_win[0],
        "expected": belief.mean[0],
        "posterior_sd": belief.sd[0],
        "ci_lower": belief.low[0],
        "ci_upper": belief.high[0],
        "risk_of_keeping_control": belief.loss_of_keeping[0],
        "risk_of_shipping_treatment": belief.loss_of_shipping[0],
    }


def absolute(given: Case) -> Answer:
    """The prior is of the lift: here in units of the metric, by the control's level."""
    best, prior = finished("mean", given, moments).raw, given["prior"]
    scale = abs(float(best.control[0]))
    normal = Normal(prior["mean"] * scale, sqrt(prior["variance"]) * scale)
    return told(posterior(best.difference, best.se, Design(1 - given["alpha"], prior=normal)))


def adjusted_mean(given: Case) -> Answer:
    found = growthbook_lift(given)
    return told(posterior(np.array([found.estimate.value]), np.array([found.se]), Design(1 - given["alpha"])))


def normal_loss(given: Case) -> Answer:
    belief = posterior(np.array([given["posterior_mean"]]), np.array([given["posterior_sd"]]), Design())
    losses = {"loss_shipping": belief.loss_of_shipping[0], "loss_keeping": belief.loss_of_keeping[0]}
    return losses | {"chance_to_win": belief.chance_to_win[0]}


ANSWERS: dict[str, Method] = {
    "bayes_mean_relative": bayesian("mean"),
    "bayes_mean_absolute": absolute,
    "bayes_proportion_relative": bayesian("proportion", population),
    "bayes_ratio_relative": bayesian("ratio"),
    "bayes_cuped_mean_relative": adjusted_mean,
    "bayes_cuped_ratio_relative": bayesian("ratio", with_past, pooling="arms"),
    "bayes_normal_expected_loss": normal_loss,
    "bayes_beta_binomial": betas,
}
