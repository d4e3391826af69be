"""Non-inferiority with a margin relative to the control: is the loss smaller than what would still be borne?"""

from dataclasses import dataclass
from enum import StrEnum
from math import copysign

from firstlight.kernel.moments import Moments
from firstlight.kernel.withheld import Withheld
from firstlight.stats import comparison
from firstlight.stats.tails import Tail


class State(StrEnum):
    NOT_WORSE = "not worse"
    NOT_SETTLED = "not settled"
    WORSE = "worse"


@dataclass(frozen=True, slots=True)
class Guardrail:
    state: State
    held: Tail  # one-sided, of a loss as great as the margin: small shows that it is smaller
    broken: Tail  # one-sided the other way: small shows that the loss is greater


def judge(
    kind: str, control: Moments, treatment: Moments, *, sign: int, margin: float, confidence: float
) -> Guardrail | Withheld:
    """One-sided at 1 - `confidence`; `sign` is +1 when more is better, -1 when less is.

    The bar is control - sign·margin·|control|, with the control's own error counted.
    """
    level = comparison.level(kind, control)
    if isinstance(level, Withheld):
        return level
    factor = 1 - sign * margin * copysign(1.0, level.value)
    found = comparison.evidence(kind, control, treatment, factor=factor)
    if isinstance(found, Withheld):
        return found
    held, broken = (found.above(), found.below()) if sign > 0 else (found.below(), found.above())
    return Guardrail(_state(held.p, broken.p, 1 - confidence), held, broken)


def _state(held: float, broken: float, alpha: float) -> State:
    if held < alpha:
        return State.NOT_WORSE
    return State.WORSE if broken < alpha else State.NOT_SETTLED
