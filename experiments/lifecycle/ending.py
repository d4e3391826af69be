"""What was decided, for those who ask in a year."""

from datetime import datetime
from typing import Any

from django.db import transaction

from experiments.lifecycle.rows import opened, written
from experiments.lifecycle.states import UnableToDecide
from experiments.models import Decision, Experiment, Status, Type
from firstlight.console import words

SHIPS_NOTHING = (Type.AA, Type.HOLDOUT)  # they measure; what they compare is there already


@transaction.atomic
def decide(
    experiment_id: int, *, actor: str, at: datetime, decision: str, note: str, arm: str | None = None
) -> Experiment:
    """Close the record: what was decided, why, on which look. Raises `UnableToDecide`, `Experiment.DoesNotExist`."""
    experiment = opened(experiment_id, "decide", at)
    if decision not in Decision.values:
        raise UnableToDecide(f"A decision is one of {words.listing(Decision.values)}.")
    if not note.strip():
        raise UnableToDecide("Say why, for those who ask in a year.")
    shipped = _shipped(experiment, arm) if decision == Decision.SHIPPED else ""
    if arm and not shipped:
        raise UnableToDecide(f"Only what is shipped names an arm; this one is {decision}.")
    look = experiment.looks.order_by("-number").values_list("number", flat=True).first()
    made: dict[str, Any] = {"decision": decision, "decision_note": note, "decision_look": look, "shipped_arm": shipped}
    return written(experiment, "decided", actor, status=Status.DECIDED, decided_at=at, decided_by=actor, **made)


def ship(experiment_id: int, *, actor: str, at: datetime, note: str, arm: str | None = None) -> Experiment:
    """Decide for an arm; the only treatment needs no name. Raises `UnableToDecide`, `Experiment.DoesNotExist`."""
    return decide(experiment_id, actor=actor, at=at, decision=Decision.SHIPPED, note=note, arm=arm)


@transaction.atomic
def archive(experiment_id: int, *, actor: str, at: datetime) -> Experiment:
    """Out of the way, with all that was found. Raises `UnableToArchive`, `Experiment.DoesNotExist`."""
    experiment = opened(experiment_id, "archive", at)
    return written(experiment, "archived", actor, status=Status.ARCHIVED)


def _shipped(experiment: Experiment, arm: str | None) -> str:
    if experiment.type in SHIPS_NOTHING:
        kind = Type(experiment.type).label.split(":")[0]
        raise UnableToDecide(f"{kind}: there is nothing to ship. What it showed is rejected or inconclusive.")
    arms = list(experiment.arms.order_by("position").values_list("key", flat=True))
    treatments = arms[1:]
    if arm is None and len(treatments) == 1:
        return treatments[0]
    if arm is None:
        raise UnableToDecide(f"Say which arm is shipped: {words.listing(treatments)}.")
    if arm not in treatments:
        control = f" “{arm}” is the control: to keep it is to reject the others." if arm in arms else ""
        raise UnableToDecide(f"What can be shipped is {words.listing(treatments)}.{control}")
    return arm
