"""Write exports, one task each; tidy up by the clock."""

from contextlib import suppress
from datetime import timedelta
from typing import Any

from celery import shared_task
from celery.exceptions import SoftTimeLimitExceeded
from django.db import InterfaceError, OperationalError
from django.utils import timezone
from kombu.exceptions import OperationalError as BrokerAway

from firstlight.exports import jobs
from firstlight.exports.models import Job, State
from firstlight.postgres import locks

LIMIT = 3_600  # seconds; more is asked for in parts
OVERLOOKED = timedelta(minutes=5)


@shared_task(time_limit=LIMIT + 60, soft_time_limit=LIMIT)
def write(*, key: str, **_: Any) -> None:
    """One at a time per job. Busy means that somebody writes it; gone, that it is over."""
    with suppress(locks.Busy, Job.DoesNotExist), locks.alone("export", key):
        try:
            jobs.run(key, at=timezone.now())
        except SoftTimeLimitExceeded:
            jobs.fail(key, at=timezone.now(), failure="It took longer than an hour: ask for less at a time.")
        except (OperationalError, InterfaceError, OSError):
            raise  # tried again by itself
        except Exception:
            jobs.fail(key, at=timezone.now(), failure="A fault of ours ended it; the log of the workers tells more.")
            raise


@shared_task(time_limit=300, soft_time_limit=240)
def tend(**_: Any) -> None:
    """Delete what has expired, hand over again what a broker or worker has lost, and give up after a day."""
    now = timezone.now()
    jobs.expire(at=now)
    open_ = Job.objects.filter(state__in=[State.WAITING, State.RUNNING], asked_at__lt=now - OVERLOOKED)
    for job in open_:
        if job.asked_at < now - jobs.KEEP:
            jobs.fail(job.key, at=now, failure="It could not be written for a day.")
        else:
            write.delay(key=job.key)


def hand_over(key: str) -> None:
    """To a worker now; with the broker away the clock does it later."""
    with suppress(BrokerAway):
        write.apply_async(kwargs={"key": key}, retry=False)
