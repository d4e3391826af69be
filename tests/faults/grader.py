"""What the kill tests kill: a worker that graduates and retires items, which dies at STAGE.

usage: grader.py DATABASE_NAME CAMPAIGN_ID STAGE; a stage is the name of what it has just done.
"""

import os
import signal
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "platform")]
os.environ["DJANGO_SETTINGS_MODULE"] = "firstlight.settings"

STAGES = ("weigh", "bulk_create", "record", "announce", "graduate")


def main(database: str, campaign: str, last: str) -> None:
    import django
    from django.conf import settings

    settings.DATABASES["default"]["NAME"] = database
    django.setup()
    from bandits import graduating, ledgers, weighing
    from bandits.models import Outcome
    from firstlight.accounts import audit
    from tests.bandits import test_graduating as shop
    from tests.bandits.ledger_rows import counts

    vars(ledgers).update(of=lambda campaign: None, read=lambda ledger, since: counts(shop.cells()))
    places: tuple[tuple[Any, str], ...] = (
        (weighing, "weigh"),
        (type(Outcome.objects), "bulk_create"),
        (audit, "record"),
        (graduating, "announce"),
        (graduating, "graduate"),
    )
    for place, name in places:
        if name == last:
            setattr(place, name, _then_die(getattr(place, name)))
    graduating.graduate(int(campaign), at=shop.AT)


def _then_die(done: Any) -> Any:
    def does(*arguments: Any, **named: Any) -> None:
        done(*arguments, **named)
        os.kill(os.getpid(), signal.SIGKILL)

    return does


if __name__ == "__main__":
    main(*sys.argv[1:])
