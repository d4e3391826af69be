"""Which arm a unit sees: the GrowthBook hash, version 2, over explicit ranges. Pure, and the same in every SDK.

A rule is what was decided; `Lookup` is the same rule turned into one byte per bucket, so that a request costs a hash
and an index. The ranges are floats as the SDKs compare them; the table holds exactly their answers for all 10,000
points that the hash can give.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate, groupby
from typing import Any

import msgspec

from firstlight.kernel.hashing import BUCKETS, bucket

NOBODY = 255  # in a table: no arm; so an experiment has at most 255
Range = tuple[float, float]  # [start, end) of [0, 1)


class Arm(msgspec.Struct, frozen=True):
    key: str
    weight: float  # share of the units that take part
    parameters: dict[str, Any] = {}
    objective_weights: dict[str, float] | None = None


class Filter(msgspec.Struct, frozen=True):
    """The buckets of a layer that an experiment holds: units hashed by the layer's seed into [first, end)."""

    seed: str
    first: int
    end: int

    @property
    def range(self) -> Range:
        return self.first / BUCKETS, self.end / BUCKETS


class Rule(msgspec.Struct, frozen=True):
    """One running experiment, as it is published."""

    key: str
    phase: int
    seed: str
    unit: str  # the id that is hashed: user_id, device_id, session_id
    arms: tuple[Arm, ...]  # control first
    coverage: float  # share of the layer's units that take part
    ranges: tuple[Range, ...]  # one per arm
    scenarios: tuple[str, ...]
    layer: Filter | None = None


def seed(key: str, phase: int) -> str:
    """A new phase shuffles its units anew."""
    return key if phase == 1 else f"{key}:{phase}"


def layer_seed(key: str) -> str:
    """Never that of an experiment, whose key starts with a letter or digit: equal seeds would tie arm to bucket."""
    return f"__{key}"


def ranges(weights: Sequence[float], coverage: float) -> tuple[Range, ...]:
    """As the SDKs make them: arm i takes the first `coverage` of its own share.

    Weights that do not sum to 1 (within .01) are taken as equal. Raising the coverage moves nobody between arms.

    >>> ranges([0.5, 0.5], 0.5)
    ((0.0, 0.25), (0.5, 0.75))
    """
    share = min(1.0, max(0.0, coverage))
    exact = list(weights) if 0.99 <= sum(weights) <= 1.01 else [1 / len(weights)] * len(weights)
    starts = accumulate(exact[:-1], initial=0.0)
    return tuple((start, start + share * weight) for start, weight in zip(starts, exact, strict=True))


def assign(rule: Rule, unit: Mapping[str, str]) -> Arm | None:
    """The arm of this unit; None without the id that is hashed, outside of the buckets, or of the coverage."""
    found = Index.of([rule]).assign(unit)
    return found[0][1] if found else None


@dataclass(frozen=True, slots=True)
class Lookup:
    rule: Rule
    table: bytes  # position of the arm for every bucket, or NOBODY

    @classmethod
    def of(cls, rule: Rule) -> "Lookup":
        table = bytearray([NOBODY]) * BUCKETS
        for i, span in reversed(list(enumerate(rule.ranges))):  # where two overlap the first arm has it
            first, end = (_edge(point) for point in span)
            table[first:end] = bytes([i]) * (end - first)
        return cls(rule, bytes(table))


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
    """The running experiments of one scenario."""

    free: tuple[Lookup, ...]  # of no layer
    layers: tuple[Layer, ...]

    @classmethod
    def of(cls, rules: Iterable[Rule]) -> "Index":
        lookups = [Lookup.of(rule) for rule in sorted(rules, key=lambda rule: rule.key)]
        layered = sorted((one for one in lookups if one.rule.layer), key=_layer)
        layers = tuple(Layer(*names, tuple(held)) for names, held in groupby(layered, key=_layer))
        return cls(tuple(one for one in lookups if not one.rule.layer), layers)

    def assign(self, unit: Mapping[str, str]) -> list[tuple[Rule, Arm]]:
        """What this unit sees, by key of the experiment."""
        found = []
        for lookup in (*self.free, *self._held(unit)):
            rule = lookup.rule
            if key := unit.get(rule.unit):
                arm = lookup.table[bucket(rule.seed, key)]
                if arm != NOBODY:
                    found.append((rule, rule.arms[arm]))
        return sorted(found, key=_key) if self.layers else found

    def _held(self, unit: Mapping[str, str]) -> Iterable[Lookup]:
        for layer in self.layers:
            if (key := unit.get(layer.unit)) and (lookup := layer.holder(key)):
                yield lookup


def _key(assigned: tuple[Rule, Arm]) -> str:
    return assigned[0].key


def _layer(lookup: Lookup) -> tuple[str, str]:
    assert lookup.rule.layer
    return lookup.rule.layer.seed, lookup.rule.unit


def _edge(point: float) -> int:
    """The first bucket b with b/10,000 not under this point, compared as floats like the SDKs do."""
    near = max(0, int(point * BUCKETS) - 1)
    return next((b for b in range(near, BUCKETS) if b / BUCKETS >= point), BUCKETS)
