"""What was found in one scenario, as the report tells it: from stored results to plain values.

A number that is withheld is `{"withheld": reason}`.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np

from bandits.policies.beliefs import Beliefs
from experiments.models import Experiment

PRIMARY = "click_through"  # the metric that decides: share of units that clicked
SECONDARY = "click_rate"  # clicks per impression
N_LEADERS = 5

NOTE = (
    "The data has no user id, so each impression is a unit of its own: intervals and p-values take impressions of one "
    "person as independent. Times are shifted by whole weeks into the recent past."
)

Found = dict[str, Any]


def experiment(one: Experiment) -> Found:
    """Where it stands, and the impressions and clicks of its arms in the last look."""
    look = one.looks.first()
    told = {"key": one.key, "name": one.name, "type": one.type, "status": one.status, "decision": one.decision}
    scenarios = list(one.scenarios.order_by("key").values_list("key", flat=True))
    return {
        **told,
        "scenarios": scenarios,
        "arms": arms(look.results) if look else {},
        "verdict": look.sentence if look else "",
    }


def arms(results: Found) -> Found:
    """Per arm: impressions, clicks, and their ratio."""
    return {
        arm["arm"]: {
            "impressions": round(arm["denominator"] or 0),
            "clicks": round(arm["numerator"]),
            "rate": arm["mean"],
        }
        for arm in _metric(results, SECONDARY)["arms"]
    }


def effect(results: Found) -> Found:
    """Lift over the control with its interval, p, the check of the sample ratio, and the verdict."""
    (estimate,) = _metric(results, PRIMARY)["estimates"]
    lift = estimate["lift"]
    given = "withheld" not in lift
    return {
        "lift": lift["value"] if given else lift,
        "interval": [lift["low"], lift["high"]] if given else lift,
        "p": estimate["p"] if estimate["p"] is not None else estimate["difference"],
        "srm_p": next(check["p"] for check in results["health"] if check["check"] == "sample_ratio"),
        "verdict": results["verdict"]["sentence"],
    }


def leaders(beliefs: Beliefs) -> list[Found]:
    """The items of highest posterior mean, with equal-tailed 95 % intervals."""
    mean, (low, high) = beliefs.mean, beliefs.interval()
    return [
        {"item": beliefs.items[i], "mean": float(mean[i]), "interval": [float(low[i]), float(high[i])]}
        for i in np.argsort(-mean, kind="stable")[:N_LEADERS].tolist()
    ]


def _metric(results: Mapping[str, Any], key: str) -> Found:
    found: Found = next(metric for metric in results["metrics"] if metric["metric"] == key)
    return found
