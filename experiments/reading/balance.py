"""Were the arms alike before exposure? An A/A test in the past of the same units, for every metric that has one."""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from experiments.health import ALARM, Before
from experiments.reading.given import Totals
from experiments.reading.plan import Plan
from experiments.stats.finish import Design, Stack, finish

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
    sides: dict[tuple[str, str], list[Any]] = defaultdict(list)
    for metric in plan.metrics:
        whole = totals[metric.key]
        if whole.covariates:
            for arm in plan.treatments:
                if (whole.width == 2) == (kind == "ratio"):
                    sides[metric.name, arm.name].append([whole.before(plan.control.key), whole.before(arm.key)])
                if kind == "mean":
                    sides[metric.name, arm.name].append([whole.new(plan.control.key), whole.new(arm.key)])
    asked = [(at, pair) for at, pairs in sides.items() for pair in pairs]
    if not asked:
        return []
    control, treatment = (Stack.of([pair[i] for _, pair in asked]) for i in (0, 1))
    raw = finish(kind, control, treatment, Design()).raw
    return [Before(*at, float(raw.p[i])) for i, (at, _) in enumerate(asked) if not raw.reason[i]]
