"""Arms that a unit brings along, so that it keeps the one it has met whatever became of weights, coverage or targeting.

Nothing is stored here: an answer hands out documents in the shape of GrowthBook's sticky buckets, and the next request
brings them back. Semantics: GrowthBook's SDK specification, "sticky bucketing", read on 24 November 2026. Pure.
"""

from collections.abc import Collection, Iterable, Mapping
from typing import Any

from .rules import Arm, Rule

Document = Mapping[str, Any]  # attributeName, attributeValue, assignments: {"<experiment>__<version>": arm}


def hashed(rule: Rule, unit: Mapping[str, str]) -> tuple[str, str] | None:
    """(name, id) by which this unit is dealt: the rule's own, else, of a sticky one, its fallback; None without."""
    for name in (rule.unit, rule.fallback if rule.sticky else ""):
        if name and (key := unit.get(name)):
            return name, key
    return None


def brought(rule: Rule, unit: Mapping[str, str], documents: Mapping[str, Document]) -> Arm | None:
    """The arm that the unit has kept since this deal. What its own id has met comes before that of the fallback."""
    arm = _assignments(rule, unit, documents).get(_name(rule, rule.since_phase))
    return next((one for one in rule.arms if one.key == arm), None)


def is_refused(rule: Rule, unit: Mapping[str, str], documents: Mapping[str, Document]) -> bool:
    """Whether it met a deal that must not take part any more."""
    if not rule.refused_before:
        return False
    met = _assignments(rule, unit, documents)
    return any(_name(rule, version) in met for version in range(rule.refused_before))


def documents(
    met: Iterable[tuple[Rule, Arm]],
    unit: Mapping[str, str],
    known: Mapping[str, Document],
    forced: Collection[str] = (),
) -> dict[str, Document]:
    """What the unit shall bring next time, by "name||id"; nothing of an arm that was forced on it."""
    told: dict[str, Document] = {}
    for rule, arm in met:
        if rule.sticky and rule.key not in forced and (own := hashed(rule, unit)):
            name, key = own
            place = f"{name}||{key}"
            before = told.get(place) or known.get(place) or {}
            assignments = {**before.get("assignments", {}), _name(rule, rule.since_phase): arm.key}
            told[place] = {"attributeName": name, "attributeValue": key, "assignments": assignments}
    return told


def _assignments(rule: Rule, unit: Mapping[str, str], documents: Mapping[str, Document]) -> dict[str, str]:
    found: dict[str, str] = {}
    for name in (rule.fallback, rule.unit):
        if name and name in unit:
            found.update(documents.get(f"{name}||{unit[name]}", {}).get("assignments", {}))
    return found


def _name(rule: Rule, version: int) -> str:
    return f"{rule.key}__{version}"
