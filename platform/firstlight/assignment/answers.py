"""What an answer says of experiments, by server and client alike. Wire names: docs/api.md. Pure."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Protocol

from . import special, sticky
from .index import Published
from .rules import Arm, Rule, Wishes


class Asked(Protocol):
    """What is read of a question."""

    @property
    def unit(self) -> Mapping[str, str]: ...
    @property
    def scenario(self) -> str: ...
    @property
    def trace_id(self) -> str: ...
    @property
    def at(self) -> datetime: ...
    @property
    def attributes(self) -> Mapping[str, Any]: ...
    @property
    def wishes(self) -> Wishes: ...


def decide(state: Published, asked: Asked, answer: dict[str, Any]) -> None:
    """Adds `experiments` and `parameters`, and the weights of an arm that brings its own, for the objectives.

    Where the caller does the rest itself, also `interleaving` (how to draft one list) and `shared_experiments` (the
    rule by which each item or merchant finds its arm). `sticky` is what the unit shall bring next time. Who asks for
    some parameters alone meets those experiments alone that set one, and the holdouts that decide whether it does.
    """
    answer["experiments"], answer["parameters"] = [], {}
    if index := state.indexes.get(asked.scenario):
        met = index.assign(asked.unit, asked.attributes, asked.wishes)
        if index.switchbacks:
            met = [*met, *index.switched(asked.scenario, asked.at, asked.attributes)]
        if asked.wishes.only:
            met = [(rule, arm) for rule, arm in met if rule.type == "holdout" or rule.sets & asked.wishes.only]
        _meet(met, answer)
        if index.is_special_to(asked.unit, asked.wishes):
            _mark(met, index.has_tester(asked.unit), asked, answer)
        if index.interleaved:
            answer["interleaving"] = [
                _drafted(rule, asked.trace_id) for rule in index.mixed(asked.unit, asked.attributes)
            ]
        if index.shared:
            answer["shared_experiments"] = [_told(rule) for rule in index.rules_of_items(asked.attributes)]


def draft_seed(seed: str, trace_id: str) -> str:
    """Of one interleaved list: the same request is drafted the same way again."""
    return f"{seed}:{trace_id}"


def _meet(met: Sequence[tuple[Rule, Arm]], answer: dict[str, Any]) -> None:
    answer["experiments"] = [rule.told[arm.key] for rule, arm in met]
    parameters = answer["parameters"]
    for rule, arm in met:
        parameters |= arm.parameters
        if arm.objective_weights is not None:
            answer["_objective_weights"] = {"experiment": rule.key, "weights": arm.objective_weights}


def _mark(met: Sequence[tuple[Rule, Arm]], is_tester: bool, asked: Asked, answer: dict[str, Any]) -> None:
    """What was forced on the unit says so, for it is no part of what is found."""
    may = is_tester or asked.wishes.forced
    forced = special.all_forced(met, asked.unit, asked.wishes) if may else frozenset()
    if forced:
        answer["experiments"] = [
            {**one, "forced": True} if one["experiment"] in forced else one for one in answer["experiments"]
        ]
    if brought := sticky.documents(met, asked.unit, asked.wishes.sticky, forced):
        answer["sticky"] = brought


def _drafted(rule: Rule, trace_id: str) -> dict[str, Any]:
    """Both rankers pick in turn; who begins each round is drawn from `seed`: docs/api.md."""
    teams = [{"variant": arm.key, "parameters": arm.parameters} for arm in rule.arms]
    return {"experiment": rule.key, "phase": rule.phase, "seed": draft_seed(rule.seed, trace_id), "teams": teams}


def _told(rule: Rule) -> dict[str, Any]:
    """All that an SDK needs to hash an item or merchant itself."""
    arms = [
        {"variant": rule.arms[place].key, "range": list(span), "parameters": rule.arms[place].parameters}
        for place, span in rule.spans()
    ]
    layers = [one for one in (rule.layer, *rule.further) if one]
    return {
        "experiment": rule.key,
        "phase": rule.phase,
        "unit": rule.unit,
        "hash_version": 2,
        "seed": rule.seed,
        "filters": [{"seed": one.seed, "range": list(one.range)} for one in layers],
        "arms": arms,
    }
