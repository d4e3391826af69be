"""More units step by step, and back at the first sign of harm. Weights stay, so a step is no phase.

A stage waits, holds, and has advanced or was rolled back. After a roll-back nothing goes on by itself: somebody reads
the evidence and advances, or stops. Coverage only grows but by a roll-back.
"""

from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from django.db import transaction

from experiments.lifecycle.gates import Finding, Seen, Stage, Way, judge
from experiments.lifecycle.rows import opened, written
from experiments.lifecycle.states import UnableToRamp
from experiments.models import Experiment, RampStage, Status
from firstlight.console import words
from firstlight.notices.announcing import announce

Outcome = RampStage.Outcome
GATE = "ramp"  # the actor of what happens by itself


def begin(experiment: Experiment, at: datetime) -> Decimal:
    """Enter the first stage. Coverage to start with: that stage's, or without a ramp the plan's."""
    first = experiment.ramp.order_by("position").first()
    if first is None:
        return experiment.coverage
    _enter(first, at)
    return first.coverage


def go_on(experiment: Experiment, at: datetime) -> None:
    """Of a resumed one: the stage that holds, or the first that was rolled back, holds anew from now."""
    stages = list(experiment.ramp.order_by("position"))
    current = holding(stages) or (stages[0] if stages and stages[0].outcome == Outcome.ROLLED_BACK else None)
    if current:
        _enter(current, at)


def hold_anew(experiment: Experiment, at: datetime) -> None:
    """The stage that holds, from now: what was seen before a new phase says nothing about it."""
    if current := holding(list(experiment.ramp.all())):
        _enter(current, at)


def end(experiment: Experiment, at: datetime) -> None:
    """Of a stopped one: the stage that held was left."""
    experiment.ramp.filter(outcome=Outcome.HOLDING).update(left_at=at)


def holding(stages: list[RampStage]) -> RampStage | None:
    return next((stage for stage in stages if stage.outcome == Outcome.HOLDING), None)


@transaction.atomic
def ramp_to(experiment_id: int, *, actor: str, at: datetime, coverage: Decimal) -> Experiment:
    """Cover more now. Stages that this reaches or passes are done; the last of them holds from now.

    Raises `UnableToRamp`, `Experiment.DoesNotExist`.
    """
    experiment = opened(experiment_id, "ramp_to", at)
    if not experiment.coverage < coverage <= 1:
        now = words.percent(float(experiment.coverage))
        raise UnableToRamp(f"It covers {now} of the units, and a ramp only adds: name a share above that, up to 100 %.")
    reached = list(experiment.ramp.filter(coverage__lte=coverage).order_by("position"))
    for passed in reached[:-1]:
        if passed.outcome != Outcome.ADVANCED:
            _leave(passed, Outcome.ADVANCED, at, {"by": actor, "to": str(coverage)})
    if reached:
        _enter(reached[-1], at)
    return _ramped(written(experiment, "ramped", actor, coverage=coverage), at, {"by": actor})


@transaction.atomic
def advance(experiment_id: int, *, actor: str, at: datetime, from_coverage: Decimal | None = None) -> Experiment:
    """Enter the next stage without waiting for its gate, if it covers `from_coverage`; None: whatever it covers.

    Raises `UnableToRamp`, `Experiment.DoesNotExist`.
    """
    experiment = opened(experiment_id, "advance", at)
    _same(experiment, from_coverage)
    stages = list(experiment.ramp.order_by("position"))
    if not any(stage.outcome != Outcome.ADVANCED for stage in stages):
        raise UnableToRamp("Its ramp is done." if stages else "It has no ramp; cover more of the units directly.")
    return _advance(experiment, stages, at, actor, {"by": actor})


@transaction.atomic
def roll_back(
    experiment_id: int, *, actor: str, at: datetime, reason: str = "", from_coverage: Decimal | None = None
) -> Experiment:
    """Back to the coverage of the stage before, if it covers `from_coverage`; from the first to a pause.

    Raises `UnableToRamp`, `Experiment.DoesNotExist`.
    """
    experiment = opened(experiment_id, "roll_back", at)
    _same(experiment, from_coverage)
    stages = list(experiment.ramp.order_by("position"))
    if in_force(stages) is None:
        raise UnableToRamp("It has been rolled back already." if stages else "It has no ramp; pause it or stop it.")
    return _roll_back(experiment, stages, at, actor, {"by": actor, "sentence": reason})


@transaction.atomic
def step(experiment_id: int, *, at: datetime) -> Finding | None:
    """What the gate of the stage that holds says, done. None where nothing holds; `UnableToRamp` if it does not run.

    Done twice it does nothing the second time: a stage that was left holds no more.
    """
    experiment = opened(experiment_id, "advance", at)
    stages = list(experiment.ramp.order_by("position"))
    current = holding(stages)
    if current is None:
        return None
    assert current.entered_at
    seen = _newest(experiment)
    found = judge(Stage(current.entered_at, timedelta(hours=current.hold_hours), current.least_units), seen, at)
    evidence = {**(seen.evidence() if seen else {}), "sentence": found.sentence}
    if found.way is Way.ROLL_BACK:
        _roll_back(experiment, stages, at, GATE, evidence)
    elif found.way is Way.ADVANCE and not _is_barred(stages, current):
        _advance(experiment, stages, at, GATE, evidence)
    else:
        return Finding(Way.HOLD, found.sentence)
    return found


def _same(experiment: Experiment, from_coverage: Decimal | None) -> None:
    """Two who press at once, or one who presses twice, mean one stage."""
    if from_coverage is not None and experiment.coverage != from_coverage:
        was, now = (words.percent(float(share)) for share in (from_coverage, experiment.coverage))
        raise UnableToRamp(f"It covers {now} of the units by now, not {was}: look at it again.")


def _newest(experiment: Experiment) -> Seen | None:
    look = experiment.looks.order_by("-number").first()
    return Seen.of(look.number, look.until, look.results) if look else None


def _is_barred(stages: list[RampStage], current: RampStage) -> bool:
    """What was rolled back once is entered again by people alone."""
    later = [stage for stage in stages if stage.position > current.position]
    return bool(later) and later[0].outcome == Outcome.ROLLED_BACK


def in_force(stages: list[RampStage]) -> RampStage | None:
    """The stage that holds; of a ramp that is done its last."""
    done = stages and all(stage.outcome == Outcome.ADVANCED for stage in stages)
    return stages[-1] if done else holding(stages)


def _advance(
    experiment: Experiment, stages: list[RampStage], at: datetime, actor: str, evidence: dict[str, Any]
) -> Experiment:
    if current := holding(stages):
        _leave(current, Outcome.ADVANCED, at, evidence)
    following = next((stage for stage in stages if stage.outcome != Outcome.ADVANCED), None)
    if following is None:
        written(experiment, "completed the ramp", actor, told={"evidence": evidence})
        return _ramped(experiment, at, evidence)
    _enter(following, at)
    written(experiment, "ramped", actor, told={"evidence": evidence}, coverage=following.coverage)
    return _ramped(experiment, at, evidence)


def _roll_back(
    experiment: Experiment, stages: list[RampStage], at: datetime, actor: str, evidence: dict[str, Any]
) -> Experiment:
    current = in_force(stages)
    assert current
    _leave(current, Outcome.ROLLED_BACK, at, evidence)
    told, earlier = {"evidence": evidence}, [stage for stage in stages if stage.position < current.position]
    if earlier:
        written(experiment, "rolled back", actor, told=told, coverage=earlier[-1].coverage)
    else:
        written(experiment, "paused", actor, told=told, status=Status.PAUSED, paused_at=at)
    where = f"is back at {words.percent(float(experiment.coverage))} of the units" if earlier else "is paused"
    _announce(experiment, "experiment.rolled_back", f"“{experiment.name}” {where}.", evidence, at)
    return experiment


def _ramped(experiment: Experiment, at: datetime, evidence: dict[str, Any]) -> Experiment:
    done = not experiment.ramp.exclude(outcome=Outcome.ADVANCED).exists()
    end = ", the last stage of its ramp is done" if done and experiment.ramp.exists() else ""
    covers = f"“{experiment.name}” covers {words.percent(float(experiment.coverage))} of the units{end}."
    _announce(experiment, "experiment.ramped", covers, evidence, at)
    return experiment


def _announce(experiment: Experiment, kind: str, what: str, evidence: dict[str, Any], at: datetime) -> None:
    sentence = f"{what} {evidence.get('sentence', '')}".strip()
    people = [experiment.owner] if experiment.owner else []
    announce(kind, experiment.key, sentence, evidence=evidence, at=at, people=people)


def _enter(stage: RampStage, at: datetime) -> None:
    stage.outcome, stage.entered_at, stage.left_at = Outcome.HOLDING, at, None
    stage.save(update_fields=["outcome", "entered_at", "left_at"])


def _leave(stage: RampStage, outcome: Outcome, at: datetime, evidence: dict[str, Any]) -> None:
    stage.outcome, stage.left_at, stage.evidence = outcome, at, evidence
    stage.save(update_fields=["outcome", "left_at", "evidence"])
