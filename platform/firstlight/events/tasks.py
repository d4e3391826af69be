"""What the workers do for the inbox."""

from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any

from celery import shared_task
from django.conf import settings

from firstlight.events import inbox
from firstlight.events.flush import flush as carry
from firstlight.lake.models import Batch
from firstlight.postgres import locks

DAYS_AHEAD = 3


@shared_task
def flush(**_: Any) -> None:
    """Carry the inbox to the lake."""
    with suppress(locks.Busy):  # somebody is doing just that
        carry()


@shared_task
def keep_inbox(**_: Any) -> None:
    """Make the coming days, forget the days that are carried and too old to be sent again."""
    today = datetime.now(UTC).date()
    committed = Batch.objects.exclude(committed_at=None).first()
    carried_below = committed.to_xact if committed else 0
    with inbox.connected() as connection:
        for ahead in range(DAYS_AHEAD + 1):
            inbox.make_day(connection, today + timedelta(days=ahead))
        for day in inbox.days(connection):
            if day <= today - timedelta(days=settings.INBOX_KEEP_DAYS):
                inbox.drop_day(connection, day, carried_below=carried_below)


@shared_task
def forget_messages(**_: Any) -> None:
    """Celery's transport on PostgreSQL keeps every message it delivered; nobody asks for them again."""
    with inbox.connected() as connection, connection.transaction():
        connection.execute("SET LOCAL lock_timeout = '5s'")
        if connection.execute("SELECT to_regclass('kombu_message')").fetchone() != (None,):
            connection.execute("DELETE FROM kombu_message WHERE NOT visible AND timestamp < now() - interval '1 day'")
