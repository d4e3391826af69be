"""Experiments that the fast path leaves alone, and what a request wishes. Pure.

An arm that is forced comes before all else, a holdout too. Then what the unit brings along (`sticky`), then hash, layer
and condition as ever, for units that are in the required arms of other experiments. Which arm that is, the other's own
rule says, whatever the scenario; the rule of one that is paused or stopped is not published, and so gives none.
"""

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from . import sticky
from .lookups import Lookup
from .rules import SHARED, Arm, Requirement, Rule, Wishes

if TYPE_CHECKING:
    from .index import Index

OWN_ARM = frozenset({"ab", "aa"})  # types that give each unit an arm of its own, for as long as they run
REQUIRABLE = OWN_ARM | {"holdout", "shipped"}
MOST_DEEP = 20  # prerequisites of prerequisites

Assigned = list[tuple[Rule, Arm]]


def is_special(rule: Rule) -> bool:
    """Whether its arm follows from more than hash, layer and condition."""
    return rule.type in OWN_ARM and bool(rule.forced or rule.requires or rule.sticky)


def asks_all(rule: Rule) -> bool:
    """Whether that is so for every unit, not for its testers alone."""
    return bool(rule.requires or rule.sticky)


def assign(
    index: "Index", unit: Mapping[str, str], attributes: Mapping[str, Any], wishes: Wishes, found: Assigned
) -> Assigned:
    """What the unit sees in all: `found` is what hash, layer and condition say.

    A layer shows one experiment: where an arm is forced or brought along, the one that has the bucket stands back.
    """
    asking = _Asking(index, unit, attributes, wishes, _decided(index, unit, wishes, found))
    special = {key: arm for key in _open(index, unit, wishes, found) if (arm := _arm_of(asking, key))}
    ours = _apart([(index.known[key].rule, arm) for key, arm in special.items()])
    taken = {seed for rule, _ in ours for seed in layers(rule)}
    plain = [one for one in found if one[0].key not in special and not taken & layers(one[0])]
    first = [one for one in plain if one[0].type not in OWN_ARM]
    rest = [one for one in plain if one[0].type in OWN_ARM]
    return first + sorted(rest + ours, key=lambda one: one[0].key)


def required(rules: Iterable[Rule], others: Mapping[str, Rule]) -> dict[str, Rule]:
    """What these name as their prerequisites, and what those name, as far as it is published."""
    found: dict[str, Rule] = {}
    waiting = [key for rule in rules for key in _names(rule)]
    while waiting:
        key = waiting.pop()
        if key in others and key not in found:
            found[key] = others[key]
            waiting += _names(others[key])
    return found


def _names(rule: Rule) -> list[str]:
    return [one.experiment for one in rule.requires]


def forced(rule: Rule, unit: Mapping[str, str], wishes: Wishes) -> Arm | None:
    """The arm that a preview link or the list of testers names, the link first."""
    if rule.type not in OWN_ARM or rule.unit in SHARED:
        return None
    listed = own[1] if rule.forced and (own := sticky.hashed(rule, unit)) else ""
    wanted = wishes.forced.get(rule.key) or rule.forced.get(listed)
    return next((arm for arm in rule.arms if arm.key == wanted), None) if wanted else None


def all_forced(met: Iterable[tuple[Rule, Arm]], unit: Mapping[str, str], wishes: Wishes) -> frozenset[str]:
    """Keys of experiments whose arm was forced on this unit."""
    return frozenset(rule.key for rule, _ in met if forced(rule, unit, wishes))


class _Asking(NamedTuple):
    """One request, and what was found out so far."""

    here: "Index"  # a tuple has an `index` of its own
    unit: Mapping[str, str]
    attributes: Mapping[str, Any]
    wishes: Wishes
    decided: dict[str, Arm | None]  # by experiment


def _decided(index: "Index", unit: Mapping[str, str], wishes: Wishes, found: Assigned) -> dict[str, Arm | None]:
    """What needs no looking up: the arm of every experiment that the fast path decides and somebody requires."""
    arms = {rule.key: arm for rule, arm in found}
    plain = (key for key in index.required if key in index.known and not is_special(index.known[key].rule))
    return {key: forced(index.known[key].rule, unit, wishes) or arms.get(key) for key in plain}


def _open(index: "Index", unit: Mapping[str, str], wishes: Wishes, found: Assigned) -> list[str]:
    """Experiments to decide, by key. Who is in a holdout meets only what is forced."""
    wanted = {key for key in wishes.forced if key in index.known and forced(index.known[key].rule, unit, wishes)}
    is_held = any(rule.type == "holdout" and not rule.scope for rule, _ in found)
    special = (one.rule for one in index.special)
    return sorted(wanted | {one.key for one in special if (asks_all(one) and not is_held) or forced(one, unit, wishes)})


def _arm_of(asking: _Asking, key: str, deep: int = 0) -> Arm | None:
    """Each experiment is decided once; one that is asked for while it is being decided has no arm."""
    if key not in asking.decided:
        asking.decided[key] = None
        lookup = asking.here.known.get(key) or asking.here.required.get(key)
        if lookup and deep <= MOST_DEEP and lookup.rule.type in REQUIRABLE:
            asking.decided[key] = _arm(asking, lookup, deep)
    return asking.decided[key]


def _arm(asking: _Asking, lookup: Lookup, deep: int) -> Arm | None:
    rule, unit, wishes = lookup.rule, asking.unit, asking.wishes
    if arm := forced(rule, unit, wishes):
        return arm
    if not (own := sticky.hashed(rule, unit)):
        return None
    if rule.sticky and wishes.sticky:
        if sticky.is_refused(rule, unit, wishes.sticky):
            return None
        if arm := sticky.brought(rule, unit, wishes.sticky):
            return arm
    if rule.layer and not rule.layer.has(own[1]):
        return None
    if not all(_is_in(asking, one, deep) for one in rule.requires):
        return None
    return lookup.arm(own[1], asking.attributes)


def _is_in(asking: _Asking, required: Requirement, deep: int) -> bool:
    arm = _arm_of(asking, required.experiment, deep + 1)
    return arm is not None and arm.key in required.arms


def layers(rule: Rule) -> frozenset[str]:
    """Seeds of the layers in which a test excludes others."""
    if rule.type not in OWN_ARM:
        return frozenset()
    return frozenset(one.seed for one in (rule.layer, *rule.further) if one)


def _apart(met: Assigned) -> Assigned:
    """Of several in one layer the first by key."""
    taken: set[str] = set()
    kept = []
    for rule, arm in met:
        if not taken & layers(rule):
            kept.append((rule, arm))
            taken |= layers(rule)
    return kept
