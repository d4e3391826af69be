"""Exact propensities of Thompson sampling, without drawing: P(item at rank r) for independent Beta posteriors.

P(i at rank r) = integral of f_i(x) P(exactly r - 1 of the others exceed x) dx, where the number of the others that
exceed x is Poisson-binomial. Its head (the first k probabilities) is that of all but i, by a tree of products: pairs of
items, pairs of pairs and so on, and back down what lies outside of each. Taking i out of the whole by division, the
quicker way, loses all digits where i surely exceeds x (1 - q_i is 0 there); in the tree all terms are positive and add.

The axis is logit(x): on x itself a density that is infinite at 0 (a < 1, as under a weak prior) loses up to a tenth of
its mass. It is walked from the right in pieces, each halved until the densities and the answer are polynomials there,
as their last Legendre coefficients tell; and only as far as the first k ranks reach: of 10,000 items the upper tail.
For tests, pages and the value of a policy; serving counts its propensities off the table.
"""

from functools import cache
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import betaincinv, betaln, digamma, logit, polygamma

Vector = NDArray[np.float64]

NODES = 128  # Gauss-Legendre, per piece, of `nodes`
FEW = 16  # per piece where pieces are halved as needed
SMOOTH = 1e-9  # size of the last coefficients of a density at which it is a polynomial
NARROWEST = 1e-7  # part of the axis that is halved no further
NO_MORE = 1e-14  # probability that the first k ranks lie left of a piece at which the walk ends
BLOCK = 256  # items whose products are formed at a time: 330 kB at ten ranks stay in the processor's cache
PIECES = 16
TAIL = 1e-12  # of all posteriors together that is left out at either end
SPREAD = (-3.0, -1.6, -0.7, 0.0, 0.7, 1.6, 3.0)  # standard deviations from the mean among which the pieces are laid


def slot_propensities(a: Vector, b: Vector, k: int) -> Vector:
    """P(item i at rank r) for r = 1 … k, shape (n, k); each column sums to 1 (to about 1e-9)."""
    a, b = np.asarray(a, dtype=np.float64), np.asarray(b, dtype=np.float64)
    k = min(k, len(a))
    answer, mass = np.zeros((len(a), k)), np.zeros(len(a))  # what lies to the right
    edges = _edges(a, b)
    ahead, narrowest = list(pairwise(edges.tolist())), NARROWEST * (edges[-1] - edges[0])
    while ahead:
        low, high = ahead.pop()
        density = _density(a, b, low, high)
        piece = _piece(density, mass, k) if _is_smooth(density) or high - low < narrowest else None
        if piece is None or not (_is_smooth(piece.at_rank) or high - low < narrowest):
            ahead += [(low, (low + high) / 2), ((low + high) / 2, high)]
            continue
        answer += piece.answer
        mass += density @ _rule().weight
        if piece.left < NO_MORE:
            break
    return answer


class Piece(NamedTuple):
    answer: Vector  # (items, k): its part of the integral
    at_rank: Vector  # (k, nodes): density of whoever stands at the rank
    left: float  # P(fewer than k items exceed its left end)


def _piece(density: Vector, mass: Vector, k: int) -> Piece:
    """Of densities at the nodes, shape (items, nodes), with the masses to the right of the piece."""
    exceeds = np.clip(mass[:, None] + density @ _rule().beyond, 0.0, 1.0)
    blocks = [slice(start, start + BLOCK) for start in range(0, len(mass), BLOCK)]
    trees = [_tree(np.stack([1 - exceeds[block], exceeds[block]])[:k], k) for block in blocks]
    above = _tree(np.concatenate([tree[-1] for tree in trees], axis=1), k)
    outside = _outside(above, np.ones((1, 1, FEW)), k)
    answer, at_rank = np.zeros((len(mass), k)), np.zeros((k, FEW))
    for index, (block, tree) in enumerate(zip(blocks, trees, strict=True)):
        ranked = density[block] * _outside(tree, outside[:, index, None], k)
        at_rank[: len(ranked)] += ranked.sum(axis=1)
        answer[block, : len(ranked)] = (ranked @ _rule().weight).T
    return Piece(answer, at_rank, float(above[-1][:, 0, 0].sum()))


class Rule(NamedTuple):
    """Gauss-Legendre on [-1, 1], with what else its nodes tell of a polynomial."""

    node: Vector
    weight: Vector
    expansion: Vector  # takes values at the nodes to coefficients of Legendre polynomials
    beyond: Vector  # takes values at the nodes to the integrals from each node to the right end


@cache
def _rule() -> Rule:
    node, weight = np.polynomial.legendre.leggauss(FEW)
    legendre = np.polynomial.legendre.legvander(node, FEW)
    expansion = weight[:, None] * legendre[:, :FEW] * (2 * np.arange(FEW) + 1) / 2
    integral = np.empty((FEW, FEW))  # of each polynomial, from each node to 1
    integral[:, 0] = 1 - node
    integral[:, 1:] = (legendre[:, :-2] - legendre[:, 2:]) / (2 * np.arange(1, FEW) + 1)
    return Rule(node, weight, expansion, expansion @ integral.T)


def _is_smooth(values: Vector) -> bool:
    """Whether the last three coefficients of all are next to nothing, so that what follows them is nothing."""
    last = values @ _rule().expansion[:, -3:]
    return bool(np.abs(last).max(initial=0.0) < SMOOTH)


def _density(a: Vector, b: Vector, low: float, high: float) -> Vector:
    """Of logit(x) at the nodes between these, times half their distance, shape (items, nodes)."""
    half = (high - low) / 2
    t = low + half * (1 + _rule().node)
    log_x, log_rest = -np.logaddexp(0, -t), -np.logaddexp(0, t)
    exponent = np.outer(a, log_x) + np.outer(b, log_rest) - betaln(a, b)[:, None]
    return np.asarray(half * np.exp(exponent))


def _tree(leaves: Vector, k: int) -> list[Vector]:
    """Heads of how many exceed, shape (counts, members, nodes): of each, of pairs, of pairs of pairs … of all."""
    levels = [leaves]
    while levels[-1].shape[1] > 1:
        levels.append(_product(*_halves(levels[-1]), k))
    return levels


def _outside(levels: list[Vector], outside: Vector, k: int) -> Vector:
    """For each leaf, the head of all others: of those of its tree, and of who stands `outside` it."""
    for inside in reversed(levels[:-1]):
        left, right = _halves(inside)
        both = np.concatenate([_product(outside, right, k), _product(outside, left, k)], axis=1)
        outside = both[:, : inside.shape[1]]
    return outside


def _halves(level: Vector) -> tuple[Vector, Vector]:
    """Pairs: the first half and the second. The last of an odd number stands beside nobody, who never exceeds."""
    half = (level.shape[1] + 1) // 2
    left, right = level[:, :half], level[:, half:]
    if right.shape[1] == half:
        return left, right
    nobody = np.zeros((level.shape[0], 1, level.shape[2]))
    nobody[0] = 1.0
    return left, np.concatenate([right, nobody], axis=1)


def _product(one: Vector, other: Vector, k: int) -> Vector:
    """Heads of the sum of two independent counts, up to k - 1; shape (counts, members, nodes)."""
    if len(one) < len(other):
        one, other = other, one
    width = min(len(one) + len(other) - 1, k)
    joined = np.zeros((width, *one.shape[1:]))
    joined[: len(one)] = one[:width] * other[0]
    for count in range(1, len(other)):
        joined[count : count + len(one)] += one[: width - count] * other[count]
    return joined


def nodes(a: Vector, b: Vector, n: int = NODES) -> tuple[Vector, Vector]:
    """Points on the logit axis and weights over the union of the posteriors, in pieces of `n` along their mass."""
    edges = _edges(np.asarray(a, np.float64), np.asarray(b, np.float64))
    node, weight = np.polynomial.legendre.leggauss(n)
    half = np.diff(edges)[:, None] / 2
    return (edges[:-1, None] + half * (1 + node)).ravel(), (half * weight).ravel()


def _edges(a: Vector, b: Vector) -> Vector:
    """Ends of the pieces: between the tails of all, among the middles of each."""
    middle = digamma(a) - digamma(b)
    spread = np.sqrt(polygamma(1, a) + polygamma(1, b))
    inside = np.quantile(middle[:, None] + np.outer(spread, SPREAD), np.linspace(0, 1, PIECES - 1))
    low, high = _tail(a, b).min(), -_tail(b, a).min()
    return np.unique(np.concatenate([[low], inside[(inside > low) & (inside < high)], [high]]))


def _tail(a: Vector, b: Vector) -> Vector:
    """The logit under which a posterior has hardly any mass. Of 1 - x, with a and b swapped, the upper one."""
    x = betaincinv(a, b, TAIL / len(a))
    return np.asarray(logit(np.maximum(x, np.finfo(float).tiny)))
