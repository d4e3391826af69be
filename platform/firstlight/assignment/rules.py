"""What was decided about an experiment, as serving, workers and clients know it. Pure values.

Ranges are floats, as the SDKs compare them.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from functools import cached_property
from itertools import accumulate
from typing import Any, NamedTuple

import msgspec

from .hashing import BUCKETS, bucket

Range = tuple[float, float]  # [start, end) of [0, 1)
HOUR = 3600  # seconds
SHARED = frozenset({"item_id", "merchant_id"})  # one answer shows many of them: the caller hashes each


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

    def has(self, key: str) -> bool:
        return self.first <= bucket(self.seed, key) < self.end


class Requirement(msgspec.Struct, frozen=True):
    """The unit must be in one of these arms of another experiment."""

    experiment: str
    arms: tuple[str, ...]


class Rule(msgspec.Struct, frozen=True, dict=True):
    """One running experiment, or one that was shipped, as it is published."""

    key: str
    phase: int
    seed: str
    unit: str  # the id that is hashed: user_id, device_id, session_id
    arms: tuple[Arm, ...]  # control first
    coverage: float  # share of the layer's units that take part
    ranges: tuple[Range, ...]  # one per arm
    scenarios: tuple[str, ...]
    layer: Filter | None = None
    type: str = "ab"  # ab, aa, switchback, interleaving, holdout, or shipped
    further: tuple[Filter, ...] = ()  # shares of more layers, all of which must have the unit
    condition: dict[str, Any] = {}  # who may take part
    switch_hours: int = 0  # of a switchback
    scope: str = ""  # seed of the layer whose shipped changes a holdout holds back, or a shipped one belongs to
    # What each arm holds once weights have changed, one or more ranges for each; () is `ranges`.
    pieces: tuple[tuple[Range, ...], ...] = ()
    forced: dict[str, str] = {}  # id of a tester, of the kind that is hashed -> arm
    requires: tuple[Requirement, ...] = ()  # all of them
    fallback: str = ""  # the id that is hashed where `unit` is missing; of a sticky one
    sticky: bool = False  # a unit keeps the arm that it brings
    since_phase: int = 1  # in which the units were dealt: what one brings of an earlier deal does not count
    refused_before: int = 0  # a unit that brings an arm of a deal before this one takes no part

    def spans(self) -> Iterable[tuple[int, Range]]:
        """(position of the arm, range of the unit interval that it holds)."""
        if self.pieces:
            return ((i, span) for i, several in enumerate(self.pieces) for span in several)
        return enumerate(self.ranges)

    @property
    def flag(self) -> str:
        """The flag that tells its arm."""
        return f"experiment.{self.key}"

    @cached_property
    def sets(self) -> frozenset[str]:
        """Names of the flags that it gives values: the parameters of its arms, and its own."""
        return frozenset(name for arm in self.arms for name in arm.parameters) | {self.flag}

    @cached_property
    def told(self) -> dict[str, dict[str, Any]]:
        """By arm, what an answer says of a unit that meets it: made once, shared by all answers, changed by none."""
        return {
            arm.key: {"experiment": self.key, "variant": arm.key, "phase": self.phase, "in_holdout": is_held(self, arm)}
            for arm in self.arms
        }


class Wishes(NamedTuple):
    """What a request brings to bear on its arms, beside ids and attributes."""

    forced: Mapping[str, str] = {}  # experiment -> arm, of a preview link
    sticky: Mapping[str, Any] = {}  # documents of an earlier answer
    only: frozenset[str] = frozenset()  # parameters that are asked for; empty: all


NO_WISHES = Wishes()


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


def is_held(rule: Rule, arm: Arm) -> bool:
    """In a holdout the control gets nothing that was shipped, the other half all of it."""
    return rule.type == "holdout" and arm.key == rule.arms[0].key


def window(scenario: str, country: object, at: datetime, hours: int) -> str:
    """The unit of a switchback: scenario, country and number of the window since 1970."""
    return f"{scenario}|{country if isinstance(country, str) else ''}|{int(at.timestamp()) // (hours * HOUR)}"
