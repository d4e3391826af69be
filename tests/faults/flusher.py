"""What the kill tests kill: a process that flushes the inbox, as a worker does.

usage: flusher.py DATABASE_NAME [PLACE]: at "after drawing", "before append" or "after append" it kills itself.
"""

import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "platform")]
os.environ["DJANGO_SETTINGS_MODULE"] = "firstlight.settings"


def main(database: str, place: str = "") -> None:
    import django
    from django.conf import settings

    settings.DATABASES["default"]["NAME"] = database
    django.setup()
    from firstlight.events.flush import flush
    from firstlight.lake import table
    from firstlight.lake.models import Batch

    match place:
        case "before append":
            table.append = _dies  # type: ignore[assignment]
        case "after append":
            table.append = _then_dies(table.append)
        case "after drawing":
            Batch.objects.create = _then_dies(Batch.objects.create)  # type: ignore[method-assign]
    print("ready", flush=True)
    while True:
        flush()
        if place:
            return


def _dies(*_: Any) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def _then_dies(work: Callable[..., Any]) -> Callable[..., Any]:
    def run(*arguments: Any, **named: Any) -> None:
        work(*arguments, **named)
        _dies()

    return run


if __name__ == "__main__":
    main(*sys.argv[1:])
