"""Whether what was logged is what was decided: docs/operations.md, “Decisions replayed”."""

from datetime import date, timedelta
from typing import Any

from django.core.management import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from firstlight.serving import audits
from firstlight.serving.audits import Audit


class Command(BaseCommand):
    help = "Decide a sample of a day's logged decisions again by their snapshots; fails when one comes out otherwise."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--day", type=date.fromisoformat, help="UTC, as in 2026-11-23; else yesterday.")
        parser.add_argument("--sample", type=int, default=1_000, help="Decisions; 1,000 unless told.")
        parser.add_argument("--scenario", default="", help="Of this scenario alone.")

    def handle(self, *_: Any, day: date | None, sample: int, scenario: str, **__: Any) -> None:
        day = day or timezone.now().date() - timedelta(days=1)
        found = audits.audit(day, sample=sample, scenario=scenario)
        for line in _lines(found):
            self.stdout.write(line)
        if found.differing:
            raise CommandError(
                f"{len(found.differing)} of {found.n} decisions came out otherwise than they are logged."
            )


def _lines(found: Audit) -> list[str]:
    told = [f"{found.same} of {found.n} decisions of {found.day} came out again, bit for bit."]
    told += [f"{n} were not replayed: {reason}." for reason, n in sorted(found.withheld.items())]
    told += [f"{found.uncounted} propensities were left open by the log."] if found.uncounted else []
    return told + [
        f"{trace}: {one.pointer} is logged as {one.logged!r}, and came out as {one.replayed!r}."
        for trace, replay in found.differing.items()
        for one in replay.differences[:3]
    ]
