"""From estimates to a decision and its reasons. Pure; here alone a metric's direction becomes a sign.

A sequential plan may decide at any look, for its p and intervals carry what every look before has spent; it ships only
after a minimum run time, so that each day of the week was seen. A fixed plan ships nothing before its end; harm may end
it sooner, but only at p < .001, which spends next to nothing of the error that was promised for the planned look
(Haybittle 1971, Peto 1976).
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from math import ceil

from experiments.findings import Finding, best, change, guardrail_words, no_difference, told
from experiments.health import Check
from firstlight.console import words
from firstlight.kernel.withheld import Withheld
from firstlight.stats.guardrails import Guardrail

EARLY = 0.001  # what p must be under before the planned end of a fixed horizon
# More units would not mend what these find.
SPOILING = frozenset({"sample_ratio", "sample_ratio_watched", "several_arms"})


class Kind(StrEnum):
    SHIP = "ship"
    KEEP_RUNNING = "keep running"
    END = "end"
    ABORT = "abort"
    CANNOT_TELL = "cannot tell"


class Question(StrEnum):
    """What the experiment is to tell."""

    BETTER = "better"  # a test: what shall ship?
    SAME = "same"  # an A/A test: is there no difference, as there should be none?
    WORTH = "worth"  # a holdout: what is all that was shipped worth?
    LASTING = "lasting"  # shipped, with some units held back: does it last?


# Checks that forbid some verdicts and let the others stand; any other that fails leaves nothing to be told.
HELD_BACK: dict[str, frozenset[Kind]] = {
    "low_power": frozenset({Kind.END}),
    "outliers": frozenset({Kind.SHIP}),
    "immature": frozenset({Kind.SHIP, Kind.END}),
    "overlap": frozenset({Kind.SHIP}),
    "covariates": frozenset(),
}


@dataclass(frozen=True, slots=True)
class Verdict:
    kind: Kind
    sentence: str
    reasons: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Progress:
    days: float  # run so far, to the stop if it is stopped
    planned_days: int
    is_stopped: bool
    is_sequential: bool = False  # every look may decide
    least_days: float = 0.0  # before which nothing ships
    share: float = 1.0  # of the planned units that have come; 1 when the plan names none

    @property
    def is_over(self) -> bool:
        return self.days >= self.planned_days and self.share >= 1

    @property
    def may_ship(self) -> bool:
        return self.is_over or (self.is_sequential and self.days >= self.least_days)

    @property
    def left(self) -> str:
        """about 5 days"""
        for_units = self.days / self.share - self.days if 0 < self.share < 1 else 0.0
        return words.plural(max(1, ceil(max(self.planned_days - self.days, for_units))), "day")


@dataclass(frozen=True, slots=True)
class Weighing:
    """All that a verdict is taken from, once the data is in order."""

    findings: Sequence[Finding]
    goals: Sequence[Finding]
    progress: Progress
    alpha: float  # that p must be under at this look
    reasons: tuple[str, ...]

    @property
    def harmed(self) -> list[Finding]:
        return [f for f in self.findings if f.is_harmed(self.alpha)]

    def say(self, kind: Kind, sentence: str) -> Verdict:
        return Verdict(kind, sentence, self.reasons)


def decide(
    findings: Sequence[Finding],
    checks: Iterable[Check],
    progress: Progress,
    confidence: float,
    question: Question = Question.BETTER,
) -> Verdict:
    failed = [check for check in checks if not check.passed]
    if grave := [check for check in failed if check.check not in HELD_BACK]:
        return _unhealthy(grave, progress)
    goals = [f for f in findings if f.role == "primary"]
    if all(f.p is None for f in goals):
        return _without_numbers(goals)
    alpha = 1 - confidence if progress.is_over or progress.is_sequential else EARLY
    reasons = tuple(_reasons(findings, progress, confidence))
    return _held_back(RULES[question](Weighing(findings, goals, progress, alpha, reasons)), failed)


def _unhealthy(failed: Sequence[Check], progress: Progress) -> Verdict:
    reasons = tuple(check.sentence for check in failed)
    if any(check.check in SPOILING for check in failed) and not progress.is_stopped:
        return Verdict(
            Kind.ABORT, f"Stop it and look for the cause: {failed[0].sentence} No lift can be trusted.", reasons
        )
    return Verdict(Kind.CANNOT_TELL, f"Cannot tell, for the data is not in order: {failed[0].sentence}", reasons)


def _without_numbers(goals: Sequence[Finding]) -> Verdict:
    why = [
        f"“{f.metric}” in {f.arm}: {f.difference.reason.value}." for f in goals if isinstance(f.difference, Withheld)
    ]
    return Verdict(Kind.CANNOT_TELL, f"Cannot tell yet. {why[0] if why else 'No goal is measured.'}", tuple(why))


def _held_back(verdict: Verdict, failed: Sequence[Check]) -> Verdict:
    """What a failed check forbids cannot be told; else it is one reason more."""
    reasons = (*verdict.reasons, *(check.sentence for check in failed))
    against = [check for check in failed if verdict.kind in HELD_BACK[check.check]]
    if not against:
        return Verdict(verdict.kind, verdict.sentence, reasons)
    sentence = f"Cannot tell: {against[0].sentence} Else it would be: {verdict.sentence}"
    return Verdict(Kind.CANNOT_TELL, sentence, reasons)


def _better(found: Weighing) -> Verdict:
    harmed, progress = found.harmed, found.progress
    winner = best(found.findings, harmed, found.alpha)
    if winner and progress.may_ship:
        return found.say(Kind.SHIP, f"Ship {winner.arm}: “{winner.metric}” is better, {change(winner)}.")
    if harmed:
        return found.say(Kind.ABORT, _abort(harmed[0], progress))
    if winner and progress.is_sequential and not progress.is_stopped:
        return found.say(Kind.KEEP_RUNNING, _too_soon(winner, progress))
    return _nothing_to_ship(found) if progress.is_over else _before_the_end(found)


def _abort(harmed: Finding, progress: Progress) -> str:
    advice = f"Do not ship {harmed.arm}" if progress.is_over or progress.is_stopped else "Stop it"
    return f"{advice}: {_harm(harmed)}."


def _harm(harmed: Finding) -> str:
    if isinstance(harmed.guardrail, Guardrail):
        return f"“{harmed.metric}” is {guardrail_words(harmed)} in {harmed.arm}"
    return f"“{harmed.metric}” got worse in {harmed.arm}, {change(harmed)}"


def _too_soon(winner: Finding, progress: Progress) -> str:
    left = words.plural(max(1, ceil(progress.least_days - progress.days)), "day")
    least = words.plural(ceil(progress.least_days), "day")
    return (
        f"Keep running, about {left} left: “{winner.metric}” is better already in {winner.arm}, {change(winner)}, but "
        f"nothing ships before {least} were seen."
    )


def _before_the_end(found: Weighing) -> Verdict:
    goal, progress = found.goals[0], found.progress
    so_far = f"So far “{goal.metric}” in {goal.arm}: {change(goal)}."
    if progress.is_stopped:
        when = f"it was stopped after {words.number(progress.days, 2)} of {progress.planned_days} planned days"
        return found.say(Kind.CANNOT_TELL, f"Cannot tell: {when}. {so_far}")
    return found.say(Kind.KEEP_RUNNING, f"Keep running, about {progress.left} left. {so_far}")


def _nothing_to_ship(found: Weighing) -> Verdict:
    for goal in found.goals:
        if goal.is_better(found.alpha):
            better = f"“{goal.metric}” is better in {goal.arm}, {change(goal)}"
            return found.say(Kind.CANNOT_TELL, f"Cannot tell: {better}, but a guardrail is not settled.")
    return found.say(Kind.END, f"End it, nothing to ship. {no_difference(found.goals[0])}")


def _same(found: Weighing) -> Verdict:
    """Of an A/A test: a difference is an alarm, whichever way it goes."""
    for goal in found.goals:
        if goal.is_apart(found.alpha):
            return found.say(
                Kind.ABORT,
                f"Alarm: the arms are the same, yet “{goal.metric}” differs in {goal.arm}, {change(goal)}. Look for "
                "the cause in assignment, logging or the metric before any test is believed.",
            )
    if found.progress.is_over:
        return found.say(Kind.END, f"No difference, as it should be. {no_difference(found.goals[0])}")
    if found.progress.is_stopped:
        return _before_the_end(found)
    return found.say(Kind.KEEP_RUNNING, f"Keep running, about {found.progress.left} left. No difference so far.")


def _worth(found: Weighing) -> Verdict:
    """Of a holdout: all that was shipped against none of it."""
    if found.harmed:
        return found.say(Kind.ABORT, f"Look for what to take back: {_harm(found.harmed[0])}.")
    if not found.progress.is_over:
        return _before_the_end(found)
    return found.say(Kind.END, f"All that was shipped together. {told(found.goals[0], found.alpha)}")


def _lasting(found: Weighing) -> Verdict:
    """After shipping, against the units that were held back."""
    if found.harmed:
        return found.say(Kind.ABORT, f"Take it back: {_harm(found.harmed[0])}.")
    lasts = best(found.findings, [], found.alpha)
    if lasts:
        return found.say(Kind.END, f"It lasts: “{lasts.metric}” is still better in {lasts.arm}, {change(lasts)}.")
    return found.say(Kind.END, f"Shipped; in the long run not settled. {no_difference(found.goals[0])}")


RULES: dict[Question, Callable[[Weighing], Verdict]] = {
    Question.BETTER: _better,
    Question.SAME: _same,
    Question.WORTH: _worth,
    Question.LASTING: _lasting,
}


def _reasons(findings: Sequence[Finding], progress: Progress, confidence: float) -> Iterable[str]:
    if not progress.is_over:
        yield _how_far(progress)
    n_goals = sum(f.role == "primary" for f in findings)
    if n_goals > 1:
        yield f"{n_goals} comparisons decide, so each p is corrected for their number."
    for finding in findings:
        if finding.role == "guardrail":
            yield f"“{finding.metric}” in {finding.arm}: {guardrail_words(finding)}."
        elif finding.role == "primary":
            yield told(finding, 1 - confidence)


def _how_far(progress: Progress) -> str:
    end = f"A look before the planned end of {words.plural(progress.planned_days, 'day')}"
    if not progress.is_sequential:
        return f"{end}: it ships nothing."
    return f"{end}: intervals are wider, for every look before has spent its part of the error."
