"""What the shop's Thompson sampling earns, estimated from the logs of its random policy."""

from datetime import timedelta
from typing import Any

import numpy as np

from bandits.policies import evaluation, quadrature
from firstlight.demo import landed, translation
from firstlight.demo.open_bandit import Beliefs
from firstlight.kernel.withheld import Withheld

N_SLOTS = 3
DIGITS = 9  # after the point
SEED = 20210816  # of the bootstrap interval; any will do, but a report should repeat


def estimate(campaign: str, beliefs: Beliefs, by: timedelta) -> dict[str, Any]:
    """Clicks per impression by IPS and SNIPS, with the effective sample size; {"withheld": reason} when that is small.

    The policy valued is Thompson sampling under the shop's own posteriors, frozen: item i gets slot k with the exact
    probability that its draw ranks k-th.
    """
    shown = landed.choices(campaign, "random", by)
    log = evaluation.Log(
        reward=shown["clicked"].cast("float64").to_numpy(),
        logged=shown["propensity"].to_numpy(),
        target=_propensities(campaign, beliefs, shown["item_id"].to_pylist(), shown["position"].to_numpy()),
    )
    found = evaluation.value(log, shown["view"].to_numpy(), np.random.default_rng(SEED))
    if isinstance(found, Withheld):
        return {"withheld": found.reason.value}
    # Rows come in any order, so the last digits of a sum differ from run to run; a report does not.
    ips, snips, low, high, ess = (
        round(x, DIGITS) for x in (found.ips, found.snips, found.low, found.high, found.overlap.ess)
    )
    return {"ips": ips, "snips": snips, "interval": [low, high], "ess": ess}


def _propensities(
    campaign: str, beliefs: Beliefs, items: list[str], positions: np.ndarray[Any, np.dtype[np.int32]]
) -> evaluation.Vector:
    """Of each of these items in its position, from 1."""
    by_slot = quadrature.slot_propensities(np.array(beliefs.alpha), np.array(beliefs.beta), N_SLOTS)
    rows = {translation.item_key(campaign, item): item for item in range(len(beliefs.alpha))}
    return by_slot[[rows[item] for item in items], positions - 1]
