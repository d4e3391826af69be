"""Keep the measures of the scenarios abreast of the lake."""

from contextlib import suppress
from typing import Any

from celery import shared_task
from django.utils import timezone

from firstlight.metrics import progress
from firstlight.postgres import locks


@shared_task
def measure_scenarios(**_: Any) -> None:
    """One at a time; cut short by the time limit it goes on next time with the day it was at."""
    with suppress(locks.Busy), locks.alone("measure scenarios"):
        progress.catch_up(at=timezone.now())
