"""From a plan to a running experiment, and to its end."""

from datetime import datetime

from django.db import transaction

from experiments.lifecycle import claims, phases, ramps, rules
from experiments.lifecycle.rows import opened, written
from experiments.lifecycle.states import Unable, UnableToSchedule, UnableToStart
from experiments.models import Experiment, Status
from firstlight.metrics import versions


@transaction.atomic
def schedule(experiment_id: int, *, actor: str, at: datetime, start_at: datetime) -> Experiment:
    """Let the clock start it, and hold its buckets from now on. Raises `UnableToSchedule`, `DoesNotExist`.

    One that is scheduled already gets the other time.
    """
    experiment = opened(experiment_id, "schedule", at)
    if start_at <= at:
        raise UnableToSchedule(f"{start_at:%d %B %Y, %H:%M %Z} has passed: name a time to come, or start it now.")
    _ready(experiment, at, UnableToSchedule)
    return written(experiment, "scheduled", actor, status=Status.SCHEDULED, scheduled_for=start_at)


@transaction.atomic
def start(experiment_id: int, *, actor: str, at: datetime) -> Experiment:
    """Let units in from `at` on. Raises `UnableToStart`, `Experiment.DoesNotExist`."""
    experiment = opened(experiment_id, "start", at)
    _ready(experiment, at, UnableToStart)
    phases.open_first(experiment, at)
    _pin(experiment)
    coverage = ramps.begin(experiment, at)
    return written(experiment, "started", actor, status=Status.RUNNING, started_at=at, coverage=coverage)


@transaction.atomic
def pause(experiment_id: int, *, actor: str, at: datetime) -> Experiment:
    """Serve nobody its arms until it is resumed; its buckets stay its own. Raises `UnableToPause`, `DoesNotExist`."""
    experiment = opened(experiment_id, "pause", at)
    return written(experiment, "paused", actor, status=Status.PAUSED, paused_at=at)


@transaction.atomic
def resume(experiment_id: int, *, actor: str, at: datetime) -> Experiment:
    """Go on in the same phase, every unit in the arm it had. Raises `UnableToResume`, `DoesNotExist`."""
    experiment = opened(experiment_id, "resume", at)
    ramps.go_on(experiment, at)
    return written(experiment, "resumed", actor, status=Status.RUNNING, paused_at=None)


@transaction.atomic
def stop(experiment_id: int, *, actor: str, at: datetime) -> Experiment:
    """Let nobody in from `at` on and free the buckets. Raises `UnableToStop`, `Experiment.DoesNotExist`."""
    experiment = opened(experiment_id, "stop", at)
    claims.release(experiment, at)
    phases.close(experiment, at)
    ramps.end(experiment, at)
    return written(experiment, "stopped", actor, status=Status.STOPPED, stopped_at=at)


def _ready(experiment: Experiment, at: datetime, refusal: type[Unable]) -> None:
    """Nothing is in the way, and its buckets are its own."""
    if in_the_way := rules.failures(experiment):
        raise refusal(" ".join(in_the_way))
    try:
        claims.take(experiment, at)
    except claims.AlreadyHeld as held:
        raise refusal(str(held)) from held


def _pin(experiment: Experiment) -> None:
    """Its metrics as they are defined now: what is redefined later changes nothing of it."""
    for one in experiment.measured.select_related("metric"):
        one.version = versions.pin(one.metric)
        one.save(update_fields=["version"])
