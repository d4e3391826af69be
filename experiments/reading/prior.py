"""How large an effect is usual: a normal prior on the lift, fitted to what past experiments found."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import sqrt
from statistics import fmean, variance
from typing import Any

from experiments.reading.plan import Plan, PlannedMetric

LEAST = 8  # past lifts, under which their spread says next to nothing


@dataclass(frozen=True, slots=True)
class Past:
    """One lift of a past experiment, as its last look found it."""

    metric: str
    sign: int  # +1 when more was wanted
    lift: float
    se: float


@dataclass(frozen=True, slots=True)
class Prior:
    """Normal, on the lift; `sd` None is flat."""

    kind: str  # history, own or flat
    mean: float = 0.0
    sd: float | None = None
    n_past: int = 0  # lifts it was fitted to

    def stored(self) -> dict[str, Any]:
        return {"kind": self.kind, "mean": self.mean, "sd": self.sd, "past": self.n_past}


FLAT = Prior("flat")


def prior_of(plan: Plan, metric: PlannedMetric, past: Sequence[Past]) -> Prior:
    """As the plan chose it."""
    if plan.prior == "own":
        return Prior("own", plan.prior_mean, plan.prior_sd)
    return fitted(past, metric.key, metric.sign) if plan.prior == "history" else FLAT


def fitted(past: Sequence[Past], metric: str, sign: int) -> Prior:
    """To the past lifts of this metric; with fewer than `LEAST`, to those of all metrics, turned the wanted way.

    Method of moments: the spread of lifts is that of effects plus their squared standard errors. Flat when there are
    too few of either, or when the lifts spread no more than chance makes them.
    """
    same = [(one.lift, one.se) for one in past if one.metric == metric]
    if len(same) >= LEAST:
        return _moments(same)
    turned = [(one.lift * one.sign * sign, one.se) for one in past]
    return _moments(turned) if len(turned) >= LEAST else FLAT


def _moments(lifts: Sequence[tuple[float, float]]) -> Prior:
    effects = variance([lift for lift, _ in lifts]) - fmean(se**2 for _, se in lifts)
    if effects <= 0:
        return FLAT
    return Prior("history", fmean(lift for lift, _ in lifts), sqrt(effects), len(lifts))
