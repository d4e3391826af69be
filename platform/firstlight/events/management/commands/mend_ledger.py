"""After a restore, before anything is started: docs/operations.md, “Restoring”."""

import shutil
from typing import Any

from django.conf import settings
from django.core.management import BaseCommand, CommandError

from firstlight.events import restoring
from firstlight.postgres import locks


class Command(BaseCommand):
    help = "Bring the ledger of the lake up to date after the database was restored. Stop web, worker and beat first."

    def handle(self, *_: Any, **__: Any) -> None:
        try:
            mended = restoring.mend()
        except locks.Busy as busy:
            raise CommandError("A flush is running: stop the workers first.") from busy
        shutil.rmtree(settings.READINGS_DIR, ignore_errors=True)  # batches may have other events now
        self.stdout.write(
            f"{mended.waiting} events wait for the lake, which has the other {mended.known} of the inbox."
        )
