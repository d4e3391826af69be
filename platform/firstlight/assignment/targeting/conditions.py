"""Who may take part: conditions on the attributes of a request, in the language of the GrowthBook SDKs. Pure.

{"country": {"$in": ["IN", "BR"]}, "app_version": {"$vgte": "5.2.0"}, "$or": [{"platform": "android"}, {"beta": true}]}

A condition is turned into functions once, so that a request only calls them. Values of different types are never equal
and never ordered, a missing attribute is null, as in the SDKs. Regular expressions are RE2's: no pattern that anybody
writes can make a request wait. A saved group is named by its key: {"user_id": {"$inGroup": "testers"}}; one that is not
known has no members.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import Any

import msgspec
import re2

from .groups import NO_GROUPS, Group, resolved

Test = Callable[[Any], bool]
NAMES: dict[type, str] = {str: "string", list: "array", dict: "object"}
JOINS = ("$and", "$or", "$nor")
LONG = 40  # characters of a version that is not remembered
_DIGITS = re.compile(r"[0-9]+\Z")


def compiled(condition: Mapping[str, Any], groups: Mapping[str, Any] = NO_GROUPS) -> Test:
    """Of a condition without `faults`, as a test of {attribute: value}.

    What was made of the same condition before is given again: of ten thousand experiments one changes at a time, and
    making all their tests anew took four fifths of taking over a snapshot.
    """
    try:
        text = msgspec.msgpack.encode(condition)
    except (TypeError, ValueError, OverflowError):  # only what came from JSON is remembered
        text = b"Group"
    return _compiled(resolved(condition, groups)) if b"Group" in text else _made_of(text)


@lru_cache(maxsize=16_384)
def _made_of(condition: bytes) -> Test:
    return _compiled(msgspec.msgpack.decode(condition))


def _compiled(condition: Mapping[str, Any]) -> Test:
    return _all([_entry(key, value) for key, value in condition.items()])


def matches(condition: Mapping[str, Any], attributes: Mapping[str, Any], groups: Mapping[str, Any] = NO_GROUPS) -> bool:
    """Once; who asks often keeps what `compiled` gives.

    >>> matches({"app_version": {"$vgte": "5.2.0"}}, {"app_version": "5.10"})
    True
    """
    return compiled(condition, groups)(attributes)


def _entry(key: str, value: Any) -> Test:
    if key == "$not":
        inner = _compiled(value)
        return lambda attributes: not inner(attributes)
    if key in JOINS:
        return _joined(key, [_compiled(one) for one in value])
    path, test = key.split("."), _value(value)
    if len(path) == 1:
        return lambda attributes: test(attributes.get(key) if type(attributes) is dict else _at(attributes, path))
    return lambda attributes: test(_at(attributes, path))


def _joined(join: str, tests: list[Test]) -> Test:
    if join == "$and":
        return _all(tests)
    some = _any(tests)
    if join == "$or":
        return some if tests else lambda attributes: True
    return (lambda attributes: not some(attributes)) if tests else lambda attributes: False


def _all(tests: Sequence[Test]) -> Test:
    if len(tests) == 1:
        return tests[0]

    def test(given: Any) -> bool:
        for one in tests:  # noqa: SIM110 - `all` makes a generator for each request
            if not one(given):
                return False
        return True

    return test


def _any(tests: Sequence[Test]) -> Test:
    def test(given: Any) -> bool:
        for one in tests:  # noqa: SIM110 - as above
            if one(given):
                return True
        return False

    return test


def _at(attributes: Any, path: list[str]) -> Any:
    for name in path:
        if isinstance(attributes, Mapping):
            attributes = attributes.get(name)
        elif isinstance(attributes, list) and name == "length":
            attributes = len(attributes)
        elif isinstance(attributes, list) and _DIGITS.match(name) and int(name) < len(attributes):
            attributes = attributes[int(name)]
        else:
            return None
    return attributes


def _value(wanted: Any) -> Test:
    """Of one attribute: operators, all of which must hold, or a plain value that it must equal."""
    if type(wanted) is str:
        return lambda given: type(given) is str and given == wanted
    if not is_operators(wanted):
        return lambda given: _same(given, wanted)
    return _all([OPERATORS[name](operand) for name, operand in wanted.items()])


def is_operators(wanted: Any) -> bool:
    return isinstance(wanted, dict) and all(name.startswith("$") for name in wanted)


def kind(value: Any) -> str:
    """Of JSON's types."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "boolean"
    if isinstance(value, int | float):
        return "number"
    return NAMES.get(type(value), "unknown")


def _same(a: Any, b: Any) -> bool:
    if kind(a) != kind(b):
        return False
    if isinstance(a, list):
        return len(a) == len(b) and all(_same(x, y) for x, y in zip(a, b, strict=True))
    if isinstance(a, dict):
        return list(a) == list(b) and all(_same(a[key], b[key]) for key in a)
    return bool(a == b)


def _ordered(holds: Callable[[Any, Any], bool]) -> Callable[[Any], Test]:
    """Two numbers or two strings; strings by UTF-16 code units, as the SDKs of other languages order them."""

    def operator(wanted: Any) -> Test:
        def test(given: Any) -> bool:
            if kind(given) != kind(wanted) or kind(wanted) not in ("number", "string"):
                return False
            return holds(_sortable(given), _sortable(wanted))

        return test

    return operator


def _sortable(value: Any) -> Any:
    return value.encode("utf-16-be", "surrogatepass") if isinstance(value, str) else value


def _versions(holds: Callable[[str, str], bool], *, otherwise: bool = False) -> Callable[[Any], Test]:
    def operator(wanted: Any) -> Test:
        version = padded(wanted)
        return lambda given: holds(_known_padded(given), version) if isinstance(given, str) else otherwise

    return operator


def padded(version: str) -> str:
    """So that versions compare as text: parts in five places, a release after its pre-releases.

    >>> padded("5.9.0") < padded("5.10.0-rc.1") < padded("5.10.0")
    True
    """
    parts = re.split(r"[-.]", re.sub(r"(^v|\+.*$)", "", version or "0"))
    parts = [*parts, "~"] if len(parts) == 3 else parts
    return "-".join(part.rjust(5) if part.isdigit() else part for part in parts)


_padded_before = lru_cache(1_024)(padded)  # clients have few versions, and each request is asked by many conditions


def _known_padded(version: str) -> str:
    return _padded_before(version) if len(version) < LONG else padded(version)


def _pattern(*, fold: bool, found: bool) -> Callable[[Any], Test]:
    def operator(wanted: Any) -> Test:
        pattern = regex(wanted, fold)

        def test(given: Any) -> bool:
            return (isinstance(given, str) and pattern.search(given) is not None) == found

        return test

    return operator


def regex(pattern: str, fold: bool) -> Any:
    options = re2.Options()
    options.case_sensitive = not fold
    options.log_errors = False
    return re2.compile(pattern, options)


def _among(*, fold: bool, found: bool) -> Callable[[Any], Test]:
    def operator(wanted: Any) -> Test:
        group = Group(wanted, fold=True) if fold else Group.of(wanted)
        texts, has = group.texts, group.has

        def test(given: Any) -> bool:
            if type(given) is str:
                return ((given.lower() if fold else given) in texts) == found
            several = given if isinstance(given, list) else [given]
            return any(has(_folded(one) if fold else one) for one in several) == found

        return test

    return operator


def _folded(value: Any) -> Any:
    return value.lower() if isinstance(value, str) else value


def _every(*, fold: bool) -> Callable[[Any], Test]:
    def operator(wanted: Any) -> Test:
        tests = [_value(_folded(one) if fold else one) for one in wanted]

        def test(given: Any) -> bool:
            if not isinstance(given, list):
                return False
            items = [_folded(item) for item in given] if fold else given
            return all(any(one(item) for item in items) for one in tests)

        return test

    return operator


def _element(wanted: Any) -> Test:
    test = _value(wanted) if is_operators(wanted) and not {*wanted} & {*JOINS} else _compiled(wanted)
    return lambda given: isinstance(given, list) and any(test(item) for item in given if item is not None)


def _size_is(wanted: Any) -> Test:
    test = _value(wanted)
    return lambda given: isinstance(given, list) and test(len(given))


def _not(wanted: Any) -> Test:
    test = _value(wanted)
    return lambda given: not test(given)


def _equals(wanted: Any) -> Test:
    if type(wanted) is str:
        return _value(wanted)
    if isinstance(wanted, list | dict):
        return lambda given: False
    return lambda given: not isinstance(given, list | dict) and _same(given, wanted)


def _differs(wanted: Any) -> Test:
    test = _equals(wanted)
    return lambda given: not test(given)


OPERATORS: dict[str, Callable[[Any], Test]] = {
    "$eq": _equals,
    "$ne": _differs,
    "$lt": _ordered(lambda a, b: bool(a < b)),
    "$lte": _ordered(lambda a, b: bool(a <= b)),
    "$gt": _ordered(lambda a, b: bool(a > b)),
    "$gte": _ordered(lambda a, b: bool(a >= b)),
    "$veq": _versions(lambda a, b: a == b),
    "$vne": _versions(lambda a, b: a != b, otherwise=True),
    "$vlt": _versions(lambda a, b: a < b),
    "$vlte": _versions(lambda a, b: a <= b),
    "$vgt": _versions(lambda a, b: a > b),
    "$vgte": _versions(lambda a, b: a >= b),
    "$in": _among(fold=False, found=True),
    "$nin": _among(fold=False, found=False),
    "$ini": _among(fold=True, found=True),
    "$nini": _among(fold=True, found=False),
    "$regex": _pattern(fold=False, found=True),
    "$regexi": _pattern(fold=True, found=True),
    "$notRegex": _pattern(fold=False, found=False),
    "$notRegexi": _pattern(fold=True, found=False),
    "$exists": lambda wanted: lambda given: (given is not None) == bool(wanted),
    "$type": lambda wanted: lambda given: kind(given) == wanted,
    "$inGroup": _among(fold=False, found=True),
    "$notInGroup": _among(fold=False, found=False),
    "$all": _every(fold=False),
    "$alli": _every(fold=True),
    "$elemMatch": _element,
    "$size": _size_is,
    "$not": _not,
}
