"""What is published of experiments as a payload for the SDKs of GrowthBook: each unit meets the very arm it meets here.

One feature for each parameter, and `experiment.<key>` for each experiment: the key of the arm is its value. Attributes
are the ids, `scenario`, and what conditions speak of. An SDK takes the first rule that applies where an answer lets the
last one win, so the rules of a parameter stand the other way round. What one experiment leaves to another (a holdout, a
layer, a prerequisite) is a parent condition on its feature.

Left out: switchbacks, interleaving, experiments on items or merchants, discovery campaigns, and experiments whose
condition does not mean the same to every SDK, with those that stand on them. Pure.
Source: GrowthBook's "build your own SDK" specification; tried against the npm SDK 1.8 and the PyPI SDK 4.0.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Any, NamedTuple

from . import special, targeting
from .index import Published
from .portable import Condition, every
from .rules import Arm, Filter, Rule, is_held
from .telling import Telling, holding, telling

MISSING: Condition = {"$in": ["", 0, False, None]}  # an id that an SDK takes for none
NONE: Condition = {"value": {"$exists": False}}  # of a feature: the unit is in no arm
GREATEST = 2**53  # of the whole numbers that JSON carries exactly everywhere
EMPTY = (0.0, 0.0)

Feature = dict[str, Any]


class Way(NamedTuple):
    """An id by which units are dealt, and when."""

    attribute: str
    when: Condition


def payload(published: Published, scenarios: Collection[str], *, lists: bool) -> dict[str, Any]:
    """What an SDK fetches. Anybody may read it: `lists` says whether it has ids of testers and values of saved groups.

    Without them testers are dealt like everybody, and experiments whose conditions name a saved group are left out.
    """
    told = telling(published, frozenset(scenarios), lists=lists)
    named = {name for one in told.conditions.values() for name in targeting.named(one)}
    groups = {name: list(published.groups[name]) for name in sorted(named) if name in published.groups}
    return {"status": 200, "features": dict(_features(told)), "savedGroups": groups}


def _features(told: Telling) -> Iterator[tuple[str, Feature]]:
    setting: dict[str, list[Rule]] = {}
    for rule in reversed([*told.rules.values()]):
        for name in sorted({name for arm in rule.arms for name in arm.parameters}):
            setting.setdefault(name, []).append(rule)
    for name, rules in sorted(setting.items()):
        yield name, {"rules": [one for rule in rules for one in _rules(told, rule, _values(rule, name))]}
    for rule in told.rules.values():
        yield _feature(rule), {"rules": list(_rules(told, rule, {arm.key: arm.key for arm in rule.arms}))}
    for key in sorted(special.required(told.rules.values(), told.published.rules)):
        if key in told.conditions:
            yield _required(key), {"rules": list(_dealt(told, told.published.rules[key]))}


def _values(rule: Rule, name: str) -> dict[str, Any]:
    return {arm.key: arm.parameters[name] for arm in rule.arms if name in arm.parameters}


def _feature(rule: Rule) -> str:
    return f"experiment.{rule.key}"


def _required(key: str) -> str:
    """The arm as prerequisites see it: whatever the scenario, and whoever stands back in a layer."""
    return f"required.{key}"


def _rules(told: Telling, rule: Rule, values: Mapping[str, Any]) -> Iterator[Feature]:
    """Of one experiment in one feature; an arm without a value leaves it to the rules that follow."""
    scenario = _here(told, rule)
    earlier, others = _colliding(told, rule)
    for arm, listed in _testers(told, rule):
        if arm.key in values:
            conditions = [scenario, listed, *_not_forced(told, earlier)]
            yield _with({"id": rule.key, "force": values[arm.key]}, conditions, _not_met(earlier))
    if _is_met(told, rule):
        parents = [*_held(told, rule), *_not_met(others), *_requirements(rule)]
        for way in _ways(rule):
            conditions = [scenario, *_who(told, rule, way), *_not_forced(told, others)]
            yield _with(_experiment(rule, way, values), conditions, parents)


def _dealt(told: Telling, rule: Rule) -> Iterator[Feature]:
    """Without tracking, for this is no exposure; a sticky one has to be an experiment all the same."""
    for arm, listed in _testers(told, rule):
        yield _with({"id": rule.key, "force": arm.key}, [listed], [])
    if not _is_met(told, rule):
        return
    for where, held in _places(told, rule):
        parents = [*_requirements(rule), *held]
        for way in _ways(rule):
            conditions = [where, *_who(told, rule, way)]
            if rule.sticky:
                yield _with(_experiment(rule, way, {arm.key: arm.key for arm in rule.arms}), conditions, parents)
                continue
            for arm, span in _spans(rule):
                yield _with({"force": arm.key, "range": span, **_hashed(rule, way)}, conditions, parents)


def _places(told: Telling, rule: Rule) -> list[tuple[Condition, list[Feature]]]:
    """What was shipped is held back where it is shown; elsewhere prerequisites ask for the bare arm."""
    held = _held(told, rule) if rule.type == "shipped" else []
    return [(_here(told, rule), held), ({"$not": _here(told, rule)}, [])] if held else [({}, [])]


def _experiment(rule: Rule, way: Way, values: Mapping[str, Any]) -> Feature:
    spans = _spans(rule)
    return {
        "id": rule.key,
        "key": rule.key,
        "phase": str(rule.phase),
        "variations": [values.get(arm.key) for arm, _ in spans],
        "ranges": [span for _, span in spans],
        "meta": [{"key": arm.key} | ({} if arm.key in values else {"passthrough": True}) for arm, _ in spans],
        **_hashed(rule, way),
        **_kept(rule, way),
    }


def _hashed(rule: Rule, way: Way) -> Feature:
    shares = [one for one in (rule.layer, *rule.further) if one]
    told: Feature = {"seed": rule.seed, "hashVersion": 2, "hashAttribute": way.attribute}
    return told | ({"filters": [_filter(one, way) for one in shares]} if shares else {})


def _filter(share: Filter, way: Way) -> dict[str, Any]:
    return {"seed": share.seed, "hashVersion": 2, "attribute": way.attribute, "ranges": [share.range]}


def _kept(rule: Rule, way: Way) -> Feature:
    if not rule.sticky:
        return {"disableStickyBucketing": True}
    told: Feature = {"bucketVersion": rule.since_phase, "minBucketVersion": rule.refused_before}
    return told | ({"fallbackAttribute": rule.fallback} if rule.fallback and not way.when else {})


def _spans(rule: Rule) -> list[tuple[Arm, tuple[float, float]]]:
    """Two at least, since SDKs take no experiment of one; an arm of several stretches is a variation for each."""
    held = [(rule.arms[i], span) for i, span in rule.spans()]
    idle = [(arm, EMPTY) for arm in rule.arms if arm not in [one for one, _ in held]]
    return [*held, *idle] if len(held) + len(idle) > 1 else [*held, *idle, (rule.arms[0], EMPTY)]


def _ways(rule: Rule) -> list[Way]:
    own = Way(rule.unit, {})
    return [own, Way(rule.fallback, {rule.unit: MISSING})] if rule.fallback and rule.sticky else [own]


def _who(told: Telling, rule: Rule, way: Way) -> list[Condition]:
    listed = [{"$not": one} for _, one in _testers(told, rule)]
    return [told.conditions[rule.key], way.when, *listed]


def _testers(told: Telling, rule: Rule) -> Iterator[tuple[Arm, Condition]]:
    """Arms that are forced on ids, which SDKs may be given as numbers."""
    if not told.lists or rule.type not in special.OWN_ARM:
        return
    for arm in rule.arms:
        if ids := [one for key, named in rule.forced.items() if named == arm.key for one in _spellings(key)]:
            by_way = [every([{way.attribute: {"$in": ids}}, way.when]) for way in _ways(rule)]
            yield arm, by_way[0] if len(by_way) == 1 else {"$or": by_way}


def _spellings(key: str) -> list[Any]:
    is_number = key.isascii() and key.isdigit() and key == str(int(key)) and 0 < int(key) < GREATEST
    return [key, int(key)] if is_number else [key]


def _held(told: Telling, rule: Rule) -> list[Feature]:
    """A holdout keeps all its units from what is tried, and its control from what was shipped."""
    found = []
    for one in holding(rule, told.holdouts):
        held = [arm.key for arm in one.arms if is_held(one, arm)]
        allowed = {"value": {"$nin": held}} if rule.type == "shipped" else NONE
        found.append({"id": _feature(one), "condition": allowed})
    return found


def _colliding(told: Telling, rule: Rule) -> tuple[list[Rule], list[Rule]]:
    """Experiments of its layers that a unit may meet by more than its bucket: those before which a tester of this one
    stands back, and those before which everybody else does."""
    several = {one.key: one for seed in special.layers(rule) for one in told.loose.get(seed, ())}
    others = [one for key, one in sorted(several.items()) if key != rule.key and told.meeting(rule, one)]
    earlier = [one for one in others if one.key < rule.key]
    kept = earlier if special.asks_all(rule) else others
    return [one for one in earlier if _may_share(rule, one)], [one for one in kept if _may_share(rule, one)]


def _may_share(rule: Rule, other: Rule) -> bool:
    """Buckets of a layer keep apart those who are hashed by the same id, and nothing else."""
    loose = any(one.forced or one.sticky for one in (rule, other))
    return loose or rule.unit != other.unit


def _not_met(others: Iterable[Rule]) -> list[Feature]:
    return [{"id": _feature(one), "condition": NONE} for one in others if special.asks_all(one)]


def _not_forced(told: Telling, others: Iterable[Rule]) -> list[Condition]:
    """One that only has testers is a plain one to all others."""
    plain = (one for one in others if not special.asks_all(one))
    return [{"$not": every([_here(told, one), listed])} for one in plain for _, listed in _testers(told, one)]


def _here(told: Telling, rule: Rule) -> Condition:
    return {"scenario": {"$in": told.here(rule)}}


def _requirements(rule: Rule) -> list[Feature]:
    return [{"id": _required(one.experiment), "condition": {"value": {"$in": list(one.arms)}}} for one in rule.requires]


def _is_met(told: Telling, rule: Rule) -> bool:
    """One that requires what is not published gives nobody an arm."""
    return all(one.experiment in told.conditions for one in rule.requires)


def _with(rule: Feature, conditions: Iterable[Condition], parents: list[Feature]) -> Feature:
    condition = every(conditions)
    said = {"condition": condition} if condition else {}
    return {**rule, **said, **({"parentConditions": parents} if parents else {})}
