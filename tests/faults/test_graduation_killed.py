"""A worker that is killed while items leave a pool leaves all of it or nothing, and the next one finishes it, once."""

import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from django.db import connection

from bandits import graduating
from bandits.models import Campaign, Outcome
from firstlight.accounts.models import AuditEntry
from firstlight.notices.models import Notice
from firstlight.postgres import locks
from tests.bandits.test_graduating import AT, campaign, ledger
from tests.faults.grader import STAGES
from tests.faults.test_flush_killed import _wait_until_the_dead_hold_no_lock

__all__ = ["campaign", "ledger"]  # fixtures

GRADER = Path(__file__).with_name("grader.py")


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("stage", STAGES)
def test_killed_at_any_stage_every_decision_is_made_recorded_and_told_once(campaign: Campaign, stage: str) -> None:
    command = [sys.executable, str(GRADER), str(connection.settings_dict["NAME"]), str(campaign.pk), stage]
    assert subprocess.run(command, check=False, timeout=120).returncode == -signal.SIGKILL
    left = 2 if stage == "graduate" else 0
    assert (Outcome.objects.count(), Notice.objects.count(), AuditEntry.objects.count()) == (left, left, left)
    _wait_until_the_dead_hold_no_lock()
    made = graduating.graduate(campaign.pk, at=AT)
    assert len(made) == 2 - left
    assert (Outcome.objects.count(), Notice.objects.count(), AuditEntry.objects.count()) == (2, 2, 2)
    assert {row.item: row.kind for row in Outcome.objects.all()} == {"good": "graduated", "poor": "retired"}


@pytest.mark.django_db(transaction=True)
def test_workers_and_people_at_the_same_time_decide_about_an_item_once(campaign: Campaign) -> None:
    """Four workers and two people at once, on connections of their own; who comes too late is told so or leaves."""
    start = threading.Barrier(6)

    def worker() -> int:
        return len(graduating.graduate(campaign.pk, at=AT))

    def person() -> int:
        graduating.decide_by_hand(campaign.pk, "good", Outcome.Kind.RETIRED, actor="pm", at=AT, reason="Counterfeit.")
        return 1

    def run(act: Callable[[], int]) -> int:
        start.wait()
        try:
            return act()
        except (locks.Busy, graduating.UnableToDecide):
            return 0
        finally:
            connection.close()

    with ThreadPoolExecutor(6) as together:
        made = sum(together.map(run, [worker] * 4 + [person] * 2))
    made += len(graduating.graduate(campaign.pk, at=AT))
    rows = {row.item: row.kind for row in Outcome.objects.all()}
    assert set(rows) == {"good", "poor"}
    assert rows["poor"] == "retired"
    assert made == Outcome.objects.count() == 2
    assert AuditEntry.objects.count() == Notice.objects.count() == 2
