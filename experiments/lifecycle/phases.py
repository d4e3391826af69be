"""Stretches of time in which nobody changes arm. Other weights, or an arm less, open the next.

As few units as possible change arm, or all are dealt anew where that is asked for: a clean start for the analysis,
another experience for nearly everybody.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any

from django.db import transaction

from experiments.lifecycle import faults, prerequisites, ramps
from experiments.lifecycle.rows import opened
from experiments.lifecycle.states import UnableToChange
from experiments.models import Arm, Experiment, Phase
from firstlight.accounts import audit
from firstlight.assignment import deals
from firstlight.console import words

LEAST = Decimal("0.0001")  # a weight's last decimal


def open_first(experiment: Experiment, at: datetime) -> None:
    """With the weights of the plan."""
    _open(experiment, at, "")


def close(experiment: Experiment, at: datetime) -> None:
    experiment.phases.filter(ended_at=None).update(ended_at=at)


@transaction.atomic
def change_weights(
    experiment_id: int,
    *,
    actor: str,
    at: datetime,
    weights: Mapping[str, Decimal],
    reason: str = "",
    reshuffle: bool = False,
    refuse_former: bool = False,
) -> Experiment:
    """Go on with these shares. Raises `UnableToChange`, `Experiment.DoesNotExist`.

    `reshuffle` deals all units anew; `refuse_former` then lets nobody in who has met an arm, of a sticky experiment.
    """
    experiment = opened(experiment_id, "change_weights", at)
    arms = list(experiment.arms.order_by("position"))
    if set(weights) != {arm.key for arm in arms}:
        raise UnableToChange(f"Give every arm its weight: {words.listing([arm.key for arm in arms])}.")
    if all(weights[arm.key] == arm.weight for arm in arms):
        raise UnableToChange("These are its weights already.")
    before, deal = audit.state(experiment, "arms"), _deal(experiment, arms)
    for arm in arms:
        arm.weight = weights[arm.key]
    Arm.objects.bulk_update(arms, ["weight"])
    _open_next(experiment, at, reason or "Other weights", _dealt(experiment, deal, arms, reshuffle, refuse_former))
    return _recorded(experiment, "changed the weights", actor, before)


@transaction.atomic
def remove_arm(
    experiment_id: int,
    *,
    actor: str,
    at: datetime,
    arm: str,
    reason: str = "",
    reshuffle: bool = False,
    refuse_former: bool = False,
) -> Experiment:
    """Go on without an arm; the others share its units as they share the rest. Raises `UnableToChange`, `DoesNotExist`.

    What it set and how it did stays in the trail, in the phases and in every look up to now.
    """
    experiment = opened(experiment_id, "remove_arm", at)
    arms = list(experiment.arms.order_by("position"))
    kept = [one for one in arms if one.key != arm]
    if len(kept) == len(arms):
        raise UnableToChange(f"It has no arm “{arm}”, but {words.listing([one.key for one in arms])}.")
    if arm == arms[0].key:
        raise UnableToChange(f"“{arm}” is the control: without it nothing can be compared.")
    if len(kept) < 2:
        raise UnableToChange(f"Nothing would be left to compare the control with: stop “{experiment.key}” instead.")
    if wanting := list(prerequisites.wanting(experiment, arm)):
        raise UnableToChange(" ".join(wanting))
    before, deal = audit.state(experiment, "arms"), _deal(experiment, arms)
    experiment.arms.filter(key=arm).delete()
    for one, weight in zip(kept, rescaled([one.weight for one in kept]), strict=True):
        one.weight = weight
    Arm.objects.bulk_update(kept, ["weight"])
    experiment.testers = {unit: seen for unit, seen in experiment.testers.items() if seen != arm}
    experiment.save(update_fields=["testers"])
    _open_next(experiment, at, reason or f"Without “{arm}”", _dealt(experiment, deal, kept, reshuffle, refuse_former))
    return _recorded(experiment, "removed an arm", actor, before)


def rescaled(weights: list[Decimal]) -> list[Decimal]:
    """In the same proportions, to sum to exactly 1 with four decimals; what rounding leaves goes to the control.

    >>> rescaled([Decimal("0.25"), Decimal("0.25"), Decimal("0.25")])
    [Decimal('0.3334'), Decimal('0.3333'), Decimal('0.3333')]
    """
    total = sum(weights, Decimal(0))
    others = [(weight / total).quantize(LEAST) for weight in weights[1:]]
    return [1 - sum(others, Decimal(0)), *others]


def _deal(experiment: Experiment, arms: Sequence[Arm]) -> deals.Deal:
    """Which units are in which arm now."""
    weights = {arm.key: float(arm.weight) for arm in arms}
    return deals.read(experiment.pieces) or deals.begun(weights, float(experiment.coverage))


def _dealt(
    experiment: Experiment, deal: deals.Deal, arms: Sequence[Arm], reshuffle: bool, refuse_former: bool
) -> dict[str, Any]:
    """What the phase to come makes of the deal, as fields of the experiment."""
    if refuse_former and not (reshuffle and experiment.sticky):
        raise UnableToChange("Only a reshuffled sticky experiment can refuse who has met an arm: units bring it along.")
    if not reshuffle:
        weights = {arm.key: float(arm.weight) for arm in arms}
        return {"pieces": deals.moved(deal, weights, float(experiment.coverage))}
    anew = experiment.phase + 1
    return {"pieces": {}, "dealt_in": anew, "refused_before": anew if refuse_former else experiment.refused_before}


def _open_next(experiment: Experiment, at: datetime, reason: str, dealt: Mapping[str, Any]) -> None:
    """The next phase, if what runs then can run."""
    if wrong := list(faults.of(experiment)):
        raise UnableToChange(" ".join(wrong))
    close(experiment, at)
    experiment.phase += 1
    for name, value in dealt.items():
        setattr(experiment, name, value)
    experiment.save(update_fields=["phase", *dealt])
    _open(experiment, at, reason)
    ramps.hold_anew(experiment, at)


def _recorded(experiment: Experiment, action: str, actor: str, before: dict[str, Any]) -> Experiment:
    audit.record(actor, action, "experiment", experiment.key, before=before, after=audit.state(experiment, "arms"))
    return experiment


def _open(experiment: Experiment, at: datetime, reason: str) -> Phase:
    weights = {arm.key: float(arm.weight) for arm in experiment.arms.order_by("position")}
    return experiment.phases.create(number=experiment.phase, weights=weights, started_at=at, reason=reason)
