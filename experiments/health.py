"""What must be in order before any lift is believed. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta

from scipy.special import bdtrc

from firstlight.console import words
from firstlight.kernel.withheld import Withheld
from firstlight.stats.sample_ratio import p_value

ALARM = 0.001  # p of a test that is made at every look: a false alarm must be rare
SPLIT = frozenset({"sample_ratio", "sample_ratio_watched"})  # one fault, seen by two tests
MOST_MIXED = 0.01  # share of units in several arms; leaving out more may itself make the arms differ
MOST_IMMATURE = 0.2  # share of units whose time is not over; so many may still turn the result
RARE = 2.0  # standard deviations of past lifts: an effect beyond is not to be expected


@dataclass(frozen=True, slots=True)
class Check:
    check: str  # sample_ratio, sample_ratio_watched, sample_ratio_segments, several_arms, exposures, pre_exposure, …
    passed: bool
    p: float | None  # of those that are tests
    sentence: str
    is_made: bool = True  # False: it could not be, and says nothing against what was found

    @classmethod
    def open(cls, check: str, sentence: str) -> "Check":
        return cls(check, True, None, sentence, is_made=False)


def sample_ratio(units: Sequence[int], weights: Sequence[float]) -> Check:
    """Chi-square at `ALARM` of the counts against the shares in force; control first in both."""
    p = p_value(units, weights)
    if isinstance(p, Withheld):
        return Check.open("sample_ratio", "Too few units yet to check their split.")
    split = " : ".join(words.count(n) for n in units)
    planned = " : ".join(words.percent(w) for w in weights)
    if p < ALARM:
        sentence = f"The arms got {split} units, which chance does not make of {planned} ({words.p_value(p)})."
        return Check("sample_ratio", False, p, sentence)
    return Check("sample_ratio", True, p, f"The split of units, {split}, is as planned ({words.p_value(p)}).")


def sample_ratio_watched(p: float) -> Check:
    """The same by a sequential test, whose p may be watched daily without raising false alarms."""
    if p < ALARM:
        sentence = f"Watched since the start, the split of units is not as planned ({words.p_value(p)})."
        return Check("sample_ratio_watched", False, p, sentence)
    held = f"Watched since the start, the split is in order ({words.p_value(p)})."
    return Check("sample_ratio_watched", True, p, held)


def sample_ratio_segments(units: Mapping[tuple[str, str], Sequence[int]], weights: Sequence[float]) -> Check:
    """Of every (slice, segment), corrected for their number: a fault on one platform hides in the whole."""
    found = {at: p for at, counts in units.items() if not isinstance(p := p_value(counts, weights), Withheld)}
    if not found:
        return Check.open("sample_ratio_segments", "No segment is large enough to check its split.")
    (slice_, segment), least = min(found.items(), key=lambda one: one[1])
    p = min(1.0, least * len(found))
    if p < ALARM:
        split = " : ".join(words.count(n) for n in units[slice_, segment])
        sentence = f"In {slice_} “{segment}” the arms got {split} units, which chance does not ({words.p_value(p)})."
        return Check("sample_ratio_segments", False, p, sentence)
    held = f"The split is as planned in each of {words.plural(len(found), 'segment')} ({words.p_value(p)})."
    return Check("sample_ratio_segments", True, p, held)


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
        return Check.open("exposures", "No unit has met an arm yet.")
    if max(days) < until - timedelta(days=1):
        return Check("exposures", False, None, f"No new unit has come since {max(days):%d %B %Y}.")
    return Check("exposures", True, None, "New units came to the end.")


@dataclass(frozen=True, slots=True)
class Before:
    """One metric of one treatment in the days before exposure, when the arms were still the same."""

    metric: str
    arm: str
    p: float  # of no difference


def pre_exposure(found: Sequence[Before]) -> Check:
    """An A/A test in the past of the same units, corrected for the number of comparisons."""
    if not found:
        return Check.open("pre_exposure", "What units did before exposure was not read.")
    worst = min(found, key=lambda one: one.p)
    p = min(1.0, worst.p * len(found))
    if p < ALARM:
        sentence = (
            f"The arms differed before the experiment: “{worst.metric}” of {worst.arm} in the days before exposure "
            f"({words.p_value(p)})."
        )
        return Check("pre_exposure", False, p, sentence)
    return Check("pre_exposure", True, p, f"Before exposure the arms were alike ({words.p_value(p)}).")


def covariates(reductions: Mapping[str, float], off: Mapping[str, str]) -> Check:
    """How far the adjustment may be trusted: variance it took away by metric, and why it is off for others."""
    if off:
        told = words.listing([f"“{metric}” ({why})" for metric, why in off.items()])
        return Check("covariates", False, None, f"Not adjusted for the past: {told}.")
    if not reductions:
        return Check.open("covariates", "Nothing is adjusted for what units did before exposure.")
    most = max(reductions, key=lambda metric: reductions[metric])
    took = f"took {words.percent(reductions[most], 2)} of the variance of “{most}”"
    return Check("covariates", True, None, f"The adjustment for what units did before exposure {took}.")


def money(unpriced: Mapping[str, int]) -> Check:
    """Metric -> events in a currency that had no rate on their day, and are missing from it."""
    missing = {metric: n for metric, n in unpriced.items() if n}
    if missing:
        told = words.listing([f"{words.plural(n, 'event')} of “{metric}”" for metric, n in missing.items()])
        return Check("money", False, None, f"No exchange rate for {told}: enter the rates of their days.")
    return Check("money", True, None, "All money could be converted.")


def immature(open_: int, units: int) -> Check:
    """`open_` of `units` have not had the whole time that a metric looks at."""
    if not open_:
        return Check("immature", True, None, "Every unit has had its whole time.")
    share = open_ / (open_ + units) if units or open_ else 0.0
    told = f"{words.count(open_)} units ({words.percent(share, 2)}) have not had their whole time yet."
    return Check("immature", share <= MOST_IMMATURE, None, told)


def low_power(goal: str, detectable: float | None, past_sd: float | None, n_past: int) -> Check:
    """Can the plan find what past experiments found? `detectable` lift at 80 % power by the planned end."""
    if detectable is None:
        return Check.open("low_power", "Too little data yet to say what the plan can detect.")
    sees = f"By the planned end a lift of {words.percent(detectable)} in “{goal}” can be detected"
    if past_sd is None:
        return Check.open("low_power", f"{sees}; there are too few past experiments to compare it with.")
    usual = f"nearly all of {words.plural(n_past, 'past lift')} lie within ±{words.percent(RARE * past_sd)}"
    if detectable > RARE * past_sd:
        return Check("low_power", False, None, f"{sees} at best, but {usual}: it is too small to find what is usual.")
    return Check("low_power", True, None, f"{sees}; {usual}.")


@dataclass(frozen=True, slots=True)
class Carried:
    """A goal with and without its top 0.1 % of units."""

    metric: str
    arm: str
    lift: float
    without: float
    is_apart: bool  # clear with all units
    is_apart_without: bool


def outliers(found: Sequence[Carried]) -> Check:
    """Do a few units carry what is clear? It is gone without them, or less than half is left."""
    if not found:
        return Check.open("outliers", "Nothing is left out to see who carries the result.")
    for one in found:
        if one.is_apart and not one.is_apart_without and 2 * one.without * one.lift < one.lift**2:
            gone = f"{words.lift(one.lift)} with all units, {words.lift(one.without)} without the top 0.1 %"
            return Check("outliers", False, None, f"A few units carry “{one.metric}” in {one.arm}: {gone}.")
    return Check("outliers", True, None, "No result hangs on the top 0.1 % of units.")


def overlap(found: Sequence[tuple[str, float]], others: Sequence[str] = ()) -> Check:
    """(other experiment, p of an interaction, corrected) of those that run in the same scenarios, the `others`."""
    if not found and others:
        told = f"{words.listing([f'“{key}”' for key in others])} on the same units"
        return Check.open("overlap", f"Too few units met each pair of arms of this and {told} to compare them.")
    if not found:
        return Check("overlap", True, None, "No other experiment runs on the same units.")
    other, p = min(found, key=lambda one: one[1])
    if p < ALARM:
        sentence = f"Its effect depends on the arm of “{other}” ({words.p_value(p)}): the two change each other."
        return Check("overlap", False, p, sentence)
    return Check("overlap", True, p, f"No other experiment changes its effect ({words.p_value(p)}).")
