"""What a campaign brought: units that met it against the control share that did not. Pure.

Per unit and in all, adjusted for what the units did before (CUPED), by intervals that hold at every look, for a
campaign is looked at all the time. Nothing is told when the arms did not get the units that were planned.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.special import logsumexp

from firstlight.console import words
from firstlight.kernel.moments import Moments
from firstlight.kernel.withheld import Reason, Withheld
from firstlight.metrics.definitions import Definition, Source
from firstlight.metrics.read import Cells
from firstlight.stats import finish, sample_ratio
from firstlight.stats.estimates import Estimate
from firstlight.stats.finish import AlwaysValid, Design, Readings, Stack

CONTROL, LEARNED, UNIFORM = ARMS = ("none", "learned", "uniform")
CONFIDENCE = 0.95
# Units at which the sequences are tightest. Any number keeps their promise if it is fixed before the first look.
TIGHTEST_AT = 20_000
ALARM = 0.001  # p of a split that is watched: a false alarm hides every number, so it must be rare
STRENGTHS = (10.0, 100.0, 1_000.0, 10_000.0)  # units that the planned shares weigh in a split gone wrong
NAMES = {"clicks": "clicks in the scenario", "orders": "orders", "net_value": "net value"}

Json = dict[str, Any]


def definitions(currency: str) -> tuple[Definition, ...]:
    """Sums per unit. Clicks are those of the scenario, with what the campaign took from its other slots; orders and
    their value count wherever they come from, for a slot that sells what would have been bought anyway brings nothing.
    """
    return (
        Definition("clicks", "mean", Source("click", "count")),
        Definition("orders", "mean", Source("order", "count"), in_scenario=False),
        Definition("net_value", "mean", Source("order", "net"), in_scenario=False, currency=currency),
    )


@dataclass(frozen=True, slots=True)
class Split:
    """Units by arm beside the shares that the campaign was given."""

    units: Mapping[str, int]
    shares: Mapping[str, float]  # of the arms that have any
    mixed: int = 0  # met several arms, and are left out

    @property
    def p(self) -> float:
        """May be asked after every unit: the mean of several Bayes factors is a martingale as each of them is.

        One that looks for a hair among millions takes 25 points off among 1,600 units for chance.
        """
        got, planned = [self.units.get(arm, 0) for arm in self.shares], list(self.shares.values())
        factors = [sample_ratio.log_bayes_factor(got, planned, strength) for strength in STRENGTHS]
        return float(np.exp(min(0.0, np.log(len(factors)) - logsumexp(factors))))

    @property
    def failed(self) -> Withheld | None:
        return Withheld(Reason.UNEVEN_SPLIT) if len(self.shares) > 1 and self.p < ALARM else None

    def told(self) -> Json:
        got = " : ".join(words.count(self.units.get(arm, 0)) for arm in self.shares)
        planned = " : ".join(words.percent(share) for share in self.shares.values())
        stands = "which chance does not make of" if self.failed else "as planned by"
        passed = None if len(self.shares) < 2 else self.failed is None
        found = f"The arms ({', '.join(self.shares)}) got {got} units, {stands} {planned} ({words.p_value(self.p)})."
        return {
            "passed": passed,
            "p": self.p if len(self.shares) > 1 else None,
            "units": {arm: self.units.get(arm, 0) for arm in self.shares},
            "shares": dict(self.shares),
            "mixed_units": self.mixed,
            "sentence": "There is one arm only." if passed is None else found,
        }


def shares(control: float, uniform: float) -> dict[str, float]:
    """By arm, those above 0."""
    planned = zip(ARMS, (control, 1 - control - uniform, uniform), strict=True)
    return {arm: share for arm, share in planned if share > 0}


def estimates(cells: Mapping[str, Cells], split: Split) -> list[Json]:
    """One per metric and arm other than the control; without a control share there is none."""
    if CONTROL not in split.shares:
        return []
    arms = [arm for arm in split.shares if arm != CONTROL]
    return [found for metric in NAMES for found in _of_metric(metric, cells[metric], arms, split.failed)]


def whole(cells: Cells, *arms: str) -> Moments:
    """Of all days and these arms together."""
    mine = [moments for (arm, _), moments in sorted(cells.by_day.items(), key=_when) if arm in arms]
    return sum(mine, Moments.empty(len(cells.columns)))


def _when(cell: tuple[tuple[str, Any], Moments]) -> tuple[Any, str]:
    (arm, day), _ = cell
    return day, arm


def _of_metric(metric: str, cells: Cells, arms: Sequence[str], failed: Withheld | None) -> list[Json]:
    blank = failed or (Withheld(Reason.NO_RATE) if cells.unpriced else None)
    if blank:
        return [_blank(metric, arm, blank) for arm in arms]
    control, treatments = whole(cells, CONTROL), [whole(cells, arm) for arm in arms]
    if control.n < 2:
        return [_blank(metric, arm, Withheld(Reason.TOO_FEW_UNITS)) for arm in arms]
    design = Design(CONFIDENCE, cells.covariates, AlwaysValid(TIGHTEST_AT))
    found = finish.finish("mean", Stack.of([control] * len(arms)), Stack.of(treatments), design)
    saved = found.variance_reduction
    return [
        _told(metric, arm, found.best, i, treatments[i].n) | {"variance_reduction": _saved(saved, found.best, i)}
        for i, arm in enumerate(arms)
    ]


def _told(metric: str, arm: str, found: Readings, i: int, units: int) -> Json:
    if found.reason[i]:
        why = finish.REASONS[int(found.reason[i])]
        assert why is not None
        return _blank(metric, arm, Withheld(why))
    assert found.sequence is not None and found.lift_sequence is not None and found.sequence_p is not None
    difference = finish.estimate(found.difference, found.sequence, i)
    return {
        "metric": metric,
        "arm": arm,
        "units": units,
        "method": found.method,
        "control": float(found.control[i]),
        "treatment": float(found.treatment[i]),
        "difference": stored(difference),
        "lift": stored(finish.estimate(found.lift, found.lift_sequence, i)),
        "total": stored(times(difference, units)),
        "p": float(found.sequence_p[i]),
    }


def _saved(saved: Any, found: Readings, i: int) -> float | None:
    return None if saved is None or found.reason[i] else float(saved[i])


def _blank(metric: str, arm: str, why: Withheld) -> Json:
    names = ("control", "treatment", "difference", "lift", "total", "p", "variance_reduction")
    return {"metric": metric, "arm": arm, "units": None, "method": "withheld", **dict.fromkeys(names, stored(why))}


def times(found: Estimate | Withheld, n: float) -> Estimate | Withheld:
    """Of `n` units together, a number that is known."""
    if isinstance(found, Withheld):
        return found
    return Estimate(found.value * n, found.low * n, found.high * n)


def stored(found: Estimate | Withheld) -> Json:
    """As JSON: value, low and high, or why there are none."""
    if isinstance(found, Withheld):
        return {"withheld": found.reason.value}
    return {"value": found.value, "low": found.low, "high": found.high}
