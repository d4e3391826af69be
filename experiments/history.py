"""What past experiments found, off their last looks: what a prior is fitted to, and what winners overstate."""

from collections.abc import Iterable, Mapping
from math import inf
from typing import Any

from experiments.models import Experiment, Look, Status, Type
from experiments.reading.prior import Past
from firstlight.stats.tails import quantile

OVER = (Status.STOPPED, Status.DECIDED, Status.ARCHIVED)


def past_of(experiment: Experiment) -> list[Past]:
    """Lifts of the goals of every other experiment that is over; not of A/A tests, whose effect is known to be none."""
    others = Look.objects.filter(experiment__status__in=OVER).exclude(experiment=experiment)
    newest = others.exclude(experiment__type=Type.AA).order_by("experiment_id", "-number").distinct("experiment_id")
    rows = newest.values_list("results__metrics", "results__confidence")
    return [one for metrics, confidence in rows for one in lifts(metrics, float(confidence))]


def lifts(metrics: Iterable[Mapping[str, Any]], confidence: float) -> Iterable[Past]:
    """Of stored goals. The standard error is that of a normal interval as wide."""
    errors = quantile(confidence, inf)
    for metric in metrics:
        if metric["role"] == "primary":
            sign = 1 if metric["direction"] == "increase" else -1
            for estimate in metric["estimates"]:
                lift = _of_one_look(estimate)
                if "value" in lift:
                    se = (lift["high"] - lift["low"]) / (2 * errors)
                    yield Past(metric["metric"], sign, lift["value"], se)


def _of_one_look(estimate: Mapping[str, Any]) -> Mapping[str, Any]:
    """The lift with the interval of a single look, adjusted where that is on; old looks have no other."""
    if "readings" not in estimate:
        return estimate["lift"]  # type: ignore[no-any-return]
    ways = estimate["readings"]
    return (ways["adjusted"] or ways["raw"])["fixed"]["lift"]  # type: ignore[no-any-return]
