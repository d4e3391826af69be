"""Which experiments can match at all: a request looks at those that its attributes allow, not at all there are.

Most conditions say of some attribute which texts it must be among: {"country": "IN"}, {"segment": {"$in": [...]}}. Each
rule is posted under the texts of the one such attribute that leaves the fewest requests over, and the rest of its
condition is tested as ever; rules without one are always looked at. The answers are those of testing every rule: a
posting stands for exactly that part of the condition which is then left out.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, Generic, NamedTuple, TypeVar

from . import targeting
from .lookups import Lookup
from .settled import Settled

REMEMBERED = 1_024  # combinations of posted texts whose rules are kept together

T = TypeVar("T")
Posted = dict[str, dict[int, Lookup]]  # text -> rules, by their place


class Need(NamedTuple):
    """What must hold of an attribute for a condition to hold: it is one of these texts."""

    attribute: str
    texts: frozenset[str]
    in_lists: bool  # or a list that has one of them
    rest: dict[str, Any]  # the condition without it


class Posting(NamedTuple):
    """The rules that need this attribute."""

    attribute: str
    by_text: Posted
    by_element: Posted  # of a list

    def known(self, value: Any) -> str | frozenset[str] | None:
        """What of this value a rule is posted under."""
        if type(value) is str:
            return value if value in self.by_text else None
        if isinstance(value, list):
            return frozenset(one for one in value if type(one) is str and one in self.by_element) or None
        return None

    def rules(self, known: str | frozenset[str] | None) -> Iterator[dict[int, Lookup]]:
        if isinstance(known, str):
            yield self.by_text[known]
        elif known:
            yield from (self.by_element[one] for one in known)


class Plan(Generic[T]):
    """Rules in order, and what `ready` makes of those that a request may meet."""

    def __init__(
        self,
        lookups: Iterable[Lookup],
        ready: Callable[[Sequence[Lookup]], T],
        groups: Mapping[str, Any] = targeting.NO_GROUPS,
    ) -> None:
        kept = list(enumerate(lookups))
        needs = {place: list(needed(lookup.rule.condition)) for place, lookup in kept}
        spread = _spread(need for found in needs.values() for need in found)
        self._ready, self._groups = ready, groups
        self._always: dict[int, Lookup] = {}
        self._postings: dict[str, Posting] = {}
        self._remembered: dict[tuple[str | frozenset[str] | None, ...], Settled[T]] = {}
        for place, lookup in kept:
            found = min(needs[place], key=lambda need: len(need.texts) / len(spread[need.attribute]), default=None)
            self._post(place, lookup, found)

    def chosen(self, attributes: Mapping[str, Any]) -> T:
        """Of the rules that these attributes may meet; a rule that still has a test is to be tested."""
        known = tuple([one.known(attributes.get(name)) for name, one in self._postings.items()])
        return (self._remembered.get(known) or self._gathered(known)).of(attributes)

    def _post(self, place: int, lookup: Lookup, need: Need | None) -> None:
        if need is None:
            self._always[place] = lookup
            return
        posting = self._postings.setdefault(need.attribute, Posting(need.attribute, {}, {}))
        rest = lookup._replace(test=targeting.compiled(need.rest, self._groups) if need.rest else None)
        for text in need.texts:
            posting.by_text.setdefault(text, {})[place] = rest
            if need.in_lists:
                posting.by_element.setdefault(text, {})[place] = rest

    def _gathered(self, known: tuple[str | frozenset[str] | None, ...]) -> Settled[T]:
        found = dict(self._always)
        for posting, value in zip(self._postings.values(), known, strict=True):
            for rules in posting.rules(value):
                found.update(rules)
        if len(self._remembered) >= REMEMBERED:
            self._remembered.clear()
        self._remembered[known] = settled = Settled([found[place] for place in sorted(found)], self._ready)
        return settled


def needed(condition: Mapping[str, Any]) -> Iterator[Need]:
    """Every attribute of which the condition says, on its own level, which texts it must be among."""
    for name, wanted in condition.items():
        if name == "$and":
            yield from (need._replace(rest=dict(condition)) for one in wanted for need in needed(one))
        elif not name.startswith("$") and "." not in name and (found := _texts(wanted)):
            texts, in_lists, is_all = found
            yield Need(name, texts, in_lists, {k: v for k, v in condition.items() if k != name or not is_all})


def _texts(wanted: Any) -> tuple[frozenset[str], bool, bool] | None:
    """(texts, whether a list may hold them, whether nothing else is wanted)."""
    if type(wanted) is str:
        return frozenset([wanted]), False, True
    if not isinstance(wanted, dict):
        return None
    among = wanted.get("$in")
    if isinstance(among, list) and all(type(one) is str for one in among):
        return frozenset(among), True, len(wanted) == 1
    if type(wanted.get("$eq")) is str:
        return frozenset([wanted["$eq"]]), False, len(wanted) == 1
    return None


def _spread(needs: Iterable[Need]) -> dict[str, set[str]]:
    """By attribute, all texts that some rule needs; with one more, for a need of none."""
    found: dict[str, set[str]] = {}
    for need in needs:
        found.setdefault(need.attribute, {""}).update(need.texts)
    return found
