"""Experiments over the same units: does an arm of one change what an arm of the other does?"""

from collections.abc import Iterator, Mapping
from typing import Any

from experiments.reading.given import Given, Totals
from experiments.reading.plan import Plan
from firstlight.console import words
from firstlight.kernel.withheld import Withheld
from firstlight.stats import interaction
from firstlight.stats.interaction import Interaction
from firstlight.stats.multiplicity import holm

Json = dict[str, Any]
LEAST = 100  # units in a cell, under which a test of it sees nothing


def interactions(plan: Plan, given: Given, totals: Mapping[str, Totals]) -> list[Json]:
    """Of the goals, with every treatment of every other experiment; corrected for their number."""
    found = list(_found(plan, given, totals))
    corrected = holm([one.p for _, one in found])
    return [
        {**about, "p": one.p, "p_adjusted": p, "sentence": _sentence(plan, about, p)}
        for (about, one), p in zip(found, corrected, strict=True)
    ]


def _found(plan: Plan, given: Given, totals: Mapping[str, Totals]) -> Iterator[tuple[Json, Interaction]]:
    for other, by_metric in given.crossed.items():
        for metric in plan.goals:
            cells, arms = by_metric.get(metric.key, {}), given.other_arms[other]
            for arm in plan.treatments:
                for theirs in arms[1:]:
                    corners = [(a, b) for b in (arms[0], theirs) for a in (plan.control.key, arm.key)]
                    four = [cells[at] for at in corners if at in cells and cells[at].n >= LEAST]
                    if len(four) == 4:
                        neither, this, that, both = four
                        one = interaction.interaction(totals[metric.key].kind, neither, this, that, both)
                        about = {"experiment": other, "metric": metric.key, "arm": arm.key, "other_arm": theirs}
                        if not isinstance(one, Withheld):
                            yield about, one


def _sentence(plan: Plan, about: Json, p: float) -> str:
    names = {metric.key: metric.name for metric in plan.metrics} | {arm.key: arm.name for arm in plan.arms}
    effect = f"The effect on “{names[about['metric']]}” in {names[about['arm']]}"
    other = f"“{about['other_arm']}” of {about['experiment']}"
    if p < plan.alpha:
        return f"{effect} is another where {other} is on ({words.p_value(p)})."
    return f"{effect} shows no dependence on {other} ({words.p_value(p)})."
