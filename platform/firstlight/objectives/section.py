"""What serving knows of interests: the newest weights per scenario and journey stage."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import msgspec

from firstlight.objectives import stage, weights
from firstlight.objectives.models import Weights
from firstlight.snapshots.sections import Request

name = "objectives"


class Version(msgspec.Struct, frozen=True):
    number: int
    weights: dict[str, float]  # of user, merchant and platform; sum 1


class Objectives(msgspec.Struct, frozen=True):
    """Of one scenario. The stage "" is the whole of it."""

    scenario: str
    by_stage: dict[str, Version]


DEFAULT = Version(0, {interest: float(weight) for interest, weight in weights.DEFAULT.items()})


def compile(at: datetime) -> dict[str, bytes]:
    """One part per scenario that has weights."""
    newest = Weights.objects.order_by("scenario_id", "stage", "-version").distinct("scenario_id", "stage")
    found: dict[str, dict[str, Version]] = {}
    for row in newest.select_related("scenario"):
        mix = {interest: float(weight) for interest, weight in weights.mix(row).items()}
        found.setdefault(row.scenario.key, {})[row.stage] = Version(row.version, mix)
    return {key: msgspec.json.encode(Objectives(key, stages), order="sorted") for key, stages in found.items()}


def load(payload: bytes) -> Objectives:
    return msgspec.json.decode(payload, type=Objectives)


def gather(parts: Mapping[str, Objectives]) -> dict[str, Objectives]:
    return {part.scenario: part for part in parts.values()}


def decide(state: Mapping[str, Objectives], request: Request, answer: dict[str, Any]) -> None:
    """Adds `journey_stage` and `objectives`; an arm's own weights go before those of the stage and the scenario.

    `version` is that of the scenario's weights in force, also where an experiment overrides them; 0 while it has none.
    """
    here = stage.of(request.recent)
    known = state.get(request.scenario)
    source, version = _in_force(known.by_stage if known else {}, here)
    mix = version.weights
    if override := answer.get("_objective_weights"):
        source, mix = f"experiment:{override['experiment']}", override["weights"]
    answer["journey_stage"] = here
    answer["objectives"] = {"weights": mix, "source": source, "version": version.number}


def _in_force(by_stage: Mapping[str, Version], here: str) -> tuple[str, Version]:
    if here in by_stage:
        return "stage", by_stage[here]
    if "" in by_stage:
        return "scenario", by_stage[""]
    return "default", DEFAULT
