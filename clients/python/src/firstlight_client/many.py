"""The arms of many units in one experiment, for jobs: vectorised where NumPy is there and the rule allows."""

from collections.abc import Mapping, Sequence
from typing import Any

from .assignment import special
from .assignment.index import Index
from .assignment.lookups import Lookup
from .assignment.rules import SHARED
from .errors import FirstlightError
from .holding import Rules

PLAIN = frozenset({"ab", "aa", "shipped"})  # types of which the unit's own hash says the arm


def variants(
    rules: Rules, experiment: str, scenario: str, ids: Sequence[str], attributes: Sequence[Mapping[str, Any]] | None
) -> list[str | None]:
    """Of each id, of the kind that the experiment hashes: what `assign` says of a unit that has this id alone.

    Of items and merchants, which an answer leaves to the caller: the arm by which to show each.
    Raises FirstlightError for an experiment that is not published in the scenario.
    """
    index = rules.published.indexes.get(scenario)
    if index is None or experiment not in index.known:
        raise FirstlightError(f"“{experiment}” is not published in “{scenario}”.")
    lookup = index.known[experiment]
    given = attributes if attributes is not None else [{}] * len(ids)
    if _is_by_hash(index, lookup):
        try:
            from .assignment import batch
        except ImportError:  # no NumPy
            pass
        else:
            names = [*(arm.key for arm in lookup.rule.arms), None]  # the last one for `OUTSIDE`, -1
            found = batch.positions(lookup.rule, ids, given, rules.published.groups)
            return [names[place] for place in found.tolist()]
    return [_one(index, lookup, key, of) for key, of in zip(ids, given, strict=True)]


def _is_by_hash(index: Index, lookup: Lookup) -> bool:
    """Not where an arm follows from holdouts, testers, prerequisites or the clock as well."""
    rule = lookup.rule
    if special.is_special(rule):
        return False
    return rule.unit in SHARED or (rule.type in PLAIN and not index.holdouts and not index.special)


def _one(index: Index, lookup: Lookup, key: str, attributes: Mapping[str, Any]) -> str | None:
    rule = lookup.rule
    if rule.unit in SHARED:
        is_here = bool(key) and (rule.layer is None or rule.layer.has(key))
        arm = lookup.arm(key, attributes) if is_here else None
        return arm.key if arm else None
    met = index.assign({rule.unit: key}, attributes)
    return next((arm.key for found, arm in met if found.key == rule.key), None)
