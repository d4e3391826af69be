"""Exact propensities of Thompson sampling, without drawing: P(item at rank r) for independent Beta posteriors.

P(i at rank r) = integral of f_i(x) P(exactly r - 1 of the others exceed x) dx, where the number of the others that
exceed x is Poisson-binomial. Its head (the first k probabilities) is built over the items before i and over those after
i, and the two are folded. Taking one item out of the whole by division, the other way, loses all digits where that item
surely exceeds x. The axis is logit(x): on x itself a density that is infinite at 0 (a < 1, as under a weak prior) loses
up to a tenth of its mass. For tests, pages and the value of a policy; serving counts its propensities off the table.
"""

import numpy as np
from numpy.typing import NDArray
from scipy.special import betaincc, betaincinv, betaln, expit, logit

Vector = NDArray[np.float64]

NODES = 128  # Gauss-Legendre, per piece
PIECES = 16
TAIL = 1e-12  # of each posterior that is left out
SPREAD = (0.001, 0.05, 0.25, 0.5, 0.75, 0.95, 0.999)  # quantiles among which the pieces are laid


def slot_propensities(a: Vector, b: Vector, k: int) -> Vector:
    """P(item i at rank r) for r = 1 … k, shape (n, k); each column sums to 1 (to about 1e-9)."""
    a, b = np.asarray(a, dtype=np.float64), np.asarray(b, dtype=np.float64)
    n, k = len(a), min(k, len(a))
    t, weight = nodes(a, b)
    exceeds: Vector = np.asarray(betaincc(a[:, None], b[:, None], expit(t)), dtype=np.float64)
    log_x, log_rest = -np.logaddexp(0, -t), -np.logaddexp(0, t)
    before = _heads(exceeds, k)
    after = np.zeros((k, len(t)))
    after[0] = 1.0
    answer = np.empty((n, k))
    for i in reversed(range(n)):
        density = np.exp(a[i] * log_x + b[i] * log_rest - betaln(a[i], b[i])) * weight  # f(x) dx/dt
        for rank in range(k):
            others = sum(before[i, j] * after[rank - j] for j in range(rank + 1))
            answer[i, rank] = (density * others).sum()
        after = _with(after, exceeds[i])
    return answer


def _heads(exceeds: Vector, k: int) -> Vector:
    """For each i, P(m of the items before i exceed x) for m < k; shape (n, k, nodes)."""
    n, nodes = exceeds.shape
    heads = np.zeros((n, k, nodes))
    heads[0, 0] = 1.0
    for i in range(n - 1):
        heads[i + 1] = _with(heads[i], exceeds[i])
    return heads


def _with(head: Vector, p: Vector) -> Vector:
    """The head of a Poisson-binomial with one more member of probability p."""
    grown = head * (1 - p)
    grown[1:] += head[:-1] * p
    return grown


def nodes(a: Vector, b: Vector, n: int = NODES) -> tuple[Vector, Vector]:
    """Points on the logit axis and weights over the union of the posteriors, in pieces of `n` along their mass."""
    inside = np.quantile([_logit_quantile(a, b, q) for q in SPREAD], np.linspace(0, 1, PIECES - 1))
    ends = _logit_quantile(a, b, TAIL).min(), _logit_quantile(a, b, 1 - TAIL).max()
    edges = np.unique([ends[0], *inside, ends[1]])
    node, weight = np.polynomial.legendre.leggauss(n)
    half = np.diff(edges)[:, None] / 2
    return (edges[:-1, None] + half * (1 + node)).ravel(), (half * weight).ravel()


def _logit_quantile(a: Vector, b: Vector, q: float) -> Vector:
    nearly_one = 1 - np.finfo(float).epsneg  # beyond which there is no number below 1
    return np.asarray(logit(np.clip(betaincinv(a, b, q), np.finfo(float).tiny, nearly_one)), dtype=np.float64)
