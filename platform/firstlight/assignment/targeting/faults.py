"""What is wrong with a condition as somebody wrote it. Pure."""

import math
from collections.abc import Iterator, Mapping
from typing import Any

import re2

from .conditions import JOINS, OPERATORS, is_operators, kind, regex
from .groups import OPERATORS as GROUPS

MOST_DEEP, MOST_CONDITIONS, MOST_VALUES, LONGEST_PATTERN = 10, 100, 1_000, 500
TYPES = ("null", "boolean", "number", "string", "array", "object", "unknown")
LISTS = frozenset({"$in", "$nin", "$ini", "$nini", "$all", "$alli"})
PATTERNS = frozenset({"$regex", "$regexi", "$notRegex", "$notRegexi"})
VERSIONS = frozenset({"$veq", "$vne", "$vlt", "$vlte", "$vgt", "$vgte"})
ORDERS = frozenset({"$lt", "$lte", "$gt", "$gte"})


def faults(condition: object) -> list[str]:
    """Everything wrong with a condition as written, in words; empty when it can be evaluated."""
    if not isinstance(condition, dict):
        return ["Write names and conditions in braces: {“country”: “IN”}."]
    found = list(_faults(condition, 0))
    if not found and _size(condition) > MOST_CONDITIONS:
        return [f"At most {MOST_CONDITIONS} conditions."]
    return found


def _faults(condition: Mapping[str, Any], depth: int) -> Iterator[str]:
    if depth > MOST_DEEP:
        yield f"At most {MOST_DEEP} levels of conditions."
        return
    for key, value in condition.items():
        if key in JOINS:
            yield from _joins(key, value, depth)
        elif key == "$not":
            yield from _nested(value, depth) if isinstance(value, dict) else ["“$not” takes a condition in braces."]
        elif key.startswith("$"):
            yield f"“{key}” is no way to join conditions: use $and, $or, $nor or $not."
        else:
            yield from _value_faults(key, value, depth)


def _joins(key: str, value: Any, depth: int) -> Iterator[str]:
    if not isinstance(value, list) or not all(isinstance(one, dict) for one in value):
        yield f"“{key}” takes a list of conditions."
        return
    for one in value:
        yield from _nested(one, depth)


def _nested(condition: Mapping[str, Any], depth: int) -> Iterator[str]:
    yield from _faults(condition, depth + 1)


def _value_faults(name: str, wanted: Any, depth: int) -> Iterator[str]:
    if isinstance(wanted, float) and not math.isfinite(wanted):
        yield f"“{name}” is compared with no number."
    if not is_operators(wanted):
        return
    for operator, operand in wanted.items():
        if operator not in OPERATORS:
            yield f"“{operator}” of “{name}” is no operator: {', '.join(OPERATORS)}."
        elif fault := _operand_fault(operator, operand):
            yield f"“{operator}” of “{name}” {fault}"
        elif operator in ("$not", "$size"):
            yield from _deeper(name, operand, depth)
        elif operator == "$elemMatch":
            yield from _element_faults(name, operand, depth)


def _deeper(name: str, wanted: Any, depth: int) -> Iterator[str]:
    if depth > MOST_DEEP:
        yield f"At most {MOST_DEEP} levels of conditions."
    else:
        yield from _value_faults(name, wanted, depth + 1)


def _element_faults(name: str, wanted: Any, depth: int) -> Iterator[str]:
    operators = is_operators(wanted) and not {*wanted} & {*JOINS}
    yield from _deeper(name, wanted, depth) if operators else _nested(wanted, depth)


def _operand_fault(operator: str, operand: Any) -> str | None:
    if operator in LISTS and not (isinstance(operand, list) and len(operand) <= MOST_VALUES):
        return f"takes a list of at most {MOST_VALUES} values."
    if operator in GROUPS and not (isinstance(operand, str) and operand):
        return "takes the key of a saved group."
    if operator in ("$all", "$alli") and any(is_operators(one) for one in operand):
        return "takes plain values."
    if operator in PATTERNS:
        return _pattern_fault(operand)
    if operator in VERSIONS and not (isinstance(operand, str) and operand):
        return "takes a version as text: “5.2.0”."
    if operator in ORDERS and kind(operand) not in ("number", "string"):
        return "takes a number or text."
    if operator == "$type" and operand not in TYPES:
        return f"takes one of {', '.join(TYPES)}."
    if operator == "$elemMatch" and not isinstance(operand, dict):
        return "takes a condition in braces."
    return None


def _pattern_fault(pattern: Any) -> str | None:
    if not isinstance(pattern, str) or len(pattern) > LONGEST_PATTERN:
        return f"takes a pattern of at most {LONGEST_PATTERN} characters."
    try:
        regex(pattern, fold=False)
    except re2.error as error:
        return f"cannot be read: {_told(error)}."
    return None


def _told(error: Any) -> str:
    reason = error.args[0] if error.args else ""
    return reason.decode(errors="replace") if isinstance(reason, bytes) else str(reason)


def _size(condition: Any) -> int:
    if isinstance(condition, dict):
        return len(condition) + sum(_size(value) for value in condition.values())
    return sum(_size(one) for one in condition) if isinstance(condition, list) else 0
