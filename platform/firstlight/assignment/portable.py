"""Conditions as every GrowthBook SDK reads them alike. Pure.

The SDKs differ where types do: JavaScript finds "5" equal to 5, null less than 1, and knows no `$notRegex`. Every
comparison is therefore written with the type that it is about, and with operators that all of them have. Read off the
npm SDK 1.8 and the PyPI SDK 4.0 on 24 November 2026.
"""

import re
from collections.abc import Iterable, Mapping
from typing import Any

from .targeting.conditions import JOINS, is_operators, kind

Condition = dict[str, Any]

NEVER: Condition = {"$in": []}
ALWAYS: Condition = {"$nin": []}
TYPED = frozenset({"$lt", "$lte", "$gt", "$gte", "$veq", "$vlt", "$vlte", "$vgt", "$vgte", "$regex", "$regexi"})
OPPOSITES = {"$vne": "$veq", "$notRegex": "$regex", "$notRegexi": "$regexi"}
PATTERNS = frozenset({"$regex", "$regexi"})
FIELD = "__none"  # of no element: shows the npm SDK that joins are about an element's fields
# RE2, JavaScript and Python agree on these: plain characters, groups that only group, escaped punctuation.
PLAIN_PATTERN = re.compile(r"(?:(?!\[:)[^\\()]|\\[^A-Za-z0-9]|\\[dwtnr]|\((?!\?)|\(\?:|\))*\Z")


class Unsayable(ValueError):
    """No condition means this to every SDK."""


def portable(condition: Mapping[str, Any]) -> Condition:
    """The same condition, for any SDK. Raises `Unsayable`."""
    return every(one for key, value in condition.items() for one in _entry(key, value))


def every(conditions: Iterable[Mapping[str, Any]]) -> Condition:
    """All of these as one, without $and where none is needed."""
    kept = [dict(one) for one in conditions if one]
    names = [name for one in kept for name in one]
    if len(names) == len(set(names)):
        return {name: value for one in kept for name, value in one.items()}
    return {"$and": kept}


def _entry(key: str, value: Any) -> list[Condition]:
    if key == "$not":
        return [{"$not": portable(value)}]
    if key in JOINS:
        return [{key: [portable(one) for one in value]}]
    return [{key: one} for one in _tests(value)]


def _tests(wanted: Any) -> list[Any]:
    """What one value must be: sets of operators that all must hold, as few as their names allow."""
    if not is_operators(wanted):
        return [wanted if isinstance(wanted, list | dict) else {"$eq": wanted}]
    sets: list[Condition] = []
    for name, operand in wanted.items():
        one = _operator(name, operand)
        at = next((i for i, other in enumerate(sets) if _agree(other, one)), None)
        sets = [*sets, one] if at is None else [*sets[:at], {**sets[at], **one}, *sets[at + 1 :]]
    return sets or [ALWAYS]


def _agree(one: Condition, other: Condition) -> bool:
    return all(one[name] == other[name] for name in one.keys() & other.keys())


def _test(wanted: Any) -> Any:
    """As one set, where there is no name to say one after the other of."""
    sets = _tests(wanted)
    if len(sets) > 1:
        raise Unsayable("Several denials of one element of a list.")
    return sets[0]


def _operator(name: str, operand: Any) -> Condition:
    if name in OPPOSITES:
        return {"$not": _typed(OPPOSITES[name], operand)}
    if name in TYPED:
        return _typed(name, operand)
    if name == "$not":
        return {"$not": _test(operand)}
    if name == "$eq" and isinstance(operand, list | dict):
        return NEVER
    if name == "$ne" and isinstance(operand, list | dict):
        return ALWAYS
    if name in ("$all", "$alli"):
        return {"$all": [_element(one, fold=name == "$alli") for one in operand]}
    if name == "$size":
        return {"$size": _test(operand)}
    return {name: _matched(operand) if name == "$elemMatch" else operand}


def _typed(name: str, operand: Any) -> Condition:
    if name in PATTERNS and not PLAIN_PATTERN.match(operand):
        raise Unsayable(f"“{operand}” is not the same pattern everywhere.")
    return {"$type": kind(operand), name: operand}


def _element(wanted: Any, *, fold: bool) -> Any:
    """One that a list must have, by operators, for a plain value is not compared by type everywhere."""
    if isinstance(wanted, list | dict):
        return wanted
    return {"$type": "string", "$ini": [wanted]} if fold and isinstance(wanted, str) else {"$eq": wanted}


def _matched(wanted: Any) -> Any:
    if is_operators(wanted) and not {*wanted} & {*JOINS}:
        return _test(wanted) if wanted else {}
    return {**portable(wanted), FIELD: {"$exists": False}}
