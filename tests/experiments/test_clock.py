"""Starts by the clock: at their time, once, and with the reason said once where they cannot."""

from typing import Any

import pytest

from experiments import lifecycle, tasks
from experiments.lifecycle import clock
from experiments.models import Experiment, Status
from firstlight.accounts.models import AuditEntry
from firstlight.notices.models import Notice
from tests.experiments.plans import DAY, HOUR, NOON, draft, person

pytestmark = pytest.mark.django_db
DUE = NOON + DAY
MINUTE = HOUR / 60


@pytest.fixture(autouse=True)
def _unpublished(settings: Any) -> None:
    settings.AFTER_CHANGE = "builtins.dict"


def scheduled(key: str = "ranker", **fields: Any) -> Experiment:
    experiment = draft(key, **fields)
    return lifecycle.schedule(experiment.pk, actor="pm", at=NOON, start_at=DUE)


def told() -> list[tuple[str, str]]:
    return list(Notice.objects.order_by("id").values_list("kind", "sentence"))


def test_it_starts_when_its_time_has_come_and_once() -> None:
    experiment = scheduled()
    clock.start_due(DUE - MINUTE)
    experiment.refresh_from_db()
    assert experiment.status == Status.SCHEDULED and not Notice.objects.exists()
    for _ in range(2):
        clock.start_due(DUE + MINUTE)
    experiment.refresh_from_db()
    assert (experiment.status, experiment.started_at) == (Status.RUNNING, DUE + MINUTE)
    assert told() == [("experiment.started", "“ranker” has started as scheduled.")]
    assert AuditEntry.objects.filter(actor="schedule", action="started").count() == 1


def test_what_cannot_start_stays_scheduled_and_says_why_once_a_reason() -> None:
    experiment = scheduled(owner=person("ann"))
    experiment.measured.all().delete()
    for minute in range(3):
        clock.start_due(DUE + minute * MINUTE)
    experiment.arms.filter(key="new").update(weight=0)
    clock.start_due(DUE + HOUR)
    experiment.refresh_from_db()
    assert experiment.status == Status.SCHEDULED
    kinds = {"experiment.not_started"}
    assert {kind for kind, _ in told()} == kinds and len(told()) == 2
    assert "“ranker” could not start as scheduled. It has no goal" in told()[0][1]
    assert "“new” has no share" in told()[1][1]
    trail = AuditEntry.objects.filter(action="could not start")
    assert trail.count() == 2 and "no goal" in trail.last().changes["refusal"][1]
    later = DUE + 2 * DAY
    Experiment.objects.update(scheduled_for=later)
    clock.start_due(later)
    assert len(told()) == 3


def test_one_that_cannot_start_holds_up_no_other() -> None:
    scheduled("first").arms.all().delete()
    scheduled("second")
    clock.start_due(DUE)
    assert dict(Experiment.objects.values_list("key", "status")) == {"first": "scheduled", "second": "running"}


def test_a_worker_that_dies_within_a_start_leaves_it_to_the_next(monkeypatch: pytest.MonkeyPatch) -> None:
    """Between the command and its notice, as a kill would."""
    experiment = scheduled()

    def die(*_: Any, **__: Any) -> None:
        raise SystemExit

    with monkeypatch.context() as dying:
        dying.setattr(clock, "announce", die)
        with pytest.raises(SystemExit):
            clock.start_due(DUE)
    experiment.refresh_from_db()
    assert (experiment.status, experiment.phases.count()) == (Status.SCHEDULED, 0)
    clock.start_due(DUE)
    experiment.refresh_from_db()
    assert (experiment.status, experiment.phases.count(), len(told())) == (Status.RUNNING, 1, 1)


def test_the_tasks_take_the_time_of_now() -> None:
    experiment = scheduled()
    Experiment.objects.update(scheduled_for=NOON - 365 * DAY)
    tasks.start_scheduled()
    experiment.refresh_from_db()
    assert experiment.status == Status.RUNNING
    tasks.ramp()


def test_beat_asks_for_both() -> None:
    from django.conf import settings

    periods = {line["task"]: line["schedule"] for line in settings.CELERY_BEAT_SCHEDULE.values()}
    assert periods["experiments.tasks.start_scheduled"] == 60
    assert periods["experiments.tasks.ramp"] == 600
