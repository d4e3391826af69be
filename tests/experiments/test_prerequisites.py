"""Prerequisites: what a start looks at, and two who would close a circle together."""

from itertools import pairwise
from threading import Barrier, Thread
from typing import Any

import pytest
from django.db import connection, transaction

from experiments import lifecycle, section
from experiments.lifecycle import UnableToStart, prerequisites
from experiments.models import Experiment, Layer, Prerequisite, SavedGroup
from tests.experiments.plans import DAY, HOUR, NOON, draft, scenario

UNITS = [{"user_id": f"u-{i}"} for i in range(200)]


@pytest.fixture(autouse=True)
def _unpublished(settings: Any) -> None:
    settings.AFTER_CHANGE = "builtins.dict"


def require(one: Experiment, other: Experiment, *arms: str) -> None:
    Prerequisite.objects.create(experiment=one, required=other, arms=list(arms))


def started(experiment: Experiment) -> Experiment:
    return lifecycle.start(experiment.pk, actor="pm", at=NOON)


def seen(place: str, unit: dict[str, str]) -> dict[str, str]:
    state = section.gather({name: section.load(part) for name, part in section.compile(NOON).items()})
    if place not in state.indexes:
        return {}
    return {rule.key: arm.key for rule, arm in state.indexes[place].assign(unit)}


@pytest.mark.django_db
def test_a_circle_that_came_past_the_forms_does_not_start() -> None:
    a, b, c = (draft(key) for key in "abc")
    for one, other in ((a, b), (b, c), (c, a)):
        require(one, other, "new")
    with pytest.raises(UnableToStart, match="It would require itself: “b” → “c” → “a” → “b”"):
        started(b)


@pytest.mark.django_db
def test_a_row_of_prerequisites_has_an_end() -> None:
    row = [draft(f"e{i:02}") for i in range(22)]
    for one, other in pairwise(row[:21]):
        require(one, other, "new")
    assert not any(list(prerequisites.faults(one)) for one in row[:21])
    require(row[20], row[21], "new")
    for one in (row[0], row[10], row[20]):  # wherever in the row it is made longer
        with pytest.raises(UnableToStart, match="At most 20 experiments may require one another in a row"):
            started(one)


@pytest.mark.django_db
def test_a_group_that_is_gone_keeps_a_plan_from_starting() -> None:
    aimed = draft("aimed", targeting={"user_id": {"$inGroup": "testers"}})
    with pytest.raises(UnableToStart, match="There is no saved group “testers”"):
        started(aimed)
    SavedGroup.objects.create(key="testers", name="Testers")
    started(aimed)


@pytest.mark.django_db
def test_it_is_asked_across_scenarios_and_layers_and_nobody_is_in_a_paused_one() -> None:
    layers = [Layer.objects.create(key=key, name=key) for key in ("ranking", "look")]
    first = draft("first", scenario("search"), layer=layers[0], first_bucket=0, end_bucket=6_000)
    first.further_layers.create(layer=layers[1], first_bucket=2_000, end_bucket=10_000)
    second = draft("second", scenario("home"))
    require(second, first, "new")
    started(first), started(second)
    in_first = {unit["user_id"] for unit in UNITS if seen("search", unit).get("first") == "new"}
    assert {unit["user_id"] for unit in UNITS if "second" in seen("home", unit)} == in_first
    assert 10 < len(in_first) < 100  # 0.6 x 0.8 x 0.5 of 200 are 48
    lifecycle.pause(first.pk, actor="pm", at=NOON + HOUR)
    assert not any(seen("home", unit) for unit in UNITS)
    lifecycle.resume(first.pk, actor="pm", at=NOON + 2 * HOUR)
    assert any(seen("home", unit) for unit in UNITS)
    lifecycle.stop(first.pk, actor="pm", at=NOON + DAY)
    assert not any(seen("home", unit) for unit in UNITS)


@pytest.mark.django_db(transaction=True)
def test_two_who_would_close_a_circle_together_cannot() -> None:
    """Each looks before it writes, under the lock that a start holds as well: the second sees what the first wrote."""
    rows, barrier, refused = [draft("a"), draft("b")], Barrier(2), []

    def save(one: Experiment, other: Experiment) -> None:
        try:
            barrier.wait(10)
            with transaction.atomic():
                prerequisites.hold()
                wrong = list(prerequisites.faults_of(one, [(other, ["new"])]))
                refused.extend(wrong)
                if not wrong:
                    require(one, other, "new")
        finally:
            connection.close()

    threads = [Thread(target=save, args=pair) for pair in (rows, rows[::-1])]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert Prerequisite.objects.count() == 1
    assert len(refused) == 1 and "It would require itself" in refused[0]
