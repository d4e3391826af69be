"""When an item leaves the pool of a campaign: it is known to be better than the bar, or known not to be. Pure.

Graduate where P(theta > bar) reaches `graduate_at`; retire where it falls to `retire_at`, or where the item has used
up its cap without graduating. Between the two an item stays, so that noise does not move it to and fro. Neither is
decided before an item has been seen often and long enough: on the first evening every item looks like its visitors.

An item that a person took back has shown that the rule was wrong about it. Each time, both bars move away from it by
`MARGIN` and it needs as many new impressions as it needed at first: the same evidence cannot decide the same again.
"""

from dataclasses import dataclass
from math import inf

import numpy as np
from numpy.typing import NDArray

from bandits.policies.beliefs import Beliefs

Vector = NDArray[np.float64]
Mask = NDArray[np.bool_]

MARGIN = 0.1  # of the bar, for each time that a person took the item back


@dataclass(frozen=True, slots=True)
class Rule:
    """`retire_at` < `graduate_at`, both probabilities."""

    graduate_at: float = 0.9
    retire_at: float = 0.05
    least_impressions: float = 100.0
    least_age_hours: float = 24.0
    item_cap: float = inf  # impressions by the campaign


@dataclass(frozen=True, slots=True, eq=False)
class Record:
    """What an item went through, one entry per item, in the order of the beliefs."""

    impressions: Vector  # in the scenario, whoever showed it: what the belief stands on
    spent: Vector  # by the campaign, as far as what follows them is known
    age_hours: Vector  # since its first impression
    n_reversals: Vector  # times that a person took it back
    since_reversal: Vector  # impressions since the latest of these; all of them where there was none

    @classmethod
    def fresh(cls, impressions: Vector, age_hours: Vector, *, spent: Vector | None = None) -> "Record":
        """Of items that nobody ever took back."""
        never = np.zeros(len(impressions))
        return cls(impressions, impressions if spent is None else spent, age_hours, never, impressions)


@dataclass(frozen=True, slots=True, eq=False)
class Decisions:
    """One entry per item; an item is in neither mask, or in one."""

    graduate: Mask
    retire: Mask
    bar_in: Vector  # reward per impression, to graduate
    bar_out: Vector  # likewise, to be retired
    chance_in: Vector  # P(theta > bar_in)
    chance_out: Vector  # P(theta > bar_out)
    is_spent: Mask


def decisions(rule: Rule, beliefs: Beliefs, bars: Vector | float, record: Record) -> Decisions:
    """By the tails of the posterior (`betaincc` for a Beta); bars in its unit, one for each item or one for all."""
    widened = (1 + MARGIN) ** record.n_reversals
    bar_in, bar_out = bars * widened, bars / widened
    chance_in, chance_out = beliefs.above(bar_in), beliefs.above(bar_out)
    enough = np.minimum(record.impressions, record.since_reversal) >= rule.least_impressions
    old = record.age_hours >= rule.least_age_hours
    graduate = old & enough & (chance_in >= rule.graduate_at)
    # Who took an item back over its cap wants it shown: only its belief may retire it again.
    spent = (record.spent >= rule.item_cap) & (record.n_reversals == 0)
    retire = old & ~graduate & (spent | (enough & (chance_out <= rule.retire_at)))
    return Decisions(graduate, retire, bar_in, bar_out, chance_in, chance_out, spent)


def why(rule: Rule, found: Decisions, i: int) -> str:
    """The decision about item `i` in words, without its numbers."""
    if found.graduate[i]:
        return f"It beats the bar with a probability of at least {rule.graduate_at:g}."
    if found.retire[i] and found.is_spent[i]:
        return "It has used up its impressions without graduating."
    if found.retire[i]:
        return f"It beats the bar with a probability of at most {rule.retire_at:g}."
    return "Nothing is decided yet."
