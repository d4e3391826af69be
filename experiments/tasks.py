"""Analyse by the clock and on demand, one at a time per experiment; start and ramp what is due."""

from contextlib import suppress
from typing import Any

from celery import shared_task
from django.utils import timezone

from experiments import analysis, progress
from experiments.lifecycle import clock
from experiments.models import Experiment, Status
from firstlight.postgres import locks


@shared_task
def analyse(*, experiment_id: int, **_: Any) -> None:
    """Look once. Busy means that somebody looks already; gone, that there is nothing to see."""
    with suppress(locks.Busy, Experiment.DoesNotExist), locks.alone("analyse", str(experiment_id)):
        progress.begin(Experiment.objects.get(pk=experiment_id), at=timezone.now())
        try:
            analysis.look(experiment_id, at=timezone.now())
        except analysis.UnableToLook as refusal:
            progress.finish(experiment_id, at=timezone.now(), failure=str(refusal))
        except Exception as error:
            progress.finish(experiment_id, at=timezone.now(), failure=progress.in_words(error))
            raise
        else:
            progress.finish(experiment_id, at=timezone.now())


@shared_task(time_limit=60, soft_time_limit=50)
def analyse_running(**_: Any) -> None:
    """Ask for a look at every experiment that may show something new."""
    for experiment in Experiment.objects.filter(started_at__isnull=False).exclude(status=Status.ARCHIVED):
        if analysis.is_open(experiment):
            analyse.delay(experiment_id=experiment.pk)


@shared_task(time_limit=60, soft_time_limit=50)
def start_scheduled(**_: Any) -> None:
    clock.start_due(timezone.now())


@shared_task(time_limit=120, soft_time_limit=110)
def ramp(**_: Any) -> None:
    clock.ramp(timezone.now())
