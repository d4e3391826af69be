"""A worker that is killed within an analysis leaves no half a look, and nothing in the way of the next."""

import shutil
import signal
import subprocess
import sys
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from django.conf import settings
from django.db import connection
from django.utils import timezone

from experiments import progress, tasks
from experiments.models import Experiment, Look, Progress
from tests.experiments import test_looks_from_lake as shop
from tests.faults.test_flush_killed import _wait_until_the_dead_hold_no_lock

ANALYSER = Path(__file__).with_name("analyser.py")


@pytest.fixture
def experiment(transactional_db: None, monkeypatch: pytest.MonkeyPatch) -> Experiment:
    shutil.rmtree(settings.VAR_DIR / "lake", ignore_errors=True)
    start = timezone.now().replace(microsecond=0) - timedelta(days=7)
    monkeypatch.setattr(shop, "START", start)
    made = shop.planned(started_at=start)
    shop.arrive(1, shop.shop()[0])
    return made


@pytest.mark.parametrize("stage", [*progress.STAGES, "after storing"])
def test_killed_at_any_stage_the_next_analysis_is_whole(experiment: Experiment, stage: str) -> None:
    asked_at: datetime = timezone.now()
    progress.ask(experiment, at=asked_at)
    command = [sys.executable, str(ANALYSER), str(connection.settings_dict["NAME"]), str(experiment.pk), stage]
    assert subprocess.run(command, check=False, timeout=120).returncode == -signal.SIGKILL
    assert Progress.objects.get().finished_at is None
    assert Look.objects.count() == (1 if stage == "after storing" else 0)
    _wait_until_the_dead_hold_no_lock()
    tasks.analyse(experiment_id=experiment.pk)
    look = Look.objects.get()
    assert (look.number, sum(arm["units"] for arm in look.results["arms"])) == (1, 2 * shop.N)
    ended = Progress.objects.get()
    assert ended.finished_at is not None and not ended.failure
