"""Units of simulated experiments: what they do, and the moments of thousands of samples of them at once."""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from firstlight.stats.finish import Stack

Values = NDArray[np.float64]
Draw = Callable[[Generator, tuple[int, int], float], Values]  # (rng, (samples, units), lift) -> (samples, units, k)
AT_ONCE = 1_000_000  # units: 40 MB of five quantities


def stack(values: Values) -> Stack:
    """Of (samples, units, k)."""
    samples, n, _ = values.shape
    mean = values.mean(axis=1)
    centred = values - mean[:, None]
    return Stack(np.full(samples, float(n)), mean, centred.transpose(0, 2, 1) @ centred)


def drawn(draw: Draw, rng: Generator, samples: int, n: int, lift: float = 0.0) -> Stack:
    size = max(1, AT_ONCE // n)
    parts = [stack(draw(rng, (min(size, samples - done), n), lift)) for done in range(0, samples, size)]
    return Stack(*(np.concatenate([getattr(one, name) for one in parts]) for name in ("n", "mean", "products")))


def plus(one: Stack, other: Stack) -> Stack:
    """Both samples of each row together; both have units (Chan, Golub, LeVeque 1983)."""
    n = one.n + other.n
    shift = other.mean - one.mean
    products = one.products + other.products
    products = products + (one.n * other.n / n)[:, None, None] * shift[:, :, None] * shift[:, None, :]
    return Stack(n, one.mean + shift * (other.n / n)[:, None], products)


def columns(found: Stack, *kept: int) -> Stack:
    at = list(kept)
    return Stack(found.n, found.mean[:, at], found.products[:, at][:, :, at])


def of_counts(successes: Any, n: int) -> Stack:
    """A share's moments are all in its count."""
    p = np.asarray(successes, dtype=float) / n
    return Stack(np.full(len(p), float(n)), p[:, None], (n * p * (1 - p))[:, None, None])


def skewed(rng: Generator, shape: tuple[int, int], lift: float) -> Values:
    """Log-normal: the standard deviation is 1.3 means."""
    return np.exp(rng.standard_normal((*shape, 1))) * (1 + lift)


def revenue(rng: Generator, samples: int, n: int, lift: float = 0.0) -> Stack:
    """Log-normal with 95 % zeros, of which only the sums over the buyers are drawn."""
    buyers = rng.binomial(n, 0.05, samples)
    spent = np.exp(3 + rng.standard_normal((samples, buyers.max()))) * (1 + lift)
    spent[np.arange(buyers.max()) >= buyers[:, None]] = 0.0
    mean = spent.sum(axis=1) / n
    return Stack(np.full(samples, float(n)), mean[:, None], ((spent**2).sum(axis=1) - n * mean**2)[:, None, None])


REVENUE = 0.05 * np.exp(3.5)


def clicks_per_view(rng: Generator, shape: tuple[int, int], lift: float) -> Values:
    """clicks, views: units differ in their own rate, so the views of one hang together. .1 of the views."""
    views = rng.integers(1, 10, shape)
    own = rng.standard_gamma(4, shape) / 40
    return np.stack([rng.poisson(views * own * (1 + lift)), views], axis=-1).astype(float)


def spend_with_past(rng: Generator, shape: tuple[int, int], lift: float) -> Values:
    """value, pre_value, visits before, is_new: one unit in five was never seen. The mean is 2.4."""
    taste, new = rng.standard_gamma(2, shape), rng.random(shape) < 0.2
    visits = np.where(new, 0, rng.poisson(taste))
    past = np.where(new, 0.0, taste * rng.standard_gamma(2, shape) / 2)
    value = (0.4 + taste) * rng.standard_gamma(3, shape) / 3 * (1 + lift)
    return np.stack([value, past, visits, new], axis=-1)


def clicks_with_past(rng: Generator, shape: tuple[int, int], lift: float) -> Values:
    """clicks, views, pre_clicks, pre_views, is_new. .1 of the views."""
    own, new = rng.standard_gamma(4, shape) / 40, rng.random(shape) < 0.2
    views, seen = rng.integers(1, 10, shape), np.where(new, 0, rng.integers(1, 10, shape))
    clicks, before = rng.poisson(views * own * (1 + lift)), rng.poisson(seen * own)
    return np.stack([clicks, views, before, seen, new], axis=-1).astype(float)


def buys_with_past(rng: Generator, shape: tuple[int, int], lift: float) -> Values:
    """1 if it bought, 1 if it did before, is_new. 12 %."""
    own, new = 0.24 * rng.random(shape), rng.random(shape) < 0.2
    bought = rng.random(shape) < own * (1 + lift)
    return np.stack([bought, (rng.random(shape) < own) & ~new, new], axis=-1).astype(float)


def clusters(rng: Generator, shape: tuple[int, int], lift: float) -> Values:
    """Sum and units of each cluster: sizes differ, and the units of one are alike. The mean is 1."""
    sizes = 5 + rng.poisson(15, shape)
    own = rng.standard_gamma(4, shape) / 4
    return np.stack([rng.standard_gamma(2 * sizes) / 2 * own * (1 + lift), sizes], axis=-1)
