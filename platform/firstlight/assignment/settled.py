"""Which of some rules' conditions hold, remembered by the values that the conditions read.

Most requests come from a few kinds of clients (country, platform, version): what holds for one holds for the next with
the same values. Where values hardly ever come twice (an age in seconds) nothing is remembered and all is tested.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Generic, TypeVar

from .lookups import Lookup

MOST = 512  # combinations of values
WORTHWHILE = 8  # times that each must have been of use, on average, to begin again when there are more
LONG = 100  # characters of a value that is not remembered

T = TypeVar("T")
UNKNOWN: Any = object()  # of a value that is not remembered


class Settled(Generic[T]):
    """Rules in order, and what `ready` makes of those whose conditions hold."""

    def __init__(self, lookups: Sequence[Lookup], ready: Callable[[Sequence[Lookup]], T]) -> None:
        self._lookups, self._ready = lookups, ready
        self._open = ready(lookups)  # to be tested
        self._read = sorted({name for one in lookups if one.test for name in names(one.rule.condition)})
        self._remembers = bool(self._read)
        self._known: dict[tuple[Any, ...], T] = {}
        self._uses = 0

    def of(self, attributes: Mapping[str, Any]) -> T:
        """Of the rules that these attributes may meet; a rule that still has a test is to be tested."""
        if not self._remembers:
            return self._open
        values = tuple([_remembered(attributes.get(name)) for name in self._read])
        found = self._known.get(values)
        if found is None:
            return self._open if UNKNOWN in values else self._tested(values, attributes)
        self._uses += 1
        return found

    def _tested(self, values: tuple[Any, ...], attributes: Mapping[str, Any]) -> T:
        if len(self._known) >= MOST:
            self._remembers = self._uses >= WORTHWHILE * MOST
            self._known, self._uses = {}, 0
        holding = [one for one in self._lookups if not one.test or one.test(attributes)]
        self._known[values] = found = self._ready([one._replace(test=None) for one in holding])
        return found


def names(condition: Mapping[str, Any]) -> Iterator[str]:
    """Attributes that it reads."""
    for name, wanted in condition.items():
        if name == "$not":
            yield from names(wanted)
        elif name.startswith("$"):
            yield from (inner for one in wanted for inner in names(one))
        else:
            yield name.partition(".")[0]


def _remembered(value: Any) -> Any:
    """Something that is equal for values that no condition tells apart; true is not 1."""
    kind = type(value)
    if kind is str:
        return value if len(value) <= LONG else UNKNOWN
    if value is None or kind is int or kind is float:
        return value
    return (value,) if kind is bool else UNKNOWN
