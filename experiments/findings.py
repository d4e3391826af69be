"""One metric in one treatment, as the verdict weighs it and as people read it. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass

from firstlight.console import words
from firstlight.kernel.withheld import Withheld
from firstlight.stats.estimates import Estimate
from firstlight.stats.guardrails import Guardrail, State


@dataclass(frozen=True, slots=True)
class Finding:
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

    def is_apart(self, alpha: float) -> bool:
        return self._moved(alpha) != 0

    @property
    def is_kept(self) -> bool:
        """A guardrail that is surely not worse than its margin."""
        return isinstance(self.guardrail, Guardrail) and self.guardrail.state is State.NOT_WORSE

    @property
    def gain(self) -> float:
        """In the direction that is wanted: the lift, or where it is withheld the difference."""
        shown = self.lift if isinstance(self.lift, Estimate) else self.difference
        return self.sign * shown.value if isinstance(shown, Estimate) else 0.0

    def _moved(self, alpha: float) -> float:
        """Gain in the direction that is wanted, 0 when it is not clear."""
        if self.p is None or self.p >= alpha or isinstance(self.difference, Withheld):
            return 0.0
        return self.sign * self.difference.value


def best(findings: Sequence[Finding], harmed: Sequence[Finding], alpha: float) -> Finding | None:
    """The goal that gained most in an arm that harms nothing and keeps every guardrail."""
    out = {f.arm for f in [*harmed, *(f for f in findings if f.role == "guardrail" and not f.is_kept)]}
    better = [f for f in findings if f.role == "primary" and f.arm not in out and f.is_better(alpha)]
    return max(better, key=lambda f: f.gain, default=None)


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


def told(finding: Finding, alpha: float) -> str:
    """What is clear as a change, what is not by what it rules out."""
    if finding.is_apart(alpha):
        return f"“{finding.metric}” in {finding.arm}: {change(finding)}."
    return no_difference(finding)


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
