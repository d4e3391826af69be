"""What is believed of the reward of items: a posterior each, frozen; made from counts, stored, drawn from, compared.

The reward is that of an impression that is fully looked at, within the attribution time.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any, ClassVar, Protocol

import msgspec
import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray
from scipy.special import betaincc, betaincinv, gammaincc, gammaincinv

from bandits.policies.values import LogNormal, LogValues

Vector = NDArray[np.float64]

LOWEST = 60.0  # quantiles of money are looked for from e^-60 of the cap on
STEPS = 24  # halvings of that: four millionths of the quantile remain


class Beliefs(Protocol):
    """The expected reward of each item, in the order of `items`; all vectors have one number per item."""

    @property
    def kind(self) -> str:
        """beta, gamma or hurdle; linear or logistic in a context."""

    @property
    def items(self) -> tuple[str, ...]: ...

    @property
    def mean(self) -> Vector: ...

    def draw(self, rng: Generator) -> Vector:
        """One joint draw: items are independent."""

    def interval(self, confidence: float = 0.95) -> tuple[Vector, Vector]:
        """Equal-tailed credible interval of each item."""

    def above(self, bar: Vector | float) -> Vector:
        """P(reward > bar) of each item."""

    def arrays(self) -> dict[str, Vector]:
        """All its numbers by name; `of` gives the beliefs back."""


@dataclass(frozen=True, slots=True, eq=False)
class Beta:
    """A reward of 0 to 1: clicked or not, or a weighted sum."""

    kind: ClassVar[str] = "beta"
    items: tuple[str, ...]
    a: Vector
    b: Vector

    @property
    def mean(self) -> Vector:
        return self.a / (self.a + self.b)

    def after(self, trials: Vector, successes: Vector) -> "Beta":
        """Where this was the prior. Trials may be parts of one (delays, slots): never fewer than successes."""
        return Beta(self.items, self.a + successes, self.b + np.maximum(trials - successes, 0))

    def draw(self, rng: Generator) -> Vector:
        return rng.beta(self.a, self.b)

    def interval(self, confidence: float = 0.95) -> tuple[Vector, Vector]:
        low, high = (_vector(betaincinv(self.a, self.b, p)) for p in _tails(confidence))
        return low, high

    def above(self, bar: Vector | float) -> Vector:
        return _vector(betaincc(self.a, self.b, np.clip(bar, 0, 1)))

    def arrays(self) -> dict[str, Vector]:
        return {"a": self.a, "b": self.b}


@dataclass(frozen=True, slots=True, eq=False)
class Gamma:
    """A count per impression without an upper end: orders, pieces."""

    kind: ClassVar[str] = "gamma"
    items: tuple[str, ...]
    shape: Vector
    rate: Vector  # impressions

    @property
    def mean(self) -> Vector:
        return self.shape / self.rate

    def after(self, trials: Vector, total: Vector) -> "Gamma":
        """Where this was the prior."""
        return Gamma(self.items, self.shape + total, self.rate + trials)

    def draw(self, rng: Generator) -> Vector:
        return rng.standard_gamma(self.shape) / self.rate

    def interval(self, confidence: float = 0.95) -> tuple[Vector, Vector]:
        low, high = (_vector(gammaincinv(self.shape, p)) / self.rate for p in _tails(confidence))
        return low, high

    def above(self, bar: Vector | float) -> Vector:
        return _vector(gammaincc(self.shape, self.rate * np.maximum(bar, 0)))

    def arrays(self) -> dict[str, Vector]:
        return {"shape": self.shape, "rate": self.rate}


@dataclass(frozen=True, slots=True, eq=False)
class Hurdle:
    """Money: whether an impression earns anything (Beta), times the mean of what it then earns (`values.LogNormal`).

    `cap` is that of the values that were counted, in their currency: no mean value is beyond it.
    """

    kind: ClassVar[str] = "hurdle"
    items: tuple[str, ...]
    a: Vector
    b: Vector
    m: Vector
    k: Vector
    alpha: Vector
    beta: Vector
    cap: Vector | float

    @property
    def mean(self) -> Vector:
        return _vector(self.a / (self.a + self.b) * self._value.mean(self._caps))

    def after(self, trials: Vector, successes: Vector, values: LogValues) -> "Hurdle":
        """Where this was the prior; `values` of the successes."""
        conversion, value = Beta(self.items, self.a, self.b).after(trials, successes), self._value.after(values)
        return Hurdle(self.items, conversion.a, conversion.b, value.m, value.k, value.alpha, value.beta, self.cap)

    def draw(self, rng: Generator) -> Vector:
        conversion = rng.beta(self.a, self.b)
        return conversion * self._value.draw(self._caps, rng)

    def interval(self, confidence: float = 0.95) -> tuple[Vector, Vector]:
        value, mass = self._value.points(self._caps)
        low, high = (self._quantile(p, value, mass) for p in _tails(confidence))
        return low, high

    def above(self, bar: Vector | float) -> Vector:
        return self._beyond(_vector(bar), *self._value.points(self._caps))

    def arrays(self) -> dict[str, Vector]:
        named = {field.name: getattr(self, field.name) for field in fields(self) if field.name not in ("items", "cap")}
        return named | {"cap": self._caps}

    @property
    def _value(self) -> LogNormal:
        return LogNormal(self.m, self.k, self.alpha, self.beta)

    @property
    def _caps(self) -> Vector:
        return np.broadcast_to(_vector(self.cap), self.a.shape)

    def _beyond(self, bar: Vector, value: Vector, mass: Vector) -> Vector:
        """P(conversion > bar / value), over the values."""
        needed = np.clip(bar[..., None] / value, 0, 1)
        return _vector(np.sum(betaincc(self.a[:, None], self.b[:, None], needed) * mass, axis=1))

    def _quantile(self, p: float, value: Vector, mass: Vector) -> Vector:
        """By halving its logarithm."""
        high = np.log(self._caps)
        low = high - LOWEST
        for _ in range(STEPS):
            middle = (low + high) / 2
            more = self._beyond(np.exp(middle), value, mass) > 1 - p
            low, high = np.where(more, middle, low), np.where(more, high, middle)
        return _vector(np.exp(high))


def of(kind: str, items: Sequence[str], arrays: Mapping[str, Vector]) -> Beliefs:
    """Beliefs again from what `arrays` gave; other arrays stored beside them are not looked at."""
    if kind in ("linear", "logistic"):
        from bandits.policies import incontext  # which draws tables, and so stands above this module

        return incontext.stored(kind, items, arrays)
    made = {"beta": Beta, "gamma": Gamma, "hurdle": Hurdle}[kind]
    numbers: dict[str, Any] = {f.name: arrays[f.name] for f in fields(made) if f.name != "items"}
    beliefs: Beliefs = made(tuple(items), **numbers)
    return beliefs


def pack(arrays: Mapping[str, Vector]) -> bytes:
    """msgpack: {name: little-endian float64}."""
    return msgspec.msgpack.encode({name: np.asarray(array, "<f8").tobytes() for name, array in arrays.items()})


def unpack(packed: bytes) -> dict[str, Vector]:
    named = msgspec.msgpack.decode(packed, type=dict[str, bytes])
    return {name: np.frombuffer(array, "<f8").astype(np.float64) for name, array in named.items()}


def _tails(confidence: float) -> tuple[float, float]:
    return (1 - confidence) / 2, (1 + confidence) / 2


def _vector(found: Any) -> Vector:
    return np.asarray(found, np.float64)
