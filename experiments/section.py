"""What serving knows of experiments: one rule for each that runs or was shipped."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from hashlib import sha256
from typing import Any

import msgspec

from experiments import stamps
from experiments.models import Experiment, Layer, SavedGroup, Type
from firstlight.assignment import answers, deals, rules, targeting
from firstlight.assignment.index import Published
from firstlight.assignment.rules import Arm, Filter, Requirement, Rule
from firstlight.snapshots.sections import Request

name = "experiments"

GROUP = "group:"  # begins the name of a part that is a saved group
Part = Rule | list[Any]  # or the values of a saved group
RELATED = ("arms", "scenarios", "further_layers__layer", "requires__required")
_decoder: msgspec.msgpack.Decoder[Part] = msgspec.msgpack.Decoder(Part)


def compile(at: datetime) -> dict[str, bytes]:
    """One part per experiment that runs or was shipped. A paused one is as if it were not there."""
    return {name: payload for name, payload in recompile(at, frozenset()).items() if payload is not None}


def recompile(at: datetime, known: Collection[str]) -> dict[str, bytes | None]:
    """The same; None for what has a name among `known`, which is neither read nor made."""
    before = [*stamps.live()]
    made = _made([one.key for one in before if one.name not in known])
    after = {one.key: one.name for one in (stamps.live() if made else ())}
    parts: dict[str, bytes | None] = {one.name: None for one in before if one.name in known}
    for one in before:
        if payload := made.get(one.key):
            # What changed while it was read is named by what was read, so that no stamp ever names other bytes.
            steady = after.get(one.key) == one.name
            parts[one.name if steady else f"{one.key}@{sha256(payload).hexdigest()}"] = payload
    conditions = [msgspec.json.decode(one.condition) for one in before if one.condition]
    return {**parts, **_groups({name for condition in conditions for name in targeting.named(condition)})}


def _made(keys: Sequence[str]) -> dict[str, bytes]:
    """{key: rule as bytes}."""
    if not keys:
        return {}
    rows = Experiment.objects.filter(key__in=keys).select_related("layer").prefetch_related(*RELATED)
    return {row.key: msgspec.msgpack.encode(rule_of(row), order="sorted") for row in rows}


def load(payload: bytes) -> Rule | targeting.Group:
    """A group is made ready once, with whatever many members, and held as long as its values stay."""
    part = _decoder.decode(payload)
    return part if isinstance(part, Rule) else targeting.Group.of(part)


def shown(part: Rule | Collection[Any]) -> dict[str, Any]:
    """What people read of a part where two versions are compared."""
    if not isinstance(part, Rule):
        return {"values": len(part)}
    told: dict[str, Any] = msgspec.to_builtins(part)
    return told


def gather(parts: Mapping[str, Rule | Collection[Any]]) -> Published:
    groups = {name.removeprefix(GROUP): part for name, part in parts.items() if not isinstance(part, Rule)}
    return Published.of((part for part in parts.values() if isinstance(part, Rule)), groups)


def decide(state: Published, request: Request, answer: dict[str, Any]) -> None:
    answers.decide(state, request, answer)


def rule_of(experiment: Experiment) -> Rule:
    """What its rows say, as a value."""
    arms = sorted(experiment.arms.all(), key=lambda arm: arm.position)
    kept = tuple(Arm(arm.key, float(arm.weight), arm.parameters, arm.objective_weights) for arm in arms)
    common = {
        "key": experiment.key,
        "phase": experiment.phase,
        "seed": rules.seed(experiment.key, experiment.dealt_in),
        "unit": experiment.unit,
        "scenarios": tuple(sorted(scenario.key for scenario in experiment.scenarios.all())),
        "condition": experiment.targeting,
        "scope": _scope(experiment),
        "since_phase": experiment.dealt_in,
    }
    return _shipped(experiment, kept, common) if experiment.decision else _running(experiment, kept, common)


def _running(experiment: Experiment, arms: tuple[Arm, ...], common: dict[str, Any]) -> Rule:
    coverage = float(experiment.coverage)
    shares = [_filter(*share) for share in _shares(experiment)]
    return Rule(
        arms=arms,
        coverage=coverage,
        ranges=rules.ranges([arm.weight for arm in arms], coverage),
        layer=shares[0] if shares else None,
        type=experiment.type,
        further=tuple(shares[1:]),
        switch_hours=experiment.switch_hours if experiment.type == Type.SWITCHBACK else 0,
        pieces=_pieces(experiment, arms),
        forced=experiment.testers,
        requires=_requires(experiment),
        fallback=experiment.fallback if experiment.sticky else "",
        sticky=experiment.sticky,
        refused_before=experiment.refused_before,
        **common,
    )


def _pieces(experiment: Experiment, arms: tuple[Arm, ...]) -> tuple[tuple[rules.Range, ...], ...]:
    if not experiment.pieces:
        return ()
    return deals.pieces(deals.read(experiment.pieces), [arm.key for arm in arms], float(experiment.coverage))


def _requires(experiment: Experiment) -> tuple[Requirement, ...]:
    lines = sorted(experiment.requires.all(), key=lambda line: line.required.key)
    return tuple(Requirement(line.required.key, tuple(line.arms)) for line in lines)


def _groups(keys: Collection[str]) -> dict[str, bytes]:
    """Those that a rule names, so that nobody holds the members of another."""
    rows = SavedGroup.objects.filter(key__in=keys).order_by("key").values_list("key", "values")
    return {f"{GROUP}{key}": msgspec.msgpack.encode(values) for key, values in rows.iterator()}


def _shipped(experiment: Experiment, arms: tuple[Arm, ...], common: dict[str, Any]) -> Rule:
    """For everybody the arm that was shipped, but for the share that is held back in the control."""
    back = float(experiment.holdback)
    control, chosen = arms[0], next(arm for arm in arms if arm.key == experiment.shipped_arm)
    both = (msgspec.structs.replace(control, weight=back), msgspec.structs.replace(chosen, weight=1 - back))
    return Rule(arms=both, coverage=1.0, ranges=((0.0, back), (back, 1.0)), type="shipped", **common)


def _scope(experiment: Experiment) -> str:
    return rules.layer_seed(experiment.layer.key) if experiment.layer else ""


def _shares(experiment: Experiment) -> list[tuple[Layer, int, int]]:
    own = [(experiment.layer, experiment.first_bucket, experiment.end_bucket)] if experiment.layer else []
    return own + [(one.layer, one.first_bucket, one.end_bucket) for one in experiment.further_layers.all()]


def _filter(layer: Layer, first: int, end: int) -> Filter:
    return Filter(rules.layer_seed(layer.key), first, end)
