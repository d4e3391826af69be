"""Where something begins to hold."""

from collections.abc import Callable

STEPS = 100  # halves a span of 1 down to nothing that a float could tell


def edge(holds: Callable[[float], bool], low: float, high: float) -> float:
    """Of what holds at no point under it and at every point over it, between `low` and `high`."""
    for _ in range(STEPS):
        middle = (low + high) / 2
        low, high = (low, middle) if holds(middle) else (middle, high)
    return (low + high) / 2
