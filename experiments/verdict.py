"""From estimates to a decision and its reasons. Pure; the one place where a metric's direction becomes a sign.

Fixed horizon: nothing ships before the planned end. Harm may end it sooner, but only at p < .001, which spends next to
nothing of the error that was promised for the planned look (Haybittle 1971, Peto 1976).
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from math import ceil

from experiments.health import Check
from experiments.stats.estimates import Estimate
from experiments.stats.guardrails import Guardrail, State
from firstlight.console import words
from firstlight.kernel.withheld import Withheld

EARLY = 0.001  # what p must be under before the planned end
SPOILING = frozenset({"sample_ratio", "several_arms"})  # more units would not mend what these find


class Kind(StrEnum):
    SHIP = "ship"
    KEEP_RUNNING = "keep running"
    END = "end"
    ABORT = "abort"
    CANNOT_TELL = "cannot tell"


@dataclass(frozen=True, slots=True)
class Verdict:
    kind: Kind
    sentence: str
    reasons: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Finding:
    """One metric in one treatment."""

    metric: str  # as people call it
    arm: str  # likewise
    role: str  # primary, secondary or guardrail
    sign: int  # +1 when more is better, -1 when less is
    margin: float  # of a guardrail, as a share of the control
    difference: Estimate | Withheld
    lift: Estimate | Withheld
    p: float | None  # two-sided, of no difference; of goals corrected for their number
    guardrail: Guardrail | Withheld | None = None

    def is_better(self, alpha: float) -> bool:
        return self._moved(alpha) > 0

    def is_harmed(self, alpha: float) -> bool:
        """A goal that got worse, or a guardrail that lost more than its margin."""
        if isinstance(self.guardrail, Guardrail):
            return self.guardrail.broken.p < alpha
        return self.role == "primary" and self._moved(alpha) < 0

    def _moved(self, alpha: float) -> float:
        """Gain in the direction that is wanted, 0 when it is not clear."""
        if self.p is None or self.p >= alpha or isinstance(self.difference, Withheld):
            return 0.0
        return self.sign * self.difference.value


@dataclass(frozen=True, slots=True)
class Progress:
    days: float  # run so far, to the stop if it is stopped
    planned_days: int
    is_stopped: bool

    @property
    def is_over(self) -> bool:
        return self.days >= self.planned_days


def decide(findings: Sequence[Finding], checks: Iterable[Check], progress: Progress, confidence: float) -> Verdict:
    if failed := [check for check in checks if not check.passed]:
        return _unhealthy(failed, progress)
    goals = [f for f in findings if f.role == "primary"]
    if all(f.p is None for f in goals):
        return _without_numbers(goals)
    alpha = 1 - confidence if progress.is_over else EARLY
    reasons = tuple(_reasons(findings, progress, confidence))
    harmed = [f for f in findings if f.is_harmed(alpha)]
    best = _best(findings, harmed, alpha) if progress.is_over else None
    if best:
        return Verdict(Kind.SHIP, f"Ship {best.arm}: “{best.metric}” is better, {change(best)}.", reasons)
    if harmed:
        return Verdict(Kind.ABORT, _abort(harmed[0], progress), reasons)
    if not progress.is_over:
        return _too_early(goals[0], progress, reasons)
    return _nothing_to_ship(goals, alpha, reasons)


def _best(findings: Sequence[Finding], harmed: Sequence[Finding], alpha: float) -> Finding | None:
    """The goal that gained most in an arm that harms nothing and keeps every guardrail."""
    out = {f.arm for f in [*harmed, *(f for f in findings if f.role == "guardrail" and not _is_kept(f))]}
    better = [f for f in findings if f.role == "primary" and f.arm not in out and f.is_better(alpha)]
    return max(better, key=_gain, default=None)


def _gain(finding: Finding) -> float:
    shown = finding.lift if isinstance(finding.lift, Estimate) else finding.difference
    return finding.sign * shown.value if isinstance(shown, Estimate) else 0.0


def _is_kept(finding: Finding) -> bool:
    return isinstance(finding.guardrail, Guardrail) and finding.guardrail.state is State.NOT_WORSE


def _unhealthy(failed: Sequence[Check], progress: Progress) -> Verdict:
    reasons = tuple(check.sentence for check in failed)
    spoilt = any(check.check in SPOILING for check in failed)
    if spoilt and not progress.is_stopped:
        return Verdict(
            Kind.ABORT, f"Stop it and look for the cause: {failed[0].sentence} No lift can be trusted.", reasons
        )
    return Verdict(Kind.CANNOT_TELL, f"Cannot tell, for the data is not in order: {failed[0].sentence}", reasons)


def _without_numbers(goals: Sequence[Finding]) -> Verdict:
    why = [
        f"“{f.metric}” in {f.arm}: {f.difference.reason.value}." for f in goals if isinstance(f.difference, Withheld)
    ]
    return Verdict(Kind.CANNOT_TELL, f"Cannot tell yet. {why[0] if why else 'No goal is measured.'}", tuple(why))


def _abort(harmed: Finding, progress: Progress) -> str:
    advice = f"Do not ship {harmed.arm}" if progress.is_over or progress.is_stopped else "Stop it"
    if isinstance(harmed.guardrail, Guardrail):
        return f"{advice}: “{harmed.metric}” is {guardrail_words(harmed)} in {harmed.arm}."
    return f"{advice}: “{harmed.metric}” got worse in {harmed.arm}, {change(harmed)}."


def _too_early(goal: Finding, progress: Progress, reasons: tuple[str, ...]) -> Verdict:
    so_far = f"So far “{goal.metric}” in {goal.arm}: {change(goal)}."
    if progress.is_stopped:
        when = f"it was stopped after {words.number(progress.days, 2)} of {progress.planned_days} planned days"
        return Verdict(Kind.CANNOT_TELL, f"Cannot tell: {when}. {so_far}", reasons)
    left = words.plural(ceil(progress.planned_days - progress.days), "day")
    return Verdict(Kind.KEEP_RUNNING, f"Keep running, about {left} left. {so_far}", reasons)


def _nothing_to_ship(goals: Sequence[Finding], alpha: float, reasons: tuple[str, ...]) -> Verdict:
    for goal in goals:
        if goal.is_better(alpha):
            sentence = (
                f"Cannot tell: “{goal.metric}” is better in {goal.arm}, {change(goal)}, but a guardrail is not settled."
            )
            return Verdict(Kind.CANNOT_TELL, sentence, reasons)
    return Verdict(Kind.END, f"End it, nothing to ship. {no_difference(goals[0])}", reasons)


def _reasons(findings: Sequence[Finding], progress: Progress, confidence: float) -> Iterable[str]:
    if not progress.is_over:
        yield f"A look before the planned end of {words.plural(progress.planned_days, 'day')}: it ships nothing."
    n_goals = sum(f.role == "primary" for f in findings)
    if n_goals > 1:
        yield f"{n_goals} comparisons decide, so each p is corrected for their number (Holm)."
    alpha = 1 - confidence
    for finding in findings:
        if finding.role == "guardrail":
            yield f"“{finding.metric}” in {finding.arm}: {guardrail_words(finding)}."
        elif finding.role == "primary":
            clear = finding.is_better(alpha) or finding.is_harmed(alpha)
            yield f"“{finding.metric}” in {finding.arm}: {change(finding)}." if clear else no_difference(finding)


def change(finding: Finding) -> str:
    """+10.5 % (−3.1 % to +30.2 %); in the metric's own unit when the lift is withheld."""
    match finding.lift, finding.difference:
        case Estimate(value, low, high), _:
            return f"{words.lift(value)} ({words.lift_interval(low, high)})"
        case _, Estimate(value, low, high):
            return f"a difference of {words.number(value)} ({words.number(low)} to {words.number(high)})"
        case _, Withheld(reason):
            return f"withheld, {reason.value}"
    raise AssertionError(finding)


def no_difference(finding: Finding) -> str:
    about = f"No clear difference in “{finding.metric}” for {finding.arm}"
    match finding.lift, finding.difference:
        case Estimate(_, low, high), _:
            return f"{about}: we can rule out more than {words.lift(high)} and less than {words.lift(low)}."
        case _, Estimate(_, low, high):
            return f"{about}: we can rule out more than {words.number(high)} and less than {words.number(low)}."
    return f"“{finding.metric}” in {finding.arm}: {change(finding)}."


def guardrail_words(finding: Finding) -> str:
    """not worse than −2.0 %"""
    bound = words.lift(-finding.sign * finding.margin)
    match finding.guardrail:
        case Guardrail(State.NOT_WORSE):
            return f"not worse than {bound}"
        case Guardrail(State.WORSE):
            return f"worse than {bound}"
        case Guardrail(State.NOT_SETTLED):
            return f"may be worse than {bound}: not settled"
        case Withheld(reason):
            return f"may be worse than {bound}: not settled, {reason.value}"
    raise AssertionError(finding)
