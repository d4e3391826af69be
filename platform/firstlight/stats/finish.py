"""Moments to readings, many comparisons at once: raw and adjusted, of one look, of a sequence, and Bayesian.

Rows lie side by side in arrays of shape (N,): 10 metrics in 2 arms over 50 segments are 1,000 rows, and one call.
Sources: Welch (1947); Deng, Knoblich, Lu (2018), arXiv:1803.06336 (delta method); Deng, Xu, Kohavi, Walker (2013),
WSDM (CUPED); Fieller (1954); Waudby-Smith et al. (2021), arXiv:2103.06476 (confidence sequence).
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from scipy.special import log_ndtr, ndtr, ndtri, stdtr, stdtrit

from firstlight.kernel.moments import Moments
from firstlight.kernel.withheld import Reason, Withheld
from firstlight.stats import newcombe, tails
from firstlight.stats.estimates import Comparison, Estimate
from firstlight.stats.levels import ROUNDING, Level
from firstlight.stats.newcombe import FEW, Share
from firstlight.stats.tails import Tail

Vector = NDArray[np.float64]
Kind = Literal["proportion", "mean", "ratio"]
# Of the slopes on covariates: over the units within each arm; each arm alike; or over all units, arms ignored.
Pooling = Literal["within", "arms", "total"]
REASONS = (None, Reason.TOO_FEW_UNITS, Reason.NO_DENOMINATOR, Reason.NO_SPREAD)
METHODS = {"proportion": "welch", "mean": "welch", "ratio": "delta"}
LN10 = np.log(10.0)


@dataclass(frozen=True, slots=True)
class Stack:
    """Moments of N samples of the same k quantities."""

    n: Vector  # (N,)
    mean: Vector  # (N, k)
    products: Vector  # (N, k, k), centred

    @classmethod
    def of(cls, moments: Sequence[Moments]) -> "Stack":
        return cls(
            np.array([one.n for one in moments], dtype=np.float64),
            np.array([one.mean for one in moments]),
            np.array([one.products for one in moments]),
        )

    @property
    def covariance(self) -> Vector:
        """(N, k, k), divided by n - 1; by 1 where that is nothing, for such rows are withheld."""
        return self.products / np.maximum(self.n - 1, 1.0)[:, None, None]


@dataclass(frozen=True, slots=True)
class GroupSequential:
    z: float  # that this look asks for, two-sided


@dataclass(frozen=True, slots=True)
class AlwaysValid:
    planned_n: float  # units of both arms at which the sequence is tightest


@dataclass(frozen=True, slots=True)
class Normal:
    mean: float
    sd: float


@dataclass(frozen=True, slots=True)
class Design:
    confidence: float = 0.95
    covariates: int = 0  # trailing columns measured before exposure; 0: nothing is adjusted
    sequence: GroupSequential | AlwaysValid | None = None
    prior: Normal | None = None  # on the lift; None: flat
    pooling: Pooling = "within"


@dataclass(frozen=True, slots=True)
class Interval:
    low: Vector
    high: Vector


@dataclass(frozen=True, slots=True)
class Readings:
    """Treatment against control, shape (N,) each. Where `reason` is not 0, nothing else means anything."""

    method: str
    control: Vector
    treatment: Vector
    control_variance: Vector  # of the level, not of a unit
    treatment_variance: Vector
    difference: Vector
    se: Vector
    df: Vector
    fixed: Interval
    lift: Vector  # over |control|
    lift_se: Vector  # delta method
    lift_fixed: Interval  # Fieller; NaN where it has no end
    ln_p: Vector  # of no difference, two-sided, one look
    sequence: Interval | None
    lift_sequence: Interval | None
    sequence_p: Vector | None  # of an always-valid sequence
    reason: NDArray[np.int8]  # position in REASONS

    @property
    def p(self) -> Vector:
        return np.exp(self.ln_p)

    @property
    def log10_p(self) -> Vector:
        found: Vector = self.ln_p / LN10
        return found


@dataclass(frozen=True, slots=True)
class Belief:
    """Posterior of the lift, normal; never a stopping rule."""

    mean: Vector
    sd: Vector
    low: Vector
    high: Vector
    chance_to_win: Vector  # that the lift is over 0
    loss_of_shipping: Vector  # expected loss, as a lift
    loss_of_keeping: Vector


@dataclass(frozen=True, slots=True)
class Finished:
    raw: Readings
    adjusted: Readings | None
    belief: Belief  # of the adjusted reading where there is one
    variance_reduction: Vector | None  # share of the raw difference's variance
    theta: Vector | None  # (N, c)
    small: dict[int, Comparison] = field(default_factory=dict)  # rows of few successes, by score intervals

    @property
    def best(self) -> Readings:
        return self.adjusted or self.raw


def finish(kind: Kind, control: Stack, treatment: Stack, design: Design) -> Finished:
    """Every row compared: `kind` is proportion, mean (first column) or ratio (first over second)."""
    own = _sides(kind, control, treatment, 0)
    raw = _readings(METHODS[kind], own, own, design)
    if not design.covariates:
        small = _small(control, treatment, design.confidence) if kind == "proportion" else {}
        return Finished(raw, None, belief(raw, design), None, None, small)
    theta = _theta(kind, control, treatment, design)
    sides = _adjusted(kind, control, treatment, theta)
    adjusted = _readings("cuped", sides, own, design)
    saved = 1 - _ratio(adjusted.se**2, raw.se**2)
    return Finished(raw, adjusted, belief(adjusted, design), saved, theta)


@dataclass(frozen=True, slots=True)
class _Side:
    """One arm: its level, the level's variance, and its covariance with the raw level of the same arm."""

    n: Vector
    value: Vector
    variance: Vector
    with_raw: Vector
    fine: NDArray[np.bool_]  # there are two units and a denominator


def _sides(kind: Kind, control: Stack, treatment: Stack, covariates: int) -> tuple[_Side, _Side]:
    return _side(kind, control), _side(kind, treatment)


def _side(kind: Kind, stack: Stack) -> _Side:
    value, turn, fine = _linear(kind, stack)
    covariance = stack.covariance[:, : turn.shape[1], : turn.shape[1]]
    variance = _clean(np.einsum("ni,nij,nj->n", turn, covariance, turn), value) / np.maximum(stack.n, 1)
    return _Side(stack.n, value, variance, variance, fine)


def _linear(kind: Kind, stack: Stack) -> tuple[Vector, Vector, NDArray[np.bool_]]:
    """The level, and the weights (N, 1 or 2) by which a unit's columns move it: of a ratio by the delta method."""
    if kind != "ratio":
        return stack.mean[:, 0], np.ones((len(stack.n), 1)), stack.n >= 2
    return *_turns(stack.mean), (stack.n >= 2) & (stack.mean[:, 1] != 0)


def _clean(spread: Vector, value: Vector) -> Vector:
    """Zero for a variance that is only rounding beside the squared level."""
    return np.where(spread > ROUNDING**2 * value**2, spread, 0.0)


def _theta(kind: Kind, control: Stack, treatment: Stack, design: Design) -> Vector:
    """(N, c) slopes on the covariates. Pooled within arms: what differs between the arms is no slope."""
    c = design.covariates
    crossed = np.zeros((len(control.n), c))
    square = np.zeros((len(control.n), c, c))
    for stack, products in _pooled(control, treatment, design.pooling):
        _, turn, _ = _linear(kind, stack)
        w = turn.shape[1]
        crossed += np.einsum("nij,ni->nj", products[:, :w, -c:], turn)
        square += products[:, -c:, -c:]
    scale = np.sqrt(np.einsum("nii->ni", square))
    scale = np.where(scale > 0, scale, 1.0)
    # A covariate that never varies, or that another one repeats, has no slope of its own.
    inverse = np.linalg.pinv(square / (scale[:, :, None] * scale[:, None, :]), rcond=1e-10, hermitian=True)
    found: Vector = np.einsum("nij,nj->ni", inverse, crossed / scale) / scale
    return found


def _pooled(control: Stack, treatment: Stack, pooling: Pooling) -> list[tuple[Stack, Vector]]:
    if pooling == "arms":
        return [(stack, stack.covariance) for stack in (control, treatment)]
    if pooling == "within":
        return [(stack, stack.products) for stack in (control, treatment)]
    n = np.maximum(control.n + treatment.n, 1)
    shift = treatment.mean - control.mean
    between = (control.n * treatment.n / n)[:, None, None] * shift[:, :, None] * shift[:, None, :]
    return [(control, control.products + treatment.products + between)]


def linearised(stack: Stack) -> Stack:
    """value, denominator, pre_value, pre_denominator as two quantities: a unit's part of the ratio, now and before.

    Then the ratio is adjusted as a mean is, with one slope; the whole of the covariates, as `finish` takes them, saves
    no less.
    """
    now, before = (_turns(stack.mean[:, i : i + 2]) for i in (0, 2))
    turn = np.zeros((len(stack.n), 2, 4))
    turn[:, 0, :2], turn[:, 1, 2:] = now[1], before[1]
    products = np.einsum("nij,njk,nlk->nil", turn, stack.products, turn)
    return Stack(stack.n, np.stack([now[0], before[0]], axis=1), products)


def _turns(mean: Vector) -> tuple[Vector, Vector]:
    bottom = np.where(mean[:, 1] != 0, mean[:, 1], 1.0)
    value = mean[:, 0] / bottom
    return value, np.stack([1 / bottom, -value / bottom], axis=1)


def _adjusted(kind: Kind, control: Stack, treatment: Stack, theta: Vector) -> tuple[_Side, _Side]:
    """Both arms as if their units had been alike before exposure."""
    c = theta.shape[1]
    n = np.maximum(control.n + treatment.n, 1)
    middle = (control.n[:, None] * control.mean[:, -c:] + treatment.n[:, None] * treatment.mean[:, -c:]) / n[:, None]
    return _moved(kind, control, theta, middle), _moved(kind, treatment, theta, middle)


def _moved(kind: Kind, stack: Stack, theta: Vector, middle: Vector) -> _Side:
    c = theta.shape[1]
    value, turn, fine = _linear(kind, stack)
    covariance = stack.covariance
    w = turn.shape[1]
    own = np.einsum("ni,nij,nj->n", turn, covariance[:, :w, :w], turn)
    shared = np.einsum("ni,nij,nj->n", turn, covariance[:, :w, -c:], theta)
    past = np.einsum("ni,nij,nj->n", theta, covariance[:, -c:, -c:], theta)
    level = value - np.einsum("ni,ni->n", theta, stack.mean[:, -c:] - middle)
    n = np.maximum(stack.n, 1)
    return _Side(stack.n, level, _clean(own - 2 * shared + past, value) / n, (own - shared) / n, fine)


def _readings(method: str, sides: tuple[_Side, _Side], raw: tuple[_Side, _Side], design: Design) -> Readings:
    control, treatment = sides
    variance = control.variance + treatment.variance
    reason = np.where(variance > 0, 0, 3)
    for side in (treatment, control):
        reason = np.where(side.fine, reason, np.where(side.n < 2, 1, 2))
    fine = reason == 0
    se = np.sqrt(np.where(fine, variance, 1.0))
    df = _freedom(control, treatment, fine)
    gap = treatment.value - control.value
    statistic = gap / se
    errors = np.asarray(stdtrit(df, (1 + design.confidence) / 2), dtype=np.float64)
    lifted = Lifted(gap, raw[0].value, se**2, raw[0].variance, -control.with_raw)
    many = _many(design, control.n + treatment.n, df)
    return Readings(
        method,
        control.value,
        treatment.value,
        control.variance,
        treatment.variance,
        gap,
        se,
        df,
        Interval(gap - errors * se, gap + errors * se),
        lifted.value,
        lifted.se,
        lifted.interval(errors),
        _ln_p(statistic, df),
        None if many is None else Interval(gap - many * se, gap + many * se),
        None if many is None else lifted.interval(many),
        _always_valid_p(statistic, control.n + treatment.n, design),
        reason.astype(np.int8),
    )


def _freedom(control: _Side, treatment: _Side, fine: NDArray[np.bool_]) -> Vector:
    """Satterthwaite's degrees of freedom."""
    c, t = (np.where(fine, side.variance, 1.0) for side in (control, treatment))
    down = c**2 / np.maximum(control.n - 1, 1) + t**2 / np.maximum(treatment.n - 1, 1)
    found: Vector = (c + t) ** 2 / down
    return found


def _ln_p(statistic: Vector, df: Vector) -> Vector:
    """Two-sided, as a logarithm: p itself ends at 1e-308."""
    p = 2 * stdtr(df, -np.abs(statistic))
    found = np.log(np.where(p > tails.SMALL, np.minimum(p, 1.0), 1.0))
    for i in np.flatnonzero(p <= tails.SMALL):
        found[i] = tails.Evidence(float(statistic[i]), float(df[i])).either().log10_p * LN10
    return found


@dataclass(frozen=True, slots=True)
class Lifted:
    """A difference over a raw control: with CUPED the two are not the same sample mean, and covary."""

    gap: Vector
    control: Vector
    gap_variance: Vector
    control_variance: Vector
    covariance: Vector  # of gap and control

    @property
    def value(self) -> Vector:
        return _ratio(self.gap, np.abs(self.control))

    @property
    def se(self) -> Vector:
        lift = _ratio(self.gap, self.control)
        square = self.gap_variance - 2 * lift * self.covariance + lift**2 * self.control_variance
        return _ratio(np.sqrt(np.maximum(square, 0.0)), np.abs(self.control))

    def interval(self, errors: Vector) -> Interval:
        """Fieller: every lift that is not refused; NaN where the control may be 0."""
        q = errors**2
        a = self.control**2 - q * self.control_variance
        b = self.gap * self.control - q * self.covariance
        c = self.gap**2 - q * self.gap_variance
        root = np.sqrt(np.maximum(b**2 - a * c, 0.0))
        bounded = np.where(a > 0, a, np.nan)
        # Of the two ways to write a root, the one that does not subtract near equals.
        far = np.where(b >= 0, b + root, b - root)
        other = np.where(far != 0, c / np.where(far != 0, far, 1.0), 0.0)
        low, high = np.where(b >= 0, other, far / bounded), np.where(b >= 0, far / bounded, other)
        low, high = np.where(a > 0, low, np.nan), np.where(a > 0, high, np.nan)
        turned = self.control < 0
        return Interval(np.where(turned, -high, low), np.where(turned, -low, high))


def _ratio(top: Vector, bottom: Vector) -> Vector:
    return np.where(bottom != 0, top / np.where(bottom != 0, bottom, 1.0), np.nan)


def _many(design: Design, n: Vector, df: Vector) -> Vector | None:
    """How many standard errors a sequence's interval reaches."""
    match design.sequence:
        case None:
            return None
        case GroupSequential(z):
            # The bound is normal: ask t for the same level, from its lower tail, where small levels keep their digits.
            level = float(ndtr(-abs(z)))
            return np.where(df < 1e6, -stdtrit(np.minimum(df, 1e6), max(level, 1e-300)), abs(z))
        case AlwaysValid(planned_n):
            alpha = 1 - design.confidence
            spread = n * tightness(planned_n, alpha)
            return np.sqrt(2 * (spread + 1) / spread * np.log(np.sqrt(spread + 1) / alpha))


def tightness(planned_n: float, alpha: float) -> float:
    """r² of the normal mixture whose sequence is tightest at `planned_n` units."""
    return float((-2 * np.log(alpha) + np.log(-2 * np.log(alpha) + 1)) / planned_n)


def _always_valid_p(statistic: Vector, n: Vector, design: Design) -> Vector | None:
    """The level at which the sequence just touches no difference."""
    if not isinstance(design.sequence, AlwaysValid):
        return None
    spread = n * tightness(design.sequence.planned_n, 1 - design.confidence)
    found: Vector = np.minimum(1.0, np.sqrt(spread + 1) * np.exp(-(statistic**2) * spread / (2 * (spread + 1))))
    return found


def belief(found: Readings, design: Design) -> Belief:
    """Normal posterior of the lift; a flat prior leaves the estimate and its delta-method error as they are."""
    return posterior(found.lift, found.lift_se, design)


def posterior(mean: Vector, sd: Vector, design: Design) -> Belief:
    """Of any normal estimate; a prior of the design is in the same unit."""
    if design.prior is not None:
        weight = 1 / (1 + _ratio(sd**2, np.full_like(sd, design.prior.sd**2)))
        mean, sd = weight * mean + (1 - weight) * design.prior.mean, np.sqrt(weight) * sd
    z, reach = _ratio(mean, sd), ndtri((1 + design.confidence) / 2)
    density = np.exp(-0.5 * z**2) / np.sqrt(2 * np.pi)
    loss = sd * density - mean * ndtr(-z)
    return Belief(mean, sd, mean - reach * sd, mean + reach * sd, np.exp(log_ndtr(z)), loss, loss + mean)


def _small(control: Stack, treatment: Stack, confidence: float) -> dict[int, Comparison]:
    """Rows where an arm has few successes or failures: there a normal interval misses far too often."""
    wins = [np.round(stack.n * stack.mean[:, 0]) for stack in (control, treatment)]
    few = [np.minimum(w, s.n - w) < FEW for w, s in zip(wins, (control, treatment), strict=True)]
    rows = np.flatnonzero((few[0] | few[1]) & (control.n >= 2) & (treatment.n >= 2))
    return {
        int(i): newcombe.compare(
            Share(int(control.n[i]), float(wins[0][i])), Share(int(treatment.n[i]), float(wins[1][i])), confidence
        )
        for i in rows
    }


def at(found: Readings, i: int) -> Comparison:
    """One row as values, each withheld where there is none."""
    if found.reason[i]:
        blank = Withheld(_reason(found, i))
        return Comparison(found.method, blank, blank, blank)
    ln_p = float(found.ln_p[i])
    return Comparison(
        found.method,
        estimate(found.difference, found.fixed, i),
        estimate(found.lift, found.lift_fixed, i),
        Tail.of_log(ln_p),
    )


def estimate(value: Vector, interval: Interval, i: int) -> Estimate | Withheld:
    """Row `i` of a value with its interval; withheld where the interval has no end."""
    low, high = float(interval.low[i]), float(interval.high[i])
    return Withheld(Reason.UNBOUNDED_LIFT) if np.isnan(low) else Estimate(float(value[i]), low, high)


def level(found: Readings, i: int, *, of: Literal["control", "treatment"], n: int) -> Level | Withheld:
    """One arm of row `i`, of `n` units."""
    values: Any = getattr(found, of), getattr(found, f"{of}_variance")
    if found.reason[i] in (1, 2):
        return Withheld(_reason(found, i))
    return Level(n, float(values[0][i]), float(values[1][i]))


def _reason(found: Readings, i: int) -> Reason:
    reason = REASONS[int(found.reason[i])]
    assert reason is not None
    return reason
