"""What serving knows of experiments: one rule for each that runs."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import msgspec

from experiments import assignment
from experiments.assignment import Arm, Filter, Index, Rule
from experiments.models import Experiment, Status
from firstlight.snapshots.sections import Request

name = "experiments"


def compile(at: datetime) -> dict[str, bytes]:
    """One part per running experiment."""
    running = Experiment.objects.filter(status=Status.RUNNING).order_by("key").select_related("layer")
    rules = [rule_of(experiment) for experiment in running.prefetch_related("arms", "scenarios")]
    return {rule.key: msgspec.msgpack.encode(rule, order="sorted") for rule in rules}


def load(payload: bytes) -> Rule:
    return msgspec.msgpack.decode(payload, type=Rule)


def gather(parts: Mapping[str, Rule]) -> dict[str, Index]:
    """By scenario."""
    scenarios = sorted({scenario for rule in parts.values() for scenario in rule.scenarios})
    return {here: Index.of(rule for rule in parts.values() if here in rule.scenarios) for here in scenarios}


def decide(state: Mapping[str, Index], request: Request, answer: dict[str, Any]) -> None:
    """Adds `experiments` and `parameters`, and the weights of an arm that brings its own, for the objectives."""
    experiments, parameters = answer["experiments"], answer["parameters"] = [], {}
    index = state.get(request.scenario)
    for rule, arm in index.assign(request.unit) if index else ():
        experiments.append({"experiment": rule.key, "variant": arm.key, "phase": rule.phase, "in_holdout": False})
        parameters.update(arm.parameters)
        if arm.objective_weights is not None:
            answer["_objective_weights"] = {"experiment": rule.key, "weights": arm.objective_weights}


def rule_of(experiment: Experiment) -> Rule:
    """What its rows say, as a value."""
    arms = sorted(experiment.arms.all(), key=lambda arm: arm.position)
    coverage = float(experiment.coverage)
    return Rule(
        key=experiment.key,
        phase=experiment.phase,
        seed=assignment.seed(experiment.key, experiment.phase),
        unit=experiment.unit,
        arms=tuple(Arm(arm.key, float(arm.weight), arm.parameters, arm.objective_weights) for arm in arms),
        coverage=coverage,
        ranges=assignment.ranges([float(arm.weight) for arm in arms], coverage),
        scenarios=tuple(sorted(scenario.key for scenario in experiment.scenarios.all())),
        layer=_filter(experiment),
    )


def _filter(experiment: Experiment) -> Filter | None:
    if experiment.layer is None:
        return None
    return Filter(assignment.layer_seed(experiment.layer.key), experiment.first_bucket, experiment.end_bucket)
