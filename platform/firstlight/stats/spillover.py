"""The same units here, elsewhere, and in all: does a gain in the scenario of the test cost the others?

Global = local + elsewhere, unit by unit, so the lifts are parts of one sum and their errors come from one covariance.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import ndtri

from firstlight.kernel.moments import Moments
from firstlight.kernel.withheld import Reason, Withheld
from firstlight.stats import finish
from firstlight.stats.estimates import Estimate
from firstlight.stats.finish import Lifted, Stack

# Weights on (here, everywhere) of each part; the base of all is the control's mean everywhere.
LOCAL, ELSEWHERE, GLOBAL = (1.0, 0.0), (-1.0, 1.0), (0.0, 1.0)


@dataclass(frozen=True, slots=True)
class Split:
    """Shares of the global control mean: local + spill_over = whole, exactly."""

    local: Estimate | Withheld
    spill_over: Estimate | Withheld
    whole: Estimate | Withheld


def split(control: Sequence[Moments], treatment: Sequence[Moments], confidence: float) -> list[Split]:
    """Of pairs of arms; each Moments has two quantities per unit: the metric here, and over all scenarios.

    Every part is a difference over the global control mean, by Fieller; withheld under two units or where that mean
    may be 0.
    """
    if not control:
        return []
    parts = [_part(control, treatment, weights, confidence) for weights in (LOCAL, ELSEWHERE, GLOBAL)]
    return [Split(*three) for three in zip(*parts, strict=True)]


def _part(
    control: Sequence[Moments], treatment: Sequence[Moments], weights: tuple[float, float], confidence: float
) -> list[Estimate | Withheld]:
    c, t = (Stack.of([_turned(one, weights) for one in arm]) for arm in (control, treatment))
    spread = [stack.covariance / np.maximum(stack.n, 1)[:, None, None] for stack in (c, t)]
    found = Lifted(
        t.mean[:, 0] - c.mean[:, 0],
        c.mean[:, 1],
        spread[0][:, 0, 0] + spread[1][:, 0, 0],
        spread[0][:, 1, 1],
        -spread[0][:, 0, 1],
    )
    interval = found.interval(np.full(len(control), float(ndtri((1 + confidence) / 2))))
    return [
        Withheld(Reason.TOO_FEW_UNITS) if min(a.n, b.n) < 2 else finish.estimate(found.value, interval, i)
        for i, (a, b) in enumerate(zip(control, treatment, strict=True))
    ]


def _turned(moments: Moments, weights: tuple[float, float]) -> Moments:
    """(the part, everywhere) of the same units."""
    turn = np.array([weights, GLOBAL])
    return Moments(moments.n, turn @ moments.mean, turn @ moments.products @ turn.T)
