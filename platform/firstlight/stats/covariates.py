"""Adjustment by what was measured before exposure, with the choices that tools make differently.

`finish` takes slopes within arms, which is the default here. Pooling over both arms as one sample also counts what
differs between them as slope; equal weights ignore how many units an arm has. Source: Deng, Xu, Kohavi, Walker (2013),
WSDM; for ratios Deng, Knoblich, Lu (2018), arXiv:1803.06336.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from math import sqrt

import numpy as np
from numpy.typing import NDArray

from firstlight.kernel.moments import Moments
from firstlight.kernel.withheld import Reason, Withheld
from firstlight.stats import levels, lifts
from firstlight.stats.finish import Lifted
from firstlight.stats.levels import Level
from firstlight.stats.lifts import Lift

Vector = NDArray[np.float64]


class Pooling(StrEnum):
    WITHIN = "within"  # slopes within arms, weighted by units
    TOTAL = "total"  # both arms as one sample
    EQUAL = "equal"  # slopes within arms, each arm's (co)variance alike


@dataclass(frozen=True, slots=True)
class Adjusted:
    control: Level  # as if both arms had been alike before
    treatment: Level
    raw_control: Level
    raw_treatment: Level
    with_raw: float  # covariance of the control's adjusted and raw level
    theta: Vector  # (c,)

    @property
    def effect(self) -> float:
        return self.treatment.value - self.control.value

    @property
    def se(self) -> float:
        return sqrt(self.control.variance + self.treatment.variance)

    @property
    def saved(self) -> float:
        """Share of the raw difference's variance."""
        return 1 - self.se**2 / (self.raw_control.variance + self.raw_treatment.variance)

    def lifted(self) -> Lifted:
        """Over the raw control, which it covaries with."""
        values = (self.effect, self.raw_control.value, self.se**2, self.raw_control.variance, -self.with_raw)
        return Lifted(*(np.array([value]) for value in values))


def adjust(control: Moments, treatment: Moments, pooling: Pooling) -> Adjusted | Withheld:
    """Of a mean: the value, then its covariates. Withheld under two units, and where no covariate varies."""
    return adjust_by(control, treatment, slopes(control, treatment, pooling))


def slopes(control: Moments, treatment: Moments, pooling: Pooling) -> Vector | Withheld:
    if min(control.n, treatment.n) < 2:
        return Withheld(Reason.TOO_FEW_UNITS)
    match pooling:
        case Pooling.WITHIN:
            products = control.products + treatment.products
        case Pooling.TOTAL:
            products = (control + treatment).products
        case Pooling.EQUAL:
            products = control.covariance + treatment.covariance
    if not products.diagonal()[1:].all():
        return Withheld(Reason.NO_SPREAD)
    return np.asarray(np.linalg.solve(products[1:, 1:], products[1:, 0]))


def adjust_by(
    control: Moments, treatment: Moments, theta: Vector | Withheld, *, about: Vector | None = None
) -> Adjusted | Withheld:
    """`about`: the past (c,) that levels are told for; that of both arms together unless given."""
    if isinstance(theta, Withheld):
        return theta
    raw = [levels.mean(arm) for arm in (control, treatment)]
    if isinstance(raw[0], Withheld) or isinstance(raw[1], Withheld):
        return Withheld(Reason.TOO_FEW_UNITS)
    middle = (control + treatment).mean[1:] if about is None else about
    found = [_moved(arm, theta, middle) for arm in (control, treatment)]
    with_raw = float(control.covariance[0, 0] - control.covariance[0, 1:] @ theta) / control.n
    return Adjusted(found[0], found[1], raw[0], raw[1], with_raw, theta)


def _moved(arm: Moments, theta: Vector, middle: Vector) -> Level:
    turn = np.concatenate([[1.0], -theta])
    value = float(arm.mean[0] - theta @ (arm.mean[1:] - middle))
    return Level(arm.n, value, float(turn @ arm.covariance @ turn) / arm.n)


def linear(moments: Moments) -> Moments:
    """A ratio and that of the pre-period as two linear quantities; columns value, denominator, and both before."""
    rows, means = np.zeros((2, 4)), np.zeros(2)
    for i in range(2):
        top, bottom = (float(x) for x in moments.mean[2 * i : 2 * i + 2])
        rows[i, 2 * i : 2 * i + 2] = 1 / bottom, -top / bottom**2
        means[i] = moments.mean[2 * i] / moments.mean[2 * i + 1]
    return Moments(moments.n, means, rows @ moments.products @ rows.T)


def adjust_ratio(control: Moments, treatment: Moments) -> Adjusted | Withheld:
    """Each arm linearised about its own point; the slope is that of both about their common point, as one sample."""
    whole = control + treatment
    common = linear(whole)
    if whole.n < 2 or common.products[1, 1] == 0:
        return Withheld(Reason.NO_SPREAD)
    theta = common.products[1:, 0] / common.products[1, 1]
    return adjust_by(linear(control), linear(treatment), theta, about=common.mean[1:])


def relative(found: Adjusted, df: float, confidence: float, *, at_raw: bool = False) -> Lift | Withheld:
    """Delta method over the raw control; `at_raw` takes the gradient at the raw lift, as GrowthBook does."""
    lift = found.effect / abs(found.raw_control.value)
    if not at_raw:
        return lifts.around(lift, float(found.lifted().se[0]), df, confidence)
    slope = found.raw_treatment.value / found.raw_control.value
    extra = (slope**2 - 1) * found.raw_control.variance
    shared = found.raw_control.variance - found.with_raw
    variance = found.se**2 + extra - 2 * (slope - 1) * shared
    return lifts.around(lift, sqrt(variance) / abs(found.raw_control.value), df, confidence)


@dataclass(frozen=True, slots=True)
class Stratified:
    control: float  # adjusted
    effect: float  # adjusted
    covariance: Vector  # (2, 2) of the two

    @property
    def se(self) -> float:
        return sqrt(float(self.covariance[1, 1]))

    @property
    def lift(self) -> float:
        return self.effect / abs(self.control)

    @property
    def lift_se(self) -> float:
        turn = np.array([-self.effect / self.control**2, 1 / self.control])
        return sqrt(float(turn @ self.covariance @ turn))


def stratified(strata: Sequence[tuple[Moments, Moments]]) -> Stratified | Withheld:
    """Post-stratification of (control, treatment) per stratum, each by its own regression, weighted by its units.

    The strata's sizes are random, too: their multinomial variance is counted. Withheld when a stratum has hardly units.
    Source: Miratrix, Sekhon, Yu (2013), J. R. Stat. Soc. B 75.
    """
    if any(min(c.n, t.n) < 2 or c.n + t.n <= c.mean.size + 1 for c, t in strata):
        return Withheld(Reason.TOO_FEW_UNITS)
    found = [_regressed(control, treatment) for control, treatment in strata]
    sizes = np.array([control.n + treatment.n for control, treatment in strata], dtype=np.float64)
    means, share = np.array([mean for mean, _ in found]), sizes / sizes.sum()
    of_sizes = (np.diag(share) - np.outer(share, share)) / sizes.sum()
    inner = np.einsum("s,sij->ij", share**2, np.array([covariance for _, covariance in found]))
    middle = share @ means
    return Stratified(float(middle[0]), float(middle[1]), inner + means.T @ of_sizes @ means)


def _regressed(control: Moments, treatment: Moments) -> tuple[Vector, Vector]:
    """(control, effect) and their covariance, of the value on treatment and covariates with one variance."""
    whole, within = control + treatment, control.products + treatment.products
    theta = np.linalg.solve(within[1:, 1:], within[1:, 0])
    level = control.mean[0] - theta @ (control.mean[1:] - whole.mean[1:])
    effect = treatment.mean[0] - control.mean[0] - theta @ (treatment.mean[1:] - control.mean[1:])
    spread = (within[0, 0] - theta @ within[1:, 0]) / (whole.n - len(theta) - 2)
    square = np.zeros((len(theta) + 2, len(theta) + 2))  # of the columns 1, treated, covariates about their mean
    shifted = treatment.n * (treatment.mean[1:] - whole.mean[1:])
    square[0, :2], square[1, :2] = (whole.n, treatment.n), treatment.n
    square[1, 2:] = square[2:, 1] = shifted
    square[2:, 2:] = whole.products[1:, 1:]
    inverse = spread * np.linalg.inv(square)
    found = inverse[:2, :2]
    of_middle = whole.covariance[1:, 1:] / whole.n  # the units' common past is a sample, too; effects do not feel it
    found[0, 0] += theta @ of_middle @ theta + np.sum(inverse[2:, 2:] * of_middle)
    return np.array([level, effect]), found
