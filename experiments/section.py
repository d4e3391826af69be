"""What serving knows of experiments: one rule for each that runs or was shipped."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from hashlib import sha256
from typing import Any, NamedTuple, TypeVar

import msgspec

from experiments import stamps
from experiments.models import Arm as ArmRow
from experiments.models import Experiment, FurtherLayer, Layer, Prerequisite, SavedGroup, Type
from firstlight.assignment import answers, deals, rules, targeting
from firstlight.assignment.index import Published
from firstlight.assignment.rules import Arm, Filter, Requirement, Rule
from firstlight.snapshots.sections import Request

name = "experiments"

GROUP = "group:"  # begins the name of a part that is a saved group
Part = Rule | list[Any]  # or the values of a saved group
_decoder: msgspec.msgpack.Decoder[Part] = msgspec.msgpack.Decoder(Part)

R = TypeVar("R", ArmRow, FurtherLayer, Prerequisite)


class Around(NamedTuple):
    """The rows about one experiment."""

    arms: Sequence[ArmRow]  # by position
    scenarios: Sequence[str]  # keys
    further: Sequence[FurtherLayer]
    requires: Sequence[Prerequisite]


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
    rows = Experiment.objects.filter(key__in=keys).select_related("layer")
    return {rule.key: msgspec.msgpack.encode(rule, order="sorted") for rule in rules_of(list(rows))}


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


def rules_of(experiments: Sequence[Experiment]) -> Iterator[Rule]:
    """What their rows say, as values, one by one."""
    told = {"experiment__in": [one.pk for one in experiments]}
    arms = _by_experiment(ArmRow.objects.filter(**told).order_by("position"))
    further = _by_experiment(FurtherLayer.objects.filter(**told).select_related("layer").order_by("layer__key"))
    requires = _by_experiment(Prerequisite.objects.filter(**told).select_related("required"))
    scenarios: dict[int, list[str]] = defaultdict(list)
    for pk, key in Experiment.scenarios.through.objects.filter(**told).values_list("experiment_id", "scenario__key"):
        scenarios[pk].append(key)
    for one in experiments:
        yield _rule(one, Around(arms[one.pk], scenarios[one.pk], further[one.pk], requires[one.pk]))


def _by_experiment(rows: Iterable[R]) -> Mapping[int, list[R]]:
    """Of a query for many: related managers for each of 10,000 cost more time than their rows."""
    found: dict[int, list[R]] = defaultdict(list)
    for row in rows:
        found[row.experiment_id].append(row)
    return found


def _rule(experiment: Experiment, around: Around) -> Rule:
    arms = tuple(Arm(arm.key, float(arm.weight), arm.parameters, arm.objective_weights) for arm in around.arms)
    common = {
        "key": experiment.key,
        "phase": experiment.phase,
        "seed": rules.seed(experiment.key, experiment.dealt_in),
        "unit": experiment.unit,
        "scenarios": tuple(sorted(around.scenarios)),
        "condition": experiment.targeting,
        "scope": _scope(experiment),
        "since_phase": experiment.dealt_in,
    }
    return _shipped(experiment, arms, common) if experiment.decision else _running(experiment, around, arms, common)


def _running(experiment: Experiment, around: Around, arms: tuple[Arm, ...], common: dict[str, Any]) -> Rule:
    coverage = float(experiment.coverage)
    shares = [_filter(*share) for share in _shares(experiment, around.further)]
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
        requires=_requires(around.requires),
        fallback=experiment.fallback if experiment.sticky else "",
        sticky=experiment.sticky,
        refused_before=experiment.refused_before,
        **common,
    )


def _pieces(experiment: Experiment, arms: tuple[Arm, ...]) -> tuple[tuple[rules.Range, ...], ...]:
    if not experiment.pieces:
        return ()
    return deals.pieces(deals.read(experiment.pieces), [arm.key for arm in arms], float(experiment.coverage))


def _requires(rows: Iterable[Prerequisite]) -> tuple[Requirement, ...]:
    lines = sorted(rows, key=lambda line: line.required.key)
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


def _shares(experiment: Experiment, further: Iterable[FurtherLayer]) -> list[tuple[Layer, int, int]]:
    own = [(experiment.layer, experiment.first_bucket, experiment.end_bucket)] if experiment.layer else []
    return own + [(one.layer, one.first_bucket, one.end_bucket) for one in further]


def _filter(layer: Layer, first: int, end: int) -> Filter:
    return Filter(rules.layer_seed(layer.key), first, end)
