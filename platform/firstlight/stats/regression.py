"""Effect of the treatment by least squares on raw units: what CUPED does on moments, with errors of one's choice.

Sources: MacKinnon and White (1985), J. Econometrics 29 (HC0, HC2); Lin (2013), Ann. Appl. Stat. 7 (interactions).
"""

from dataclasses import dataclass
from math import sqrt
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from firstlight.kernel.withheld import Reason, Withheld

Vector = NDArray[np.float64]
Errors = Literal["classical", "HC0", "HC2"]


@dataclass(frozen=True, slots=True)
class Arm:
    y: Vector  # (n,)
    x: Vector  # (n, c) measured before exposure


@dataclass(frozen=True, slots=True)
class Fitted:
    effect: float
    se: float
    theta: Vector  # (c,) slopes


def ancova(control: Arm, treatment: Arm, errors: Errors) -> Fitted | Withheld:
    """y on treatment and covariates, one slope for both arms. Withheld when the columns hang together."""
    y, treated, x = _joined(control, treatment)
    return _fit(np.column_stack([np.ones(len(y)), treated, x]), y, errors, x.shape[1])


def lin(control: Arm, treatment: Arm, errors: Errors = "HC2") -> Fitted | Withheld:
    """With slopes of their own in each arm, covariates centred: never less precise than the difference, for large n."""
    y, treated, x = _joined(control, treatment)
    x = x - x.mean(axis=0)
    return _fit(np.column_stack([np.ones(len(y)), treated, x, treated[:, None] * x]), y, errors, x.shape[1])


def _joined(control: Arm, treatment: Arm) -> tuple[Vector, Vector, Vector]:
    treated = np.repeat([0.0, 1.0], [len(control.y), len(treatment.y)])
    return np.concatenate([control.y, treatment.y]), treated, np.concatenate([control.x, treatment.x])


def _fit(design: Vector, y: Vector, errors: Errors, c: int) -> Fitted | Withheld:
    n, k = design.shape
    if n <= k or np.linalg.matrix_rank(design) < k:
        return Withheld(Reason.NO_SPREAD)
    q, r = np.linalg.qr(design)
    inverse = np.linalg.inv(r)
    beta = inverse @ (q.T @ y)
    rest = y - design @ beta
    covariance = _sandwich(q, inverse, rest, errors, n - k)
    return Fitted(float(beta[1]), sqrt(float(covariance[1, 1])), beta[2 : 2 + c])


def _sandwich(q: Vector, inverse: Vector, rest: Vector, errors: Errors, df: int) -> Vector:
    if errors == "classical":
        found: Vector = inverse @ inverse.T * float(rest @ rest) / df
        return found
    weights = rest**2
    if errors == "HC2":
        weights = weights / (1 - (q**2).sum(axis=1))
    bread = q @ inverse.T
    return np.asarray(bread.T @ (weights[:, None] * bread))
