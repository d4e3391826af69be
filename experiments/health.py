"""What must be in order before any lift is believed. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta

from scipy.special import bdtrc

from experiments.stats.sample_ratio import p_value
from firstlight.console import words
from firstlight.kernel.withheld import Withheld

ALARM = 0.001  # p of a test that is made at every look: a false alarm must be rare
MOST_MIXED = 0.01  # share of units in several arms; leaving out more may itself make the arms differ


@dataclass(frozen=True, slots=True)
class Check:
    check: str  # sample_ratio, several_arms or exposures
    passed: bool
    p: float | None  # of those that are tests
    sentence: str


def sample_ratio(units: Sequence[int], weights: Sequence[float]) -> Check:
    """Chi-square at `ALARM` of the counts against the shares in force; control first in both."""
    p = p_value(units, weights)
    if isinstance(p, Withheld):
        return Check("sample_ratio", True, None, "Too few units yet to check their split.")
    split = " : ".join(words.count(n) for n in units)
    planned = " : ".join(words.percent(w) for w in weights)
    if p < ALARM:
        sentence = f"The arms got {split} units, which chance does not make of {planned} ({words.p_value(p)})."
        return Check("sample_ratio", False, p, sentence)
    return Check("sample_ratio", True, p, f"The split of units, {split}, is as planned ({words.p_value(p)}).")


def several_arms(units: int, mixed: int) -> Check:
    """`units` were in one arm, `mixed` in several and are left out: surely more than `MOST_MIXED` of all?"""
    p = float(bdtrc(mixed - 1, units + mixed, MOST_MIXED)) if mixed else 1.0
    if p < ALARM:
        share = words.percent(mixed / (units + mixed))
        return Check("several_arms", False, p, f"{share} of the units met several arms: their identity is not stable.")
    left_out = f"{words.plural(mixed, 'unit')} met several arms and are left out" if mixed else "No unit met two arms"
    return Check("several_arms", True, p, f"{left_out}.")


def exposures(days: Sequence[date], until: date) -> Check:
    """Did units keep coming? `days` had first exposures; `until` is the day up to which they should have.

    Looks at running time only: nobody expects new units after the planned end.
    """
    if not days:
        return Check("exposures", True, None, "No unit has met an arm yet.")
    if max(days) < until - timedelta(days=1):
        return Check("exposures", False, None, f"No new unit has come since {max(days):%d %B %Y}.")
    return Check("exposures", True, None, "New units came to the end.")
