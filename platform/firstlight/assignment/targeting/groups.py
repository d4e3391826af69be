"""Saved groups: long lists of values with a name, of which a condition only says the name. Pure."""

from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Any

OPERATORS = ("$inGroup", "$notInGroup")
NO_GROUPS: Mapping[str, Any] = {}
KINDS: dict[type, str] = {str: "string", bool: "boolean", int: "number", float: "number", type(None): "null"}


class Group(Collection[Any]):
    """Values as they were given, and ready to be asked for one: made once, however many conditions name it."""

    __slots__ = ("others", "texts", "values")

    def __init__(self, values: Iterable[Any], *, fold: bool = False) -> None:
        self.values = tuple(values)
        plain = [one for one in self.values if type(one) in KINDS]
        self.texts = frozenset(one.lower() if fold else one for one in plain if type(one) is str)
        self.others = frozenset(kept(one) for one in plain if type(one) is not str)

    @classmethod
    def of(cls, values: Iterable[Any]) -> "Group":
        return values if isinstance(values, Group) else cls(values)

    def has(self, value: Any) -> bool:
        return value in self.texts if type(value) is str else type(value) in KINDS and kept(value) in self.others

    def __contains__(self, value: object) -> bool:
        return self.has(value)

    def __iter__(self) -> Iterator[Any]:
        return iter(self.values)

    def __len__(self) -> int:
        return len(self.values)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Group) and self.values == other.values

    def __hash__(self) -> int:
        return hash((self.texts, self.others))


def kept(value: Any) -> tuple[str, Any]:
    """Values of different types are never equal, as 1 and true are in Python."""
    return KINDS[type(value)], value


def resolved(condition: Any, groups: Mapping[str, Any]) -> Any:
    """The condition with groups in the place of their names; one that is not known has no members."""
    if isinstance(condition, Mapping):
        return {
            key: Group.of(groups.get(value, ()))
            if key in OPERATORS and isinstance(value, str)
            else resolved(value, groups)
            for key, value in condition.items()
        }
    return [resolved(one, groups) for one in condition] if isinstance(condition, list) else condition


def named(condition: Any) -> frozenset[str]:
    """Keys of the groups that a condition names, however deep."""
    return frozenset(_named(condition))


def _named(condition: Any) -> Iterator[str]:
    if isinstance(condition, Mapping):
        for key, value in condition.items():
            if key in OPERATORS and isinstance(value, str):
                yield value
            yield from _named(value)
    elif isinstance(condition, list | tuple):
        for one in condition:
            yield from _named(one)
