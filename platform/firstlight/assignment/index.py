"""Which arm a unit sees: the GrowthBook hash, version 2, over explicit ranges. Pure, and the same in every SDK.

A request costs what it meets, not what there is: a `Plan` leaves out the rules that its attributes rule out, and one
hash per layer finds the experiment that has the unit.

Who is in a holdout meets nothing else of what is tried; of what was shipped, only its measured half. What was shipped
comes before what is tried, so that a test may set a shipped parameter anew.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import groupby
from typing import Any, NamedTuple

from . import special, targeting
from .lookups import Hashed, Layer, Lookup, dealt, met, met_by_any
from .plans import Plan
from .rules import NO_WISHES, SHARED, Arm, Rule, Wishes, is_held, window

Assigned = list[tuple[Rule, Arm]]
Group = Collection[Any]  # values
NOTHING: Mapping[str, Any] = {}


def assign(rule: Rule, unit: Mapping[str, str]) -> Arm | None:
    """The arm of this unit; None without the id that is hashed, outside of the buckets, or of the coverage."""
    found = Index.of([rule]).assign(unit)
    return found[0][1] if found else None


class Ready(NamedTuple):
    """What requests with these attributes may meet."""

    free: tuple[Lookup, ...]  # of no layer
    layers: tuple[Layer, ...]
    is_ascii: bool  # so are all seeds of `free`
    unit: str  # the id that all of `free` hash, where nothing but the hash decides; else ""
    hashed: tuple[Hashed, ...]  # `free`, where there is such an id

    @classmethod
    def of(cls, lookups: Sequence[Lookup], layers: Iterable[Layer] = ()) -> "Ready":
        """`layers` are all there are; those stay that have one of `lookups`."""
        free = tuple(one for one in lookups if not one.rule.layer)
        kept = {one.rule.key: one for one in lookups if one.rule.layer}
        names = {_layer(one) for one in kept.values()}
        some = tuple(layer.only(kept) for layer in layers if layer.name in names)
        hashed, units = tuple(one.hashed for one in free if one.hashed), {one.unit for one in free}
        unit = units.pop() if len(units) == 1 and len(hashed) == len(free) else ""
        return cls(free, some, all(one.seed.isascii() for one in free), unit, hashed if unit else ())

    def met(self, unit: Mapping[str, str], attributes: Mapping[str, Any]) -> Assigned:
        """By key of the experiment, as `lookups` came."""
        found = self._met_freely(unit, attributes)
        if not self.layers:
            return found
        found += [one for layer in self.layers if (one := layer.met(unit, attributes))]
        return sorted(found, key=_key)

    def _met_freely(self, unit: Mapping[str, str], attributes: Mapping[str, Any]) -> Assigned:
        if not self.is_ascii or not all(key.isascii() for key in unit.values()):
            return met_by_any(self.free, unit, attributes)
        if self.unit:
            return dealt(self.hashed, key.encode()) if (key := unit.get(self.unit)) else []
        return met(self.free, unit, attributes)


@dataclass(frozen=True, slots=True)
class Index:
    """The published experiments of one scenario."""

    free: tuple[Lookup, ...]  # of no layer
    layers: tuple[Layer, ...]
    running: Plan[Ready] = field(repr=False)  # of both
    lasting: Plan[Ready] = field(repr=False)  # of `shipped`
    holdouts: tuple[Lookup, ...] = ()
    shipped: tuple[Lookup, ...] = ()
    switchbacks: tuple[Lookup, ...] = ()
    interleaved: tuple[Lookup, ...] = ()
    shared: tuple[Lookup, ...] = ()  # of items or merchants
    special: tuple[Lookup, ...] = ()  # what `special` decides, in the order of their keys
    asks_all: bool = False  # some of them are special to every unit, not to their testers alone
    testers: frozenset[str] = frozenset()  # ids
    known: Mapping[str, Lookup] = field(default_factory=dict, repr=False)  # all of them, by key
    required: Mapping[str, Lookup] = field(default_factory=dict, repr=False)  # by some of them; of any scenario

    @classmethod
    def of(
        cls, rules: Iterable[Rule], groups: Mapping[str, Group] = NOTHING, others: Mapping[str, Rule] = NOTHING
    ) -> "Index":
        """`others` are those of all scenarios, which prerequisites may name."""
        kinds: dict[str, list[Lookup]] = {}
        known = {rule.key: Lookup.of(rule, groups) for rule in sorted(rules, key=lambda rule: rule.key)}
        required = special.required((one.rule for one in known.values()), others)
        for lookup in known.values():
            for kind in _kinds(lookup.rule):
                kinds.setdefault(kind, []).append(lookup)
        free, layered = kinds.pop("free", []), kinds.pop("layered", [])
        grouped = groupby(sorted(layered, key=_layer), key=_layer)
        layers = tuple(Layer.of(*names, tuple(held)) for names, held in grouped)
        running = Plan((*free, *layered), lambda found: Ready.of(found, layers), groups)
        lasting = Plan(kinds.get("shipped", ()), Ready.of, groups)
        several: dict[str, Any] = {kind: tuple(found) for kind, found in kinds.items()}
        several["asks_all"] = any(special.asks_all(one.rule) for one in kinds.get("special", ()))
        several["testers"] = frozenset(unit for one in kinds.get("special", ()) for unit in one.rule.forced)
        asked = {key: known.get(key) or Lookup.of(rule, groups) for key, rule in required.items()}
        return cls(tuple(free), layers, running, lasting, known=known, required=asked, **several)

    def assign(
        self, unit: Mapping[str, str], attributes: Mapping[str, Any] = NOTHING, wishes: Wishes = NO_WISHES
    ) -> Assigned:
        """What this unit sees, by key of the experiment; holdouts and what was shipped come first."""
        found = self.plain(unit, attributes)
        if self.is_special_to(unit, wishes):
            return special.assign(self, unit, attributes, wishes, found)
        return found

    def is_special_to(self, unit: Mapping[str, str], wishes: Wishes) -> bool:
        """Whether more than hash, layer and condition decides what this unit sees."""
        return self.asks_all or wishes is not NO_WISHES or self.has_tester(unit)

    def has_tester(self, unit: Mapping[str, str]) -> bool:
        return bool(self.testers) and not self.testers.isdisjoint(unit.values())

    def plain(self, unit: Mapping[str, str], attributes: Mapping[str, Any] = NOTHING) -> Assigned:
        """Without what is special and what was wished for."""
        held = self._held_out(unit, attributes) if self.holdouts else []
        known = self._shipped(unit, attributes, held) if self.shipped else []
        if any(not rule.scope for rule, _ in held):
            return held + known
        return held + known + self.running.chosen(attributes).met(unit, attributes)

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
        if "" in without:
            return []
        shipped = self.lasting.chosen(attributes).met(unit, attributes)
        return [(rule, arm) for rule, arm in shipped if rule.scope not in without] if without else shipped

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
        held = {name: targeting.Group.of(values) for name, values in groups.items()}
        return cls(known, held, {scenario: Index.of(here[scenario], held, known) for scenario in sorted(here)})


def _kinds(rule: Rule) -> Iterator[str]:
    """To everybody but its testers a rule that only has testers is a plain one."""
    if rule.unit not in SHARED and special.is_special(rule):
        yield "special"
        if special.asks_all(rule):
            return
    yield _kind(rule)


def _kind(rule: Rule) -> str:
    if rule.unit in SHARED:
        return "shared"
    kinds = {"holdout": "holdouts", "shipped": "shipped", "switchback": "switchbacks", "interleaving": "interleaved"}
    return kinds.get(rule.type, "layered" if rule.layer else "free")


def _key(assigned: tuple[Rule, Arm]) -> str:
    return assigned[0].key


def _layer(lookup: Lookup) -> tuple[str, str]:
    assert lookup.rule.layer
    return lookup.rule.layer.seed, lookup.rule.unit
