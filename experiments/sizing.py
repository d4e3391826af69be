"""How many units and days a plan needs, and how small an effect it would find, from history and real traffic."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from math import ceil, isfinite, log, sqrt
from statistics import median
from typing import Any

from django.db.models import Max
from scipy.special import ndtri

from experiments import traffic
from experiments.models import Analysis, Experiment, Look, MetricRole, Type
from firstlight.catalog.models import Scenario
from firstlight.kernel.withheld import Reason, Withheld
from firstlight.stats import power

MOST_LOOKS = 28  # more looks cost next to nothing more, and their bounds take long to find
ONE_LOOK = "fixed"


@dataclass(frozen=True, slots=True)
class Baseline:
    """What one unit of the control does: mean, and standard deviation (of a ratio: of its linearised units)."""

    mean: float
    sd: float
    source: str  # given, or the look that it is of
    saved: float = 0.0  # share of the variance that covariates took away there


@dataclass(frozen=True, slots=True)
class Design:
    weights: tuple[float, ...]  # control first
    alpha: float  # two-sided, of the whole plan
    target: float  # power
    analysis: str = ONE_LOOK
    spending: str = "obrien_fleming"
    n_looks: int = 1
    n_goals: int = 1
    n_guardrails: int = 0

    @property
    def inflation(self) -> float:
        """Units that the way of looking needs, over those of one look at the end."""
        goal = self.alpha_of_goal
        if self.analysis == Analysis.GROUP_SEQUENTIAL:
            return _spent(min(self.n_looks, MOST_LOOKS), goal, self.target, self.spending)
        return _always_valid(goal, self.target) if self.analysis == Analysis.ALWAYS_VALID else 1.0

    @property
    def alpha_of_goal(self) -> float:
        """Of the strictest step of Holm: all goals in all treatments share the error."""
        return self.alpha / (self.n_goals * (len(self.weights) - 1))

    def test(self, role: str) -> power.Test:
        """A guardrail is one-sided and its alpha is not divided: twice alpha, two-sided, has that tail."""
        alpha = 2 * self.alpha if role == MetricRole.GUARDRAIL else self.alpha_of_goal
        return power.Test(alpha, normal=True, inflation=1.0 if role == MetricRole.GUARDRAIL else self.inflation)

    def power_of(self, role: str) -> float:
        """A guardrail needs more, for all of them and the goal are to hold together."""
        return power.guardrail(self.target, self.n_guardrails) if role == MetricRole.GUARDRAIL else self.target


@lru_cache(maxsize=256)
def _spent(n_looks: int, alpha: float, target: float, kind: str) -> float:
    return power.inflation(n_looks, alpha, target, kind) if n_looks > 1 else 1.0


def _always_valid(alpha: float, target: float) -> float:
    """Of the asymptotic confidence sequence at the size that it is tuned to; earlier crossings come on top.

    Source: Waudby-Smith, Arbour, Sinha, Kennedy, Ramdas (2021), with N r^2 at its optimum for N.
    """
    tuned = -2 * log(alpha) + log(-2 * log(alpha) + 1)
    width = sqrt(2 * (tuned + 1) / tuned * log(sqrt(tuned + 1) / alpha))
    return float(((width + ndtri(target)) / (ndtri(1 - alpha / 2) + ndtri(target))) ** 2)


def units_for(lift: float, base: Baseline, design: Design, role: str) -> float | Withheld:
    """Units of all arms, so that the smallest treatment finds this lift (or, of a guardrail, bears this margin)."""
    effect = abs(lift * base.mean)
    if not effect or not base.sd:
        return Withheld(Reason.NO_SPREAD)
    test, target, control = design.test(role), design.power_of(role), design.weights[0]
    smallest = min(design.weights[1:])
    n_control = power.size(effect, base.sd, target, test, ratio=smallest / control, saved=base.saved)
    return ceil(n_control / control) if isfinite(n_control) else Withheld(Reason.TOO_FEW_UNITS)


def lift_found(units: float, base: Baseline, design: Design, role: str) -> float | Withheld:
    """The least lift that so many units of all arms find, in the smallest treatment."""
    if not base.mean or not base.sd:
        return Withheld(Reason.NO_SPREAD)
    n_control, n_treatment = units * design.weights[0], units * min(design.weights[1:])
    if min(n_control, n_treatment) < 2:
        return Withheld(Reason.TOO_FEW_UNITS)
    test, target = design.test(role), design.power_of(role)
    found = power.detectable(base.sd, n_control, n_treatment, target, test, saved=base.saved) / abs(base.mean)
    return found if isfinite(found) else Withheld(Reason.TOO_FEW_UNITS)


# --- from history and traffic ---------------------------------------------------------------------------------------


def design_of(experiment: Experiment, *, target: float) -> Design:
    """As it is planned now."""
    roles = list(experiment.measured.values_list("role", flat=True))
    weights = tuple(float(arm.weight) for arm in experiment.arms.order_by("position"))
    return Design(
        weights=weights,
        alpha=1 - float(experiment.confidence),
        target=target,
        analysis=experiment.analysis,
        spending=experiment.spending,
        n_looks=experiment.planned_days,
        n_goals=max(1, roles.count(MetricRole.PRIMARY)),
        n_guardrails=roles.count(MetricRole.GUARDRAIL),
    )


def baseline_of(metric: str, scenarios: Collection[Scenario], like: Experiment) -> Baseline | Withheld:
    """Of the newest look in one of these scenarios that measured the metric on units as those of `like`: its control.

    A standard error holds the variance of a unit, divided by their number, for every kind of metric alike. A session
    varies otherwise than a user, a cluster or a window of time otherwise than its units.
    """
    dealt = {"unit": like.unit, "cluster": like.cluster}
    measuring = Experiment.objects.filter(measured__metric__key=metric, scenarios__in=scenarios, **dealt)
    if like.type == Type.SWITCHBACK:
        measuring = measuring.filter(type=Type.SWITCHBACK, switch_hours=like.switch_hours)
    else:
        measuring = measuring.exclude(type__in=(Type.SWITCHBACK, Type.INTERLEAVING))
    newest = measuring.aggregate(look=Max("looks__pk"))["look"]
    look = Look.objects.select_related("experiment").filter(pk=newest).first()
    found = next((one for one in look.results["metrics"] if one["metric"] == metric), None) if look else None
    if look is None or found is None:
        return Withheld(Reason.NO_DATA)
    control = next(arm for arm in found["arms"] if arm["arm"] == look.results["control"])
    if not control["mean"] or not control["standard_error"]:
        return Withheld(Reason.NO_SPREAD)
    sd = control["standard_error"] * sqrt(control["units"])
    return Baseline(control["mean"], sd, f"look {look.number} of {look.experiment.key}", _saved(found["estimates"]))


def _saved(estimates: Iterable[Mapping[str, Any]]) -> float:
    """Share of variance that covariates took away, the middle one of the treatments; 0 where nothing was adjusted."""
    found = [one["variance_reduction"] for one in estimates if one.get("variance_reduction") is not None]
    return min(0.99, max(0.0, median(found))) if found else 0.0


@dataclass(frozen=True, slots=True)
class Traffic:
    """Units that take part."""

    pace: traffic.Pace
    share: float  # of those who come: targeting, layers, coverage

    def units(self, days: float) -> float:
        return self.share * (self.pace.daily + self.pace.fresh * (days - 1))

    def days(self, units: float) -> float | Withheld:
        """Until so many have come."""
        first = self.share * self.pace.daily
        if units <= first:
            return 1
        fresh = self.share * self.pace.fresh
        return ceil(1 + (units - first) / fresh) if fresh else Withheld(Reason.TOO_FEW_UNITS)


def traffic_of(experiment: Experiment, at: datetime) -> Traffic | Withheld:
    """Of the last week in its scenarios. Reads the lake when the experiment is targeted."""
    scenarios = list(experiment.scenarios.all())
    pace = traffic.pace(scenarios, at)
    if isinstance(pace, Withheld):
        return pace
    targeted = _targeted(experiment, [one.key for one in scenarios], at)
    if isinstance(targeted, Withheld):
        return targeted
    return Traffic(pace, traffic.share_taking_part(experiment, targeted))


def _targeted(experiment: Experiment, scenarios: Sequence[str], at: datetime) -> float | Withheld:
    if not experiment.targeting:
        return 1.0
    seen = traffic.seen(scenarios, at)
    if isinstance(seen, Withheld):
        return seen
    share = traffic.share_targeted(experiment.targeting, seen.attributes)
    return Withheld(Reason.NO_DATA) if share is None else share
