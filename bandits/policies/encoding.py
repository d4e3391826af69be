"""Items and requests as numbers, for policies that learn across items: one column for each value that is common.

Frozen with the model that learned by it: a value that appears later has no column, and is the rest.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Vector = NDArray[np.float64]
Matrix = NDArray[np.float64]

MOST = 8  # values of one kind that have a column; 25 x 17 of them make 425 coefficients, of which a model is 1.4 MB
BANDS = 4  # of prices: as many items in each


@dataclass(frozen=True, slots=True)
class Traits:
    """What is known of items, in one order."""

    categories: Sequence[str]
    merchants: Sequence[str]
    prices: Sequence[float | None]


@dataclass(frozen=True, slots=True)
class Encoding:
    """Which column means what; the first of each side is always 1."""

    categories: tuple[str, ...]
    merchants: tuple[str, ...]
    edges: tuple[float, ...]  # of the price bands, inner ones only
    attributes: tuple[tuple[str, tuple[str, ...]], ...]  # of requests: names with the values that have a column

    @property
    def n_item(self) -> int:
        return 1 + len(self.categories) + len(self.merchants) + (len(self.edges) + 1 if self.edges else 0)

    @property
    def n_context(self) -> int:
        return 1 + sum(len(values) for _, values in self.attributes)

    def items(self, traits: Traits) -> Matrix:
        """Shape (items, n_item). An item without a price is in no band."""
        n = len(traits.categories)
        return np.hstack(
            [
                np.ones((n, 1)),
                _columns(traits.categories, self.categories),
                _columns(traits.merchants, self.merchants),
                self._bands(traits.prices),
            ]
        )

    def context(self, asked: Mapping[str, str]) -> Vector:
        """Shape (n_context,): of a request with these attributes."""
        return np.hstack([1.0, *(_columns([asked.get(name, "")], values)[0] for name, values in self.attributes)])

    def _bands(self, prices: Sequence[float | None]) -> Matrix:
        if not self.edges:
            return np.empty((len(prices), 0))
        known = np.array([price is not None for price in prices], bool)
        band = np.searchsorted(self.edges, [price or 0.0 for price in prices], side="right")
        return np.asarray(np.eye(len(self.edges) + 1)[band] * known[:, None])

    def packed(self) -> dict[str, Any]:
        """As JSON or msgpack hold it; `unpacked` gives it back."""
        return asdict(self)


def unpacked(packed: Mapping[str, Any]) -> Encoding:
    attributes = tuple((name, tuple(values)) for name, values in packed["attributes"])
    categories, merchants, edges = (tuple(packed[name]) for name in ("categories", "merchants", "edges"))
    return Encoding(categories, merchants, edges, attributes)


def fitted(traits: Traits, attributes: Mapping[str, Mapping[str, float]]) -> Encoding:
    """Columns for what is common: among the items, and among the requests (`attributes`: name, value, how often)."""
    prices = np.array([price for price in traits.prices if price is not None])
    inner = np.quantile(prices, np.linspace(0, 1, BANDS + 1)[1:-1]) if len(prices) else np.empty(0)
    named = ((name, _common(counts)) for name, counts in sorted(attributes.items()))
    return Encoding(
        _common(Counter(traits.categories)),
        _common(Counter(traits.merchants)),
        tuple(sorted({float(edge) for edge in inner})),
        tuple((name, values) for name, values in named if values),
    )


def _common(counts: Mapping[str, float]) -> tuple[str, ...]:
    """The most common values that are not blank, in order of name; of equals, the first by name."""
    ranked = sorted((value for value in counts if value), key=lambda value: (-counts[value], value))
    return tuple(sorted(ranked[:MOST]))


def _columns(values: Sequence[str], columns: Sequence[str]) -> Matrix:
    """One row per value with a 1 in its column, if it has one."""
    found = [value == column for value in values for column in columns]
    return np.array(found, float).reshape(len(values), len(columns))
