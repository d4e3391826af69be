"""Does a campaign harm its scenario? Units that met it against its control share, by tests that may be watched. Pure.

A guard is *worse* when the control share is surely better, by any amount: it is shown. It is *broken* when the loss is
surely greater than the margin that the owner would bear: then the campaign is paused. Exploring costs something, so
that whoever paused at any sure loss would pause every campaign that enough people see.

All guards together raise a false alarm in at most `ALPHA` of campaigns that do no harm beyond the margin, however often
they are looked at and whichever are switched on: each has an equal part of it, on one side. Direction is one sign.
Source: Waudby-Smith et al. (2021), arXiv:2103.06476, for the bound; Fieller (1954) for the lift, which is broken
exactly when the test is.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from math import copysign, log, sqrt
from typing import Any

from scipy.special import ndtri_exp

from bandits.worth import CONTROL, LEARNED, TIGHTEST_AT, UNIFORM, Split, stored, whole
from firstlight.console import words
from firstlight.kernel.moments import Moments
from firstlight.kernel.withheld import Reason, Withheld
from firstlight.metrics.definitions import Definition, Source
from firstlight.metrics.read import Cells
from firstlight.stats import boundaries, comparison, ratios
from firstlight.stats.estimates import Estimate
from firstlight.stats.levels import Level
from firstlight.stats.tails import Tail

ALPHA = 0.05
# Of clicks, orders or refunds that the smaller arm should have. Under about twenty a lucky control looks far too sure.
LEAST_CARRIERS = 20.0

DEFINITIONS = {
    "click_rate": Definition("click_rate", "ratio", Source("click", "count"), Source("impression", "count")),
    "conversion": Definition("conversion", "proportion", Source("order", "count"), in_scenario=False),
    "refund_rate": Definition(
        "refund_rate",
        "ratio",
        Source("refund", "count"),
        Source("order", "count"),
        in_scenario=False,
        direction="decrease",
    ),
}
NAMES = {
    "click_rate": "clicks per impression of the scenario",
    "conversion": "the share of units that order",
    "refund_rate": "refunds per order",
}
NO_CONTROL = (
    "This campaign has no control share, so there is nothing to compare with and nothing that could pause it. "
    "Shares are fixed once a campaign runs: give the next one a control share of 5 % or so."
)


class State(StrEnum):
    NOT_WORSE = "not worse"  # the loss is surely smaller than the margin
    NOT_SETTLED = "not settled"
    WORSE = "worse"  # surely worse, by no more than the margin for all we know
    BROKEN = "broken"  # surely worse by more than the margin


@dataclass(frozen=True, slots=True)
class Guarded:
    """One guard at one look; the campaign's units against the control's."""

    guard: str
    state: State
    control: float
    treatment: float
    lift: Estimate | Withheld  # over the control, by the always-valid reach on each side
    margin: float
    n: int  # units of both

    @property
    def sentence(self) -> str:
        by = (
            f"{words.lift(self.lift.value)} ({words.lift_interval(self.lift.low, self.lift.high)})"
            if isinstance(self.lift, Estimate)
            else f"{words.percent(self.treatment)} against {words.percent(self.control)}"
        )
        return f"{NAMES[self.guard].capitalize()}: {by}, {_SAID[self.state]}{words.percent(self.margin)}."


_SAID = {
    State.NOT_WORSE: "surely no worse than without the campaign by more than ",
    State.NOT_SETTLED: "which does not settle yet whether it is worse by more than ",
    State.WORSE: "surely worse than without the campaign, but not surely by more than ",
    State.BROKEN: "surely worse than without the campaign by more than ",
}


def guards(names: Sequence[str], cells: Mapping[str, Cells], split: Split, margin: float) -> list[dict[str, Any]]:
    """All that the campaign has, as JSON; `cells` by guard. Each is withheld with words where it cannot be read."""
    if CONTROL not in split.shares:
        return []
    if split.failed:
        return [_withheld(name, margin, split.failed) for name in names]
    return [_told(name, guarded(name, _pair(cells[name]), margin, ALPHA / len(DEFINITIONS)), margin) for name in names]


def guarded(name: str, pair: tuple[Moments, Moments], margin: float, alpha: float) -> Guarded | Withheld:
    """Control and treatment on one guard at `alpha` on each side; withheld where too little carries it."""
    control, treatment = pair
    kind, n = DEFINITIONS[name].kind, control.n + treatment.n
    levels = [comparison.level(kind, arm) for arm in pair]
    for level in levels:
        if isinstance(level, Withheld):
            return level
    if _carriers(control, treatment) < LEAST_CARRIERS:
        return Withheld(Reason.TOO_FEW_CARRY)
    c, t = (level for level in levels if isinstance(level, Level))
    sign = 1 if DEFINITIONS[name].direction == "increase" else -1
    reach = boundaries.one_sided(n, TIGHTEST_AT, alpha)
    better = _errors(kind, pair, 1.0) * sign  # standard errors above the control, in the direction that is wanted
    above = _errors(kind, pair, 1 - sign * margin * copysign(1.0, c.value)) * sign  # above what would be borne
    lift = ratios.lift(*(ratios.Reach(x.value, reach * sqrt(x.variance), reach * sqrt(x.variance)) for x in (c, t)))
    return Guarded(name, _state(better, above, reach), c.value, t.value, lift, margin, n)


def broken(found: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """Of what `guards` gave."""
    return [one for one in found if one.get("state") == State.BROKEN]


def _state(better: float, above: float, reach: float) -> State:
    if above < -reach:
        return State.BROKEN
    if better < -reach:
        return State.WORSE
    return State.NOT_WORSE if above > reach else State.NOT_SETTLED


def _errors(kind: str, pair: tuple[Moments, Moments], factor: float) -> float:
    """How many standard errors the treatment lies above `factor` times the control, as of a normal law; 0 without
    spread.
    """
    found = comparison.evidence(kind, *pair, factor=factor)
    if isinstance(found, Withheld):
        return 0.0
    return _normal(found.below()) if found.statistic < 0 else -_normal(found.above())


def _normal(tail: Tail) -> float:
    return float(ndtri_exp(min(tail.log10_p, 0.0) * log(10)))


def _carriers(control: Moments, treatment: Moments) -> float:
    """Units that the smaller arm's sum should rest on, by both arms together (Kish's n): not by its own luck."""
    both = control + treatment
    total, square = both.n * float(both.mean[0]), float(both.products[0, 0]) + both.n * float(both.mean[0]) ** 2
    return total**2 / square * min(control.n, treatment.n) / both.n if square > 0 else 0.0


def _pair(cells: Cells) -> tuple[Moments, Moments]:
    quantities = 2 if "denominator" in cells.columns else 1
    control, met = whole(cells, CONTROL), whole(cells, LEARNED, UNIFORM)
    return control.take(*range(quantities)), met.take(*range(quantities))


def _told(name: str, found: Guarded | Withheld, margin: float) -> dict[str, Any]:
    if isinstance(found, Withheld):
        return _withheld(name, margin, found)
    return {
        "guard": name,
        "state": found.state.value,
        "control": found.control,
        "treatment": found.treatment,
        "lift": stored(found.lift),
        "margin": margin,
        "units": found.n,
        "sentence": found.sentence,
    }


def _withheld(name: str, margin: float, why: Withheld) -> dict[str, Any]:
    blank = stored(why)
    return {
        "guard": name,
        "state": "withheld",
        "control": blank,
        "treatment": blank,
        "lift": blank,
        "margin": margin,
        "units": None,
        "sentence": f"{NAMES[name].capitalize()}: withheld, {why.reason.value}.",
    }
