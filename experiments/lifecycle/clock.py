"""What the clock does by itself: start what is scheduled, ask the gates of ramps.

Each experiment is a transaction of its own, so a worker that is killed has done each wholly or not at all, and one
that is refused holds up no other.
"""

from contextlib import suppress
from datetime import datetime

from django.db import transaction

from experiments.lifecycle import ramps
from experiments.lifecycle.running import start
from experiments.lifecycle.states import Unable
from experiments.models import Experiment, RampStage, Status
from firstlight.accounts import audit
from firstlight.accounts.models import AuditEntry
from firstlight.notices.announcing import announce

SCHEDULE = "schedule"  # the actor of what happens by itself
REFUSED = "could not start"


def start_due(at: datetime) -> None:
    """Start every experiment whose time has come. What cannot start stays scheduled, and says why: once a reason."""
    due = Experiment.objects.filter(status=Status.SCHEDULED, scheduled_for__lte=at).order_by("scheduled_for", "key")
    for experiment in due.select_related("owner"):
        try:
            _start(experiment, at)
        except Unable as refusal:
            _refused(experiment, str(refusal), at)


def ramp(at: datetime) -> None:
    """Ask the gate of every stage that holds."""
    holding = Experiment.objects.filter(status=Status.RUNNING, ramp__outcome=RampStage.Outcome.HOLDING)
    for pk in holding.order_by("key").values_list("pk", flat=True).distinct():
        with suppress(Unable, Experiment.DoesNotExist):  # stopped or deleted in the meantime
            ramps.step(pk, at=at)


@transaction.atomic
def _start(experiment: Experiment, at: datetime) -> None:
    start(experiment.pk, actor=SCHEDULE, at=at)
    _announce(experiment, "experiment.started", f"“{experiment.name}” has started as scheduled.", at)


@transaction.atomic
def _refused(experiment: Experiment, why: str, at: datetime) -> None:
    """In the trail and to people, unless it was the last thing that was said of this schedule."""
    assert experiment.scheduled_for
    changes = {"scheduled_for": experiment.scheduled_for.isoformat(), "refusal": why}
    trail = AuditEntry.objects.filter(kind="experiment", subject=experiment.key, action=REFUSED)
    last = trail.order_by("-id").first()
    if last and {name: values[1] for name, values in last.changes.items()} == changes:
        return
    audit.record(SCHEDULE, REFUSED, "experiment", experiment.key, before={}, after=changes)
    _announce(experiment, "experiment.not_started", f"“{experiment.name}” could not start as scheduled. {why}", at)


def _announce(experiment: Experiment, kind: str, sentence: str, at: datetime) -> None:
    evidence = {"scheduled_for": audit.plain(experiment.scheduled_for)}
    people = [experiment.owner] if experiment.owner else []
    announce(kind, experiment.key, sentence, evidence=evidence, at=at, people=people)
