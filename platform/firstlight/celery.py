"""The Celery application. Tasks are found in each app's `tasks` module; the beat schedule stands in settings."""

import os
import sys
from pathlib import Path
from typing import Any

from celery import Celery, Task
from celery.signals import setup_logging
from django.db import InterfaceError, OperationalError

sys.path[:0] = [p for p in (str(Path(__file__).parents[2]),) if p not in sys.path]  # experiments and bandits
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "firstlight.settings")


class Patient(Task):  # type: ignore[type-arg]
    """What every task of ours is: tried again when the database or the disk is away, with growing pauses."""

    autoretry_for = (OperationalError, InterfaceError, OSError)
    max_retries = 8
    retry_backoff = 2  # seconds, doubled at each try
    retry_backoff_max = 300
    retry_jitter = True


app = Celery("firstlight", task_cls=Patient)
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()


@setup_logging.connect
def _log_as_django_does(**_: Any) -> None:
    """Celery would install its own handlers; Django's settings have set logging up already."""
