"""What real traffic promises an experiment: are its events there, who matches, how small an effect can it show?

Advice alone: nothing here keeps it from starting, for a test may well bring the first events of their kind.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from experiments import sizing, traffic
from experiments.lifecycle.items import Item, State
from experiments.models import Experiment, MetricRole, Type, Unit
from firstlight.catalog.models import Item as CatalogItem
from firstlight.catalog.models import Merchant
from firstlight.console import words
from firstlight.kernel.withheld import Reason, Withheld
from firstlight.metrics.definitions import Definition

SMALL = 0.01  # share of the requests under which a targeting is worth a second look
POWER = 0.8
LARGE = 0.05  # a lift that few changes reach: a test that finds no smaller one will most likely find nothing
SHELVES: dict[str, type[Merchant] | type[CatalogItem]] = {Unit.MERCHANT: Merchant, Unit.ITEM: CatalogItem}


def items(experiment: Experiment, at: datetime) -> Iterator[Item]:
    scenarios = list(experiment.scenarios.all())
    seen = traffic.seen([scenario.key for scenario in scenarios], at)
    if isinstance(seen, Withheld):
        yield Item("data", State.WARN, f"Whether its events come is open: {seen.reason.value}.")
        return
    yield _data(experiment, seen.types)
    yield _targeting(experiment.targeting, seen.attributes)
    yield _power(experiment, seen.attributes, at)


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
    share = traffic.share_targeted(condition, attributes)
    if share is None:
        return Item(
            "targeting", State.WARN, "No request came in its scenarios lately: whom its targeting meets is open."
        )
    found = f"Its targeting matches {words.percent(share)} of {words.count(len(attributes))} recent requests."
    if share < SMALL:
        return Item("targeting", State.WARN, f"{found} Check the names and values of the attributes.")
    return Item("targeting", State.OK, found)


def _power(experiment: Experiment, attributes: Sequence[Mapping[str, Any]], at: datetime) -> Item:
    """The least lift of each goal that the units of its planned days would show."""
    if experiment.type == Type.INTERLEAVING:
        return _open("an interleaving tells which ranker is preferred, not by how much.")
    if experiment.cluster not in ("", experiment.unit):
        return _open(f"how many clusters by {experiment.cluster} come is not known.")
    units = _units(experiment, attributes, at)
    if isinstance(units, Withheld):
        return _open(f"how many units come is not known, {units.reason.value}.")
    if experiment.arms.count() < 2:
        return _open("it has no two arms.")
    lifts = _lifts(experiment, units)
    known = {name: lift for name, lift in lifts.items() if not isinstance(lift, Withheld)}
    if not lifts or len(known) < len(lifts):
        unknown = words.listing([f"“{name}”" for name in lifts if name not in known]) or "its goal"
        alike = f"on {_named(experiment)} in its scenarios"
        return _open(f"no look has measured {unknown} {alike} yet. An A/A test would tell how much it varies.")
    found = words.listing([f"{words.percent(lift)} or more in “{name}”" for name, lift in known.items()])
    come = f"About {words.count(units)} {_named(experiment)} in {words.plural(experiment.planned_days, 'day')}"
    about = f"{come} would show a change of {found}"
    if max(known.values()) > LARGE:
        advice = "few changes do that much. Plan more days, more coverage or fewer arms."
        return Item("power", State.WARN, f"{about}: {advice}")
    return Item("power", State.OK, f"{about}, with 80 % power.")


def _open(why: str) -> Item:
    return Item("power", State.WARN, f"How small an effect it would find is open: {why}")


def _units(experiment: Experiment, attributes: Sequence[Mapping[str, Any]], at: datetime) -> int | Withheld:
    """Of all arms, that come in the planned days; no more than it was planned for."""
    come = _come(experiment, attributes, at)
    return come if isinstance(come, Withheld) else int(min(come, experiment.planned_units or come))


def _come(experiment: Experiment, attributes: Sequence[Mapping[str, Any]], at: datetime) -> float | Withheld:
    """Windows of a switchback by the clock, merchants and items that there are, people as they came lately."""
    if experiment.type == Type.SWITCHBACK:
        return experiment.scenarios.count() * experiment.planned_days * 24 / max(1, experiment.switch_hours)
    if (shelf := SHELVES.get(experiment.unit)) is not None:
        there = shelf.objects.count() * traffic.share_taking_part(experiment, 1.0)
        return there or Withheld(Reason.NO_DATA)
    pace = traffic.pace(list(experiment.scenarios.all()), at)
    if isinstance(pace, Withheld):
        return pace
    targeted = traffic.share_targeted(experiment.targeting, attributes) if experiment.targeting else 1.0
    if targeted is None:
        return Withheld(Reason.NO_DATA)
    return pace.units(experiment.planned_days) * traffic.share_taking_part(experiment, targeted)


def _named(experiment: Experiment) -> str:
    if experiment.type == Type.SWITCHBACK:
        return f"windows of {words.plural(experiment.switch_hours, 'hour')}"
    return {Unit.MERCHANT: "merchants", Unit.ITEM: "items"}.get(Unit(experiment.unit), "units")


def _lifts(experiment: Experiment, units: int) -> dict[str, float | Withheld]:
    """By name of the goal."""
    design, scenarios = sizing.design_of(experiment, target=POWER), list(experiment.scenarios.all())
    goals = experiment.measured.filter(role=MetricRole.PRIMARY).select_related("metric").order_by("pk")
    bases = {one.metric.name: sizing.baseline_of(one.metric.key, scenarios, experiment) for one in goals}
    return {name: _lift(base, units, design, adjusts=experiment.cuped) for name, base in bases.items()}


def _lift(base: sizing.Baseline | Withheld, units: int, design: sizing.Design, *, adjusts: bool) -> float | Withheld:
    if isinstance(base, Withheld):
        return base
    return sizing.lift_found(units, base if adjusts else replace(base, saved=0.0), design, MetricRole.PRIMARY)
