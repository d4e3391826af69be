"""The Bayesian view of one lift: shown beside, never a stopping rule."""

from dataclasses import dataclass
from math import isfinite

from experiments.reading.plan import PlannedMetric
from experiments.reading.prior import Prior
from firstlight.stats import finish
from firstlight.stats.finish import Design, Normal, Readings


@dataclass(frozen=True, slots=True)
class Posterior:
    """Of the lift. Chance and loss are told in the direction that is wanted."""

    prior: Prior
    mean: float
    low: float
    high: float
    chance_to_win: float
    expected_loss: float  # of shipping, as a lift


def posterior(prior: Prior, metric: PlannedMetric, readings: Readings, i: int, confidence: float) -> Posterior | None:
    """Of row `i`; None where there is no lift to believe anything of."""
    normal = Normal(prior.mean, prior.sd) if prior.sd is not None else None
    found = finish.belief(readings, Design(confidence, prior=normal))
    if not isfinite(float(found.chance_to_win[i])):
        return None
    chance, loss = float(found.chance_to_win[i]), float(found.loss_of_shipping[i])
    if metric.sign < 0:
        chance, loss = 1 - chance, float(found.loss_of_keeping[i])
    return Posterior(prior, float(found.mean[i]), float(found.low[i]), float(found.high[i]), chance, loss)
