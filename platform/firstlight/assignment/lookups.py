"""A rule, ready to be asked: one byte per bucket says which arm it gives, so that a unit costs a hash and an index.

The table holds exactly the SDKs' answers for all 10,000 points that the hash can give.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Any, NamedTuple

from fnv_hash_fast import fnv1a_32

from . import targeting
from .hashing import BUCKETS, bucket, digits
from .rules import Arm, Filter, Range, Rule

NOBODY = 255  # in a table: no arm; so an experiment has at most 255
Met = tuple[Rule, Arm]
Hashed = tuple[bytes, bytes, tuple[Met, ...]]  # table, seed, and what is given: of a rule that asks for no more
Test = Callable[[Any], bool]


class Lookup(NamedTuple):
    rule: Rule
    table: bytes  # position of the arm for every bucket, or NOBODY
    test: Test | None  # of the attributes
    # What follows is the rule's, in the form in which `met` reads it.
    unit: str
    seed: bytes
    given: tuple[Met, ...]  # by position
    further: tuple[Filter, ...]

    @classmethod
    def of(cls, rule: Rule, groups: Mapping[str, Any] = targeting.NO_GROUPS) -> "Lookup":
        test = targeting.compiled(rule.condition, groups) if rule.condition else None
        given = tuple((rule, arm) for arm in rule.arms)
        return cls(
            rule,
            _table(tuple(rule.spans())),
            test,
            rule.unit,
            rule.seed.encode("utf-8", "surrogatepass"),
            given,
            rule.further,
        )

    @property
    def hashed(self) -> Hashed | None:
        """None where more than the hash decides."""
        return None if self.test or self.further else (self.table, self.seed, self.given)

    def arm(self, key: str, attributes: Mapping[str, Any]) -> Arm | None:
        """Of the unit with this id, wherever its own layer puts it."""
        position = self.table[bucket(self.rule.seed, key)]
        if position == NOBODY or (self.test and not self.test(attributes)):
            return None
        return self.rule.arms[position] if all(one.has(key) for one in self.further) else None


def dealt(hashed: Iterable[Hashed], key: bytes) -> list[Met]:
    """What the unit with this id sees of these, in their order; id and seeds are ASCII.

    The same as `Lookup.arm` for each, written out, since this is where a request spends its time.
    """
    return [
        given[position]
        for table, seed, given in hashed
        if (position := table[fnv1a_32(digits(fnv1a_32(seed + key))) % BUCKETS]) != NOBODY
    ]


def met(lookups: Iterable[Lookup], unit: Mapping[str, str], attributes: Mapping[str, Any]) -> list[Met]:
    """The same where ids differ in kind, and conditions and further shares have a say. For others: `met_by_any`."""
    ids = {name: key.encode() for name, key in unit.items()}
    found = []
    for _, table, test, name, seed, given, further in lookups:
        if key := ids.get(name):
            position = table[fnv1a_32(digits(fnv1a_32(seed + key))) % BUCKETS]
            if (
                position != NOBODY
                and (test is None or test(attributes))
                and (not further or all(one.has(unit[name]) for one in further))
            ):
                found.append(given[position])
    return found


def met_by_any(lookups: Iterable[Lookup], unit: Mapping[str, str], attributes: Mapping[str, Any]) -> list[Met]:
    """What a unit sees of these, in their order, whatever its ids are made of."""
    return [
        (lookup.rule, arm)
        for lookup in lookups
        if (key := unit.get(lookup.unit)) and (arm := lookup.arm(key, attributes))
    ]


class Layer(NamedTuple):
    """Running experiments of one layer and kind of unit: one hash tells which of them, if any, has the unit."""

    seed: str
    unit: str
    edges: tuple[int, ...]  # buckets at which the holder changes
    holders: tuple[Lookup | None, ...]  # before the first edge, between the edges, from the last one on

    @classmethod
    def of(cls, seed: str, unit: str, held: Sequence[Lookup]) -> "Layer":
        """Where two overlap, which the database rules out, the first one has it."""
        spans = [(one.rule.layer.first, one.rule.layer.end, one) for one in held if one.rule.layer]
        edges = sorted({edge for first, end, _ in spans for edge in (first, end)})
        holders: list[Lookup | None] = [None] * (len(edges) + 1)
        for first, end, one in reversed(spans):
            after, last = bisect_left(edges, first) + 1, bisect_left(edges, end)
            holders[after : last + 1] = [one] * (last + 1 - after)
        return cls(seed, unit, tuple(edges), tuple(holders))

    @property
    def name(self) -> tuple[str, str]:
        return self.seed, self.unit

    def only(self, kept: Mapping[str, Lookup]) -> "Layer":
        """With those of its holders that are kept, by key; the buckets of others are nobody's."""
        return self._replace(holders=tuple(one and kept.get(one.rule.key) for one in self.holders))

    def met(self, unit: Mapping[str, str], attributes: Mapping[str, Any]) -> Met | None:
        if not (key := unit.get(self.unit)):
            return None
        holder = self.holders[bisect_right(self.edges, bucket(self.seed, key))]
        arm = holder.arm(key, attributes) if holder else None
        return (holder.rule, arm) if holder and arm else None


@lru_cache(4096)  # nearly all experiments are split in one of a few ways: one table for each way
def _table(spans: tuple[tuple[int, Range], ...]) -> bytes:
    table = bytearray([NOBODY]) * BUCKETS
    for i, span in reversed(spans):  # where two overlap the first arm has it
        first, end = (_edge(point) for point in span)
        table[first:end] = bytes([i]) * (end - first)
    return bytes(table)


def _edge(point: float) -> int:
    """The first bucket b with b/10,000 not under this point, compared as floats like the SDKs do."""
    near = max(0, int(point * BUCKETS) - 1)
    return next((b for b in range(near, BUCKETS) if b / BUCKETS >= point), BUCKETS)
