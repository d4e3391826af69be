"""Which arm a unit sees: the GrowthBook hash, version 2, over explicit ranges. Pure, and the same in every SDK.

`Lookup` is a rule turned into one byte per bucket, so that a request costs a hash and an index; the table holds exactly
the SDKs' answers for all 10,000 points that the hash can give.

Who is in a holdout meets nothing else of what is tried; of what was shipped, only its measured half. What was shipped
comes before what is tried, so that a test may set a shipped parameter anew.
"""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from itertools import groupby
from typing import Any

from . import special, targeting
from .hashing import BUCKETS, bucket
from .rules import NO_WISHES, Arm, Rule, Wishes, is_held, window

NOBODY = 255  # in a table: no arm; so an experiment has at most 255
Assigned = list[tuple[Rule, Arm]]
Group = Collection[Any]  # values
NOTHING: Mapping[str, Any] = {}
SHARED = frozenset({"item_id", "merchant_id"})  # one answer shows many of them: the caller hashes each


def assign(rule: Rule, unit: Mapping[str, str]) -> Arm | None:
    """The arm of this unit; None without the id that is hashed, outside of the buckets, or of the coverage."""
    found = Index.of([rule]).assign(unit)
    return found[0][1] if found else None


@dataclass(frozen=True, slots=True)
class Lookup:
    rule: Rule
    table: bytes  # position of the arm for every bucket, or NOBODY
    test: Callable[[Any], bool] | None = None  # of the attributes

    @classmethod
    def of(cls, rule: Rule) -> "Lookup":
        table = bytearray([NOBODY]) * BUCKETS
        for i, span in reversed(list(rule.spans())):  # where two overlap the first arm has it
            first, end = (_edge(point) for point in span)
            table[first:end] = bytes([i]) * (end - first)
        return cls(rule, bytes(table), targeting.compiled(rule.condition) if rule.condition else None)

    def arm(self, key: str, attributes: Mapping[str, Any]) -> Arm | None:
        """Of the unit with this id, wherever its own layer puts it."""
        position = self.table[bucket(self.rule.seed, key)]
        if position == NOBODY or (self.test and not self.test(attributes)):
            return None
        return self.rule.arms[position] if all(one.has(key) for one in self.rule.further) else None


@dataclass(frozen=True, slots=True)
class Layer:
    """Running experiments of one layer and kind of unit: one hash tells which of them, if any, has the unit."""

    seed: str
    unit: str
    held: tuple[Lookup, ...]  # disjoint

    def holder(self, key: str) -> Lookup | None:
        point = bucket(self.seed, key)
        for lookup in self.held:
            if lookup.rule.layer and lookup.rule.layer.first <= point < lookup.rule.layer.end:
                return lookup
        return None


@dataclass(frozen=True, slots=True)
class Index:
    """The published experiments of one scenario."""

    free: tuple[Lookup, ...]  # of no layer
    layers: tuple[Layer, ...]
    holdouts: tuple[Lookup, ...] = ()
    shipped: tuple[Lookup, ...] = ()
    switchbacks: tuple[Lookup, ...] = ()
    interleaved: tuple[Lookup, ...] = ()
    shared: tuple[Lookup, ...] = ()  # of items or merchants
    special: tuple[Lookup, ...] = ()  # what `special` decides, in the order of their keys
    known: Mapping[str, Lookup] = field(default_factory=dict, repr=False)  # all of them, by key

    @classmethod
    def of(cls, rules: Iterable[Rule]) -> "Index":
        kinds: dict[str, list[Lookup]] = {}
        known = {rule.key: Lookup.of(rule) for rule in sorted(rules, key=lambda rule: rule.key)}
        for lookup in known.values():
            kinds.setdefault(_kind(lookup.rule), []).append(lookup)
        layered = sorted(kinds.pop("layered", ()), key=_layer)
        layers = tuple(Layer(*names, tuple(held)) for names, held in groupby(layered, key=_layer))
        several = {kind: tuple(found) for kind, found in kinds.items()}
        return cls(several.pop("free", ()), layers, known=known, **several)

    def assign(
        self, unit: Mapping[str, str], attributes: Mapping[str, Any] = NOTHING, wishes: Wishes = NO_WISHES
    ) -> Assigned:
        """What this unit sees, by key of the experiment; holdouts and what was shipped come first."""
        found = self.plain(unit, attributes)
        if self.special or wishes is not NO_WISHES:
            return special.assign(self, unit, attributes, wishes, found)
        return found

    def plain(self, unit: Mapping[str, str], attributes: Mapping[str, Any] = NOTHING) -> Assigned:
        """Without what is special and what was wished for."""
        held = self._held_out(unit, attributes) if self.holdouts else []
        known = self._shipped(unit, attributes, held) if self.shipped else []
        if any(not rule.scope for rule, _ in held):
            return held + known
        found = [
            (lookup.rule, arm)
            for lookup in (*self.free, *self._holders(unit))
            if (key := unit.get(lookup.rule.unit)) and (arm := lookup.arm(key, attributes))
        ]
        return held + known + (sorted(found, key=_key) if self.layers else found)

    def _held_out(self, unit: Mapping[str, str], attributes: Mapping[str, Any]) -> Assigned:
        return [
            (lookup.rule, arm)
            for lookup in self.holdouts
            if (key := unit.get(lookup.rule.unit))
            and (lookup.rule.layer is None or lookup.rule.layer.has(key))
            and (arm := lookup.arm(key, attributes))
        ]

    def _shipped(self, unit: Mapping[str, str], attributes: Mapping[str, Any], held: Assigned) -> Assigned:
        """All but what a holdout keeps from this unit: all of it, or what belongs to its layer."""
        without = {rule.scope for rule, arm in held if is_held(rule, arm)}
        return [
            (lookup.rule, arm)
            for lookup in self.shipped
            if "" not in without
            and lookup.rule.scope not in without
            and (key := unit.get(lookup.rule.unit))
            and (arm := lookup.arm(key, attributes))
        ]

    def _holders(self, unit: Mapping[str, str]) -> Iterable[Lookup]:
        for layer in self.layers:
            if (key := unit.get(layer.unit)) and (lookup := layer.holder(key)):
                yield lookup

    def switched(
        self, scenario: str, at: datetime, attributes: Mapping[str, Any] = NOTHING
    ) -> Iterator[tuple[Rule, Arm]]:
        """What the window of this moment sees, whoever asks."""
        for lookup in self.switchbacks:
            key = window(scenario, attributes.get("country"), at, lookup.rule.switch_hours)
            if arm := lookup.arm(key, attributes):
                yield lookup.rule, arm

    def mixed(self, unit: Mapping[str, str], attributes: Mapping[str, Any] = NOTHING) -> Iterator[Rule]:
        """Interleavings that this unit takes part in: it meets all their arms in one list."""
        for lookup in self.interleaved:
            if (key := unit.get(lookup.rule.unit)) and lookup.arm(key, attributes):
                yield lookup.rule

    def rules_of_items(self, attributes: Mapping[str, Any] = NOTHING) -> list[Rule]:
        """Of experiments on items or merchants, by which the caller finds the arm of each that it shows."""
        return [one.rule for one in self.shared if one.test is None or one.test(attributes)]


@dataclass(frozen=True, slots=True)
class Published:
    """All that is published of experiments: who decides, evaluates a flag or tells another SDK reads it here."""

    rules: Mapping[str, Rule]  # by key
    groups: Mapping[str, Group]  # saved groups, by key
    indexes: Mapping[str, Index]  # by scenario

    @classmethod
    def of(cls, rules: Iterable[Rule], groups: Mapping[str, Group] = NOTHING) -> "Published":
        known = {rule.key: rule for rule in sorted(rules, key=lambda rule: rule.key)}
        here: dict[str, list[Rule]] = {}
        for rule in known.values():
            for scenario in rule.scenarios:
                here.setdefault(scenario, []).append(rule)
        return cls(known, groups, {scenario: Index.of(here[scenario]) for scenario in sorted(here)})


def _kind(rule: Rule) -> str:
    if special.is_special(rule):
        return "special"
    if rule.unit in SHARED:
        return "shared"
    kinds = {"holdout": "holdouts", "shipped": "shipped", "switchback": "switchbacks", "interleaving": "interleaved"}
    return kinds.get(rule.type, "layered" if rule.layer else "free")


def _key(assigned: tuple[Rule, Arm]) -> str:
    return assigned[0].key


def _layer(lookup: Lookup) -> tuple[str, str]:
    assert lookup.rule.layer
    return lookup.rule.layer.seed, lookup.rule.unit


def _edge(point: float) -> int:
    """The first bucket b with b/10,000 not under this point, compared as floats like the SDKs do."""
    near = max(0, int(point * BUCKETS) - 1)
    return next((b for b in range(near, BUCKETS) if b / BUCKETS >= point), BUCKETS)
