"""Somebody else reads the plan before it runs, wherever a scenario asks for it."""

from collections.abc import Iterator
from datetime import datetime
from typing import Any

from django.db import transaction

from experiments.lifecycle import checklist, claims, rules
from experiments.lifecycle.items import REVIEW
from experiments.lifecycle.rows import opened, written
from experiments.lifecycle.states import UnableToReview, UnableToSubmit
from experiments.models import Experiment, Status
from firstlight.accounts.models import ApiKey


def submit(experiment_id: int, *, actor: str, at: datetime) -> Experiment:
    """Ask for a review; the plan stands still until it is given. Raises `UnableToSubmit`, `DoesNotExist`.

    The trail keeps the checklist as it was: what the reviewer could know.
    """
    listed = checklist.of(Experiment.objects.get(pk=experiment_id), at)
    known = checklist.stored([item for item in listed if item.key != REVIEW])  # which is what it is submitted for
    return _submit(experiment_id, actor, at, known)


@transaction.atomic
def _submit(experiment_id: int, actor: str, at: datetime, listed: list[dict[str, Any]]) -> Experiment:
    experiment = opened(experiment_id, "submit", at)
    if experiment.is_template:
        raise UnableToSubmit("A template is never started, so there is nothing to review: copy it.")
    blank: dict[str, Any] = {"reviewed_by": "", "review_note": ""}
    told = {"checklist": listed}
    return written(experiment, "submitted", actor, told=told, status=Status.IN_REVIEW, submitted_by=actor, **blank)


@transaction.atomic
def approve(experiment_id: int, *, actor: str, at: datetime, note: str = "") -> Experiment:
    """Let it start. Raises `UnableToReview`, `Experiment.DoesNotExist`."""
    experiment = opened(experiment_id, "approve", at)
    if experiment.reviewed_by:
        raise UnableToReview(f"“{experiment.key}” has been approved by {experiment.reviewed_by} already.")
    if asking := rules.asks_for_review(experiment):
        own = {_behind(name) for name in _authors(experiment)}
        if _behind(actor) in own:
            raise UnableToReview(f"“{asking[0]}” asks for a review by somebody who neither owns nor submitted it.")
    return written(experiment, "approved", actor, reviewed_by=actor, review_note=note)


@transaction.atomic
def return_to_draft(experiment_id: int, *, actor: str, at: datetime, note: str = "") -> Experiment:
    """Give the plan back to be changed, by its reviewer or by who withdraws it; buckets held for it are free again.

    Raises `UnableToReview`, `Experiment.DoesNotExist`.
    """
    experiment = opened(experiment_id, "return_to_draft", at)
    claims.release(experiment, at)
    fields: dict[str, Any] = {"reviewed_by": "", "review_note": note, "scheduled_for": None}
    return written(experiment, "returned to draft", actor, status=Status.DRAFT, **fields)


def _authors(experiment: Experiment) -> Iterator[str]:
    if experiment.owner:
        yield experiment.owner.get_username()
    if experiment.submitted_by:
        yield experiment.submitted_by


def _behind(actor: str) -> str:
    """The person, also when a key of theirs does it; a key that nobody made stands for itself."""
    if not actor.startswith("key "):
        return actor
    made_by = ApiKey.objects.filter(public_id=actor.removeprefix("key ")).values_list("created_by__username", flat=True)
    return made_by.first() or actor
