"""From the units that a test could touch to the whole site."""

from firstlight.stats.estimates import Estimate


def share_of_metric(trigger_rate: float, mean_triggered: float, mean_all: float) -> float:
    """What the touched units bring of all that is measured; `trigger_rate` is their share of the units."""
    return trigger_rate * mean_triggered / mean_all


def diluted(lift: Estimate, share: float) -> Estimate:
    """Lift of the whole site: the rest of the metric does not move. The share is taken as known.

    Source: Deng, Hu (2015), WSDM, Diluted treatment effect estimation.
    """
    return Estimate(lift.value * share, lift.low * share, lift.high * share)
