"""Users, merchants and the platform in one number, and the arms that no other arm beats in everything."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from scipy.special import ndtri

from firstlight.stats.estimates import Estimate


@dataclass(frozen=True, slots=True)
class Gain:
    """Of one interest in one arm, positive when it is better off; as a lift."""

    value: float
    se: float


def interest(gains: Sequence[Gain]) -> Gain | None:
    """Several metrics of one interest weigh the same; their errors add as if they moved together, which is safe."""
    if not gains:
        return None
    return Gain(sum(one.value for one in gains) / len(gains), sum(one.se for one in gains) / len(gains))


def criterion(gains: Mapping[str, Gain], weights: Mapping[str, float], confidence: float) -> Estimate | None:
    """Weighted mean of the gains of the interests that were measured; None when those have no weight.

    Metrics of the same units go together in ways that are not known here: the error is the largest they could make.
    """
    total = sum(weights.get(name, 0.0) for name in gains)
    if total <= 0:
        return None
    value = sum(weights.get(name, 0.0) * gain.value for name, gain in gains.items()) / total
    se = sum(weights.get(name, 0.0) * gain.se for name, gain in gains.items()) / total
    reach = float(ndtri((1 + confidence) / 2)) * se
    return Estimate(value, value - reach, value + reach)


def pareto(arms: Mapping[str, Mapping[str, float]]) -> set[str]:
    """Arms whom no other is at least as good as in every interest and better in one; by value.

    >>> sorted(pareto({"a": {"user": 0, "shop": 0}, "b": {"user": 1, "shop": 0}, "c": {"user": -1, "shop": 2}}))
    ['b', 'c']
    """
    return {name for name, gains in arms.items() if not any(_beats(other, gains) for other in arms.values())}


def _beats(other: Mapping[str, float], gains: Mapping[str, float]) -> bool:
    shared = other.keys() & gains.keys()
    return all(other[k] >= gains[k] for k in shared) and any(other[k] > gains[k] for k in shared)
