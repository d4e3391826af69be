"""What the workers do for the lake."""

from contextlib import suppress
from typing import Any

from celery import shared_task

from firstlight.lake import table
from firstlight.postgres import locks

KEEP_HOURS = 7 * 24  # files that no version needs any more stay so long, for readers of an older version


@shared_task
def compact(**_: Any) -> None:
    """Make few large files of many small ones, and delete those that were replaced a week ago.

    Appends may go on: they add files and touch none, so Delta's commit check lets both through.
    """
    with suppress(locks.Busy), locks.alone("compact"):
        lake = table.opened()
        if lake is not None:
            lake.optimize.compact()
            lake.vacuum(retention_hours=KEEP_HOURS, dry_run=False)
