"""Analyse by the clock and on demand, one at a time per experiment; start and ramp what is due."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

from celery import shared_task
from django.utils import timezone

from experiments import analysis, progress, redrawing
from experiments.lifecycle import clock
from experiments.models import Experiment, Look, Status
from firstlight.postgres import locks


@shared_task
def analyse(*, experiment_id: int, **_: Any) -> None:
    """Look once. Busy means that somebody looks already; gone, that there is nothing to see."""
    with (
        suppress(locks.Busy, Experiment.DoesNotExist),
        locks.alone("analyse", str(experiment_id)),
        _shown(Experiment.objects.get(pk=experiment_id)),
    ):
        analysis.look(experiment_id, at=timezone.now())


@shared_task
def redraw(*, look_id: int, **_: Any) -> None:
    """Check a look by the bootstrap; it shows its progress as an analysis does."""
    look = Look.objects.select_related("experiment").get(pk=look_id)
    with suppress(locks.Busy), locks.alone("analyse", str(look.experiment_id)), _shown(look.experiment):
        redrawing.redraw(look)


@contextmanager
def _shown(experiment: Experiment) -> Iterator[None]:
    """Its progress, to the end, however it ends."""
    progress.begin(experiment, at=timezone.now())
    try:
        yield
    except (analysis.UnableToLook, redrawing.UnableToRedraw) as refusal:
        progress.finish(experiment.pk, at=timezone.now(), failure=str(refusal))
    except Exception as error:
        progress.finish(experiment.pk, at=timezone.now(), failure=progress.in_words(error))
        raise
    else:
        progress.finish(experiment.pk, at=timezone.now())


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
