"""Two people press the same button at the same moment: one did it, the other is told, the trail says it once."""

from collections.abc import Callable
from decimal import Decimal
from threading import Barrier, Thread
from typing import Any

import pytest
from django.db import connection

from experiments import lifecycle
from experiments.lifecycle import UnableToDecide, UnableToRamp, UnableToStart
from experiments.models import Experiment
from firstlight.accounts.models import AuditEntry
from tests.experiments.plans import DAY, NOON, at_state, draft, ramp

pytestmark = pytest.mark.django_db(transaction=True)
Press = Callable[[int, str], object]


@pytest.fixture(autouse=True)
def _unpublished(settings: Any) -> None:
    settings.AFTER_CHANGE = "builtins.dict"


def start(pk: int, who: str) -> object:
    return lifecycle.start(pk, actor=who, at=NOON)


def ship(pk: int, who: str) -> object:
    return lifecycle.ship(pk, actor=who, at=NOON + DAY, note="Better")


def ramped() -> Experiment:
    row = draft()
    ramp(row, ("0.1", 24, 100), ("0.5", 24, 100), ("1", 24, 0))
    return lifecycle.start(row.pk, actor="pm", at=NOON)


def advance(pk: int, who: str) -> object:
    return lifecycle.advance(pk, actor=who, at=NOON + DAY, from_coverage=Decimal("0.1"))


@pytest.mark.parametrize(
    ("made", "press", "refused", "action"),
    [
        (draft, start, UnableToStart, "started"),
        (lambda: at_state("stopped"), ship, UnableToDecide, "decided"),
        (ramped, advance, UnableToRamp, "ramped"),
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
    assert len(refusals) == 1
    assert row.key in refusals[0] or "covers 50 % of the units by now, not 10 %" in refusals[0]
    assert AuditEntry.objects.filter(kind="experiment", subject=row.key, action=action).count() == 1
