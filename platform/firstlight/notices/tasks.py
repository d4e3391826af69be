"""Deliver at once, and again by the clock what waits."""

from collections.abc import Iterable
from datetime import timedelta
from typing import Any

from celery import shared_task
from django.utils import timezone

from firstlight.notices import delivering
from firstlight.notices.models import Delivery, Outcome

KEEP = timedelta(days=90)  # of what was delivered or given up
MOST = 1_000  # a minute's work for the workers; the rest is due a minute later


@shared_task(time_limit=60, soft_time_limit=50)
def deliver(*, delivery_id: int, **_: Any) -> None:
    delivering.deliver(delivery_id, at=timezone.now())


@shared_task(time_limit=60, soft_time_limit=50)
def deliver_due(**_: Any) -> None:
    """What a broker that was away, a worker that died or an answer that failed has left."""
    due = Delivery.objects.filter(outcome=Outcome.WAITING, due_at__lte=timezone.now()).order_by("due_at")
    send_off(due.values_list("pk", flat=True)[:MOST])


@shared_task(time_limit=600, soft_time_limit=540)
def forget_deliveries(**_: Any) -> None:
    """Tries and deliveries go; notices stay."""
    Delivery.objects.exclude(outcome=Outcome.WAITING).filter(first_at__lt=timezone.now() - KEEP).delete()


def send_off(deliveries: Iterable[int]) -> None:
    """One task each, so that a slow receiver holds nobody up."""
    for pk in deliveries:
        deliver.delay(delivery_id=pk)
