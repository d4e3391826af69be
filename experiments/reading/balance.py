"""Were the arms alike before exposure? An A/A test in the past of the same units, for every metric that has one."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from experiments.health import ALARM, Before
from experiments.reading.given import Totals
from experiments.reading.plan import Plan
from firstlight.kernel.moments import Moments
from firstlight.stats.finish import Design, Stack, finish

UNBALANCED = "the arms differed before exposure"


@dataclass(frozen=True, slots=True)
class Balance:
    found: tuple[Before, ...]
    off: Mapping[str, str]  # metric -> why it is not adjusted


def balance(plan: Plan, totals: Mapping[str, Totals]) -> Balance:
    """The metric as it was before exposure, and the share of units never seen before, compared in one look each.

    A metric of which either differs is not adjusted: what differs by more than chance is no history to lean on.
    """
    found = tuple(one for kind in ("ratio", "mean") for one in _before(plan, totals, kind))
    names = {metric.name: metric.key for metric in plan.metrics}
    off = {names[one.metric]: UNBALANCED for one in found if min(1.0, one.p * len(found)) < ALARM}
    return Balance(found, off)


def _before(plan: Plan, totals: Mapping[str, Totals], kind: Any) -> list[Before]:
    asked = [
        (metric.name, arm.name, pair)
        for metric in plan.metrics
        for arm in plan.treatments
        for pair in _pairs(totals[metric.key], plan.control.key, arm.key)
        if (len(pair[0].mean) == 2) == (kind == "ratio")
    ]
    if not asked:
        return []
    control, treatment = (Stack.of([pair[i] for *_, pair in asked]) for i in (0, 1))
    raw = finish(kind, control, treatment, Design()).raw
    return [Before(metric, arm, float(raw.p[i])) for i, (metric, arm, _) in enumerate(asked) if not raw.reason[i]]


def _pairs(whole: Totals, control: str, treatment: str) -> list[tuple[Moments, Moments]]:
    return [
        (c, t)
        for of in (whole.before, whole.new)
        if (c := of(control)) is not None and (t := of(treatment)) is not None
    ]
