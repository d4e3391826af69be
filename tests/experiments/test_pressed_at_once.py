"""Two people press the same button at the same moment: one did it, the other is told, the trail says it once."""

from collections.abc import Callable
from threading import Barrier, Thread
from typing import Any

import pytest
from django.db import connection

from experiments import lifecycle
from experiments.lifecycle import UnableToDecide, UnableToStart
from experiments.models import Experiment
from firstlight.accounts.models import AuditEntry
from tests.experiments.plans import DAY, NOON, at_state, draft

pytestmark = pytest.mark.django_db(transaction=True)
Press = Callable[[int, str], object]


@pytest.fixture(autouse=True)
def _unpublished(settings: Any) -> None:
    settings.AFTER_CHANGE = "builtins.dict"


def start(pk: int, who: str) -> object:
    return lifecycle.start(pk, actor=who, at=NOON)


def ship(pk: int, who: str) -> object:
    return lifecycle.ship(pk, actor=who, at=NOON + DAY, note="Better")


@pytest.mark.parametrize(
    ("made", "press", "refused", "action"),
    [
        (draft, start, UnableToStart, "started"),
        (lambda: at_state("stopped"), ship, UnableToDecide, "decided"),
    ],
)
def test_one_does_it_and_the_other_is_told(
    made: Callable[[], Experiment], press: Press, refused: type[Exception], action: str
) -> None:
    row, barrier, refusals = made(), Barrier(2), []

    def race(who: str) -> None:
        try:
            barrier.wait(10)
            press(row.pk, who)
        except refused as refusal:
            refusals.append(str(refusal))
        finally:
            connection.close()

    threads = [Thread(target=race, args=(who,)) for who in ("ann", "bob")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert len(refusals) == 1 and row.key in refusals[0]
    assert AuditEntry.objects.filter(kind="experiment", subject=row.key, action=action).count() == 1
