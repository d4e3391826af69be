"""Publish by the clock as well as on change, for what changes by itself: a date that is reached, a new posterior."""

from typing import Any

from celery import shared_task

from firstlight.snapshots import publication


@shared_task(time_limit=120, soft_time_limit=100)
def publish(**_: Any) -> None:
    publication.publish()


@shared_task(time_limit=600, soft_time_limit=540)
def forget_old(**_: Any) -> None:
    publication.forget_old()
