"""What real traffic promises an experiment: are its events there, who matches, how small an effect can it show?

Advice alone: nothing here keeps it from starting, for a test may well bring the first events of their kind.
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from math import prod
from typing import Any

from experiments import targeting, traffic
from experiments.lifecycle.claims import shares
from experiments.lifecycle.items import Item, State
from experiments.models import BUCKETS, Experiment
from firstlight.console import words
from firstlight.kernel.withheld import Withheld
from firstlight.metrics.definitions import Definition

SMALL = 0.01  # share of the requests under which a targeting is worth a second look


def items(experiment: Experiment, at: datetime) -> Iterator[Item]:
    scenarios = list(experiment.scenarios.all())
    seen = traffic.seen([scenario.key for scenario in scenarios], at)
    if isinstance(seen, Withheld):
        yield Item("data", State.WARN, f"Whether its events come is open: {seen.reason.value}.")
        return
    yield _data(experiment, seen.types)
    yield _targeting(experiment.targeting, seen.attributes)


def _data(experiment: Experiment, types: frozenset[str]) -> Item:
    """Have the events of its metrics been seen lately?"""
    missing = {
        one.metric.name: sorted(absent)
        for one in experiment.measured.select_related("metric").order_by("pk")
        if (absent := {source.event for source in Definition.of(one.metric).sources} - types)
    }
    if not missing:
        return Item("data", State.OK, "The events of all its metrics came in the last seven days.")
    told = [f"“{name}” counts {words.listing(events)}" for name, events in missing.items()]
    sentence = f"{words.listing(told)}: no such event came in the last seven days. Send them before it starts."
    return Item("data", State.WARN, sentence)


def _targeting(condition: Mapping[str, Any], attributes: Sequence[Mapping[str, Any]]) -> Item:
    if not condition:
        return Item("targeting", State.OK, "Everybody in its scenarios may take part.")
    share = share_targeted(condition, attributes)
    if share is None:
        return Item(
            "targeting", State.WARN, "No request came in its scenarios lately: whom its targeting meets is open."
        )
    found = f"Its targeting matches {words.percent(share)} of {words.count(len(attributes))} recent requests."
    if share < SMALL:
        return Item("targeting", State.WARN, f"{found} Check the names and values of the attributes.")
    return Item("targeting", State.OK, found)


def share_targeted(condition: Mapping[str, Any], attributes: Sequence[Mapping[str, Any]]) -> float | None:
    """Of requests with these attributes; None without requests, or of a condition that cannot be read."""
    if not attributes or targeting.faults(condition):
        return None
    matches = targeting.compiled(condition)
    return sum(matches(one) for one in attributes) / len(attributes)


def share_taking_part(experiment: Experiment, targeted: float) -> float:
    """Of the units of its scenarios: targeting, the buckets of every layer, and the coverage at the end of its ramp."""
    last = experiment.ramp.order_by("-position").first()
    coverage = float(last.coverage if last else experiment.coverage)
    return targeted * coverage * prod((share.end - share.first) / BUCKETS for share in shares(experiment))
