"""A worker that is killed while items leave a pool leaves all of it or nothing, and the next one finishes it, once."""

import signal
import subprocess
import sys
from pathlib import Path

import pytest
from django.db import connection

from bandits import graduating
from bandits.models import Campaign, Outcome
from firstlight.accounts.models import AuditEntry
from firstlight.notices.models import Notice
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
