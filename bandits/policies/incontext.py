"""What a contextual model says of the items in one context, as beliefs: drawn from, compared and stored like any other.

In a context c the score of an item is z' W c + u, so scores are jointly normal: m + G e + s n, with e and n independent
standard normals, e shared by all items (what is not known of W) and n each item's own. Items are therefore not
independent: a row that thinks well of a category thinks well of all its items. G has as many columns as carry anything,
at most `RANK`; what the rest carries is each item's own, so that every item by itself is exactly as uncertain.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray
from scipy.linalg import eigh, solve_triangular
from scipy.special import expit, logit, ndtr, ndtri

from bandits.policies.contextual import CHUNK, Model

Vector = NDArray[np.float64]
Matrix = NDArray[np.float64]

RANK = 32
NODES = 32  # Gauss-Hermite, of the mean of a logistic normal


@dataclass(frozen=True, slots=True, eq=False)
class InContext:
    """Rewards are the scores (linear), or have them as log odds (logistic)."""

    kind: str
    items: tuple[str, ...]
    m: Vector
    s: Vector
    g: Matrix  # (items, rank)

    @property
    def sd(self) -> Vector:
        """Of the score of each item by itself."""
        return np.asarray(np.sqrt(self.s**2 + (self.g**2).sum(axis=1)))

    @property
    def mean(self) -> Vector:
        if self.kind == "linear":
            return self.m
        node, weight = np.polynomial.hermite_e.hermegauss(NODES)
        return np.asarray(expit(self.m[:, None] + np.outer(self.sd, node)) @ weight / weight.sum())

    def draw(self, rng: Generator) -> Vector:
        """One joint draw."""
        shared, own = rng.standard_normal(self.g.shape[1]), rng.standard_normal(len(self.m))
        return self._reward(self.m + self.g @ shared + self.s * own)

    def interval(self, confidence: float = 0.95) -> tuple[Vector, Vector]:
        reach = ndtri((1 + confidence) / 2) * self.sd
        return self._reward(self.m - reach), self._reward(self.m + reach)

    def above(self, bar: Vector | float) -> Vector:
        score = np.asarray(bar, np.float64) if self.kind == "linear" else logit(np.clip(bar, 0.0, 1.0))
        return np.asarray(ndtr((self.m - score) / self.sd))

    def arrays(self) -> dict[str, Vector]:
        return {"m": self.m, "s": self.s} | {f"g{j}": column for j, column in enumerate(self.g.T)}

    def _reward(self, score: Vector) -> Vector:
        return score if self.kind == "linear" else np.asarray(expit(score))


def stored(kind: str, items: Sequence[str], arrays: Mapping[str, Vector]) -> InContext:
    """From what `InContext.arrays` gave; other arrays stored beside them are not looked at."""
    rank = next(j for j in range(RANK + 1) if f"g{j}" not in arrays)
    columns = [arrays[f"g{j}"] for j in range(rank)]
    g = np.stack(columns, axis=1) if columns else np.empty((len(items), 0))
    return InContext(kind, tuple(items), arrays["m"], arrays["s"], g)


def believed(model: Model, items: Sequence[str], context: Vector) -> InContext:
    """Of the items of the model, in this context."""
    whole = _loadings(model, context)
    axes = _axes(whole)
    g = whole @ axes
    left = np.maximum((whole**2).sum(axis=1) - (g**2).sum(axis=1), 0.0)
    own = model.noise**2 / model.own
    return InContext(model.kind, tuple(items), model.z @ (model.w @ context) + model.u, np.sqrt(own + left), g)


def _loadings(model: Model, context: Vector) -> Matrix:
    """How each item's score moves with the standard normals that W is drawn from, shape (items, pq).

    A draw of W moves u_i by -z_i' dW pull_i / own_i, so the score moves by kron(z_i, c - pull_i / own_i) of it.
    """
    moved = context - model.pull / model.own[:, None]
    parts = []
    for start in range(0, max(len(model.u), 1), CHUNK):
        part = slice(start, start + CHUNK)
        x = (model.z[part, :, None] * moved[part, None, :]).reshape(-1, model.w.size)
        parts.append(solve_triangular(model.factor, x.T, lower=True).T)
    return model.noise * np.concatenate(parts)


def _axes(whole: Matrix) -> Matrix:
    """Directions in which items move together, the strongest first; as many as carry anything, at most `RANK`."""
    variance, axes = eigh(whole.T @ whole)
    carried = variance > 1e-12 * max(float(variance[-1]), np.finfo(float).tiny)
    return np.asarray(axes[:, carried][:, ::-1][:, :RANK])
