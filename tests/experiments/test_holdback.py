"""Who is held back after shipping, by the rules as they are published before and after the decision."""

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from experiments import asking, lifecycle, section
from experiments.models import Experiment, Status
from firstlight.assignment.index import Index
from firstlight.assignment.rules import Rule
from tests.experiments.plans import NOON, at_state, draft

pytestmark = pytest.mark.django_db
UNITS = [f"u-{i}" for i in range(10_000)]
BACK = Decimal("0.1")


@pytest.fixture(autouse=True)
def _unpublished(settings: Any) -> None:
    settings.AFTER_CHANGE = "builtins.dict"


def published() -> Rule:
    (payload,) = section.compile(NOON).values()
    rule = section.load(payload)
    assert isinstance(rule, Rule)
    return rule


def arms(rule: Rule) -> dict[str, str]:
    """{unit: arm} of who takes part."""
    index = Index.of([rule])
    return {unit: arm.key for unit in UNITS for _, arm in index.assign({"user_id": unit})}


def around_the_decision(experiment: Experiment, arm: str = "new") -> tuple[dict[str, str], dict[str, str]]:
    """Who saw what while it ran, and once it was shipped."""
    lifecycle.start(experiment.pk, actor="pm", at=NOON)
    before = published()
    lifecycle.stop(experiment.pk, actor="pm", at=NOON + timedelta(days=14))
    lifecycle.decide(
        experiment.pk, actor="pm", at=NOON + timedelta(days=15), decision="shipped", note="It won.", arm=arm
    )
    after = published()
    assert (before.seed, before.phase) == (after.seed, after.phase)
    return arms(before), arms(after)


def came_from(before: dict[str, str], after: dict[str, str]) -> set[str | None]:
    """What those who are held back saw in the test."""
    return {before.get(unit) for unit, arm in after.items() if arm == "control"}


def test_who_is_held_back_was_in_the_control_and_everybody_else_gets_what_was_shipped() -> None:
    experiment = draft(arms=("control", "new", "newer"), holdback=BACK)
    before, after = around_the_decision(experiment, "newer")
    assert set(before.values()) == {"control", "new", "newer"}
    assert came_from(before, after) == {"control"}
    assert set(after) == set(UNITS) and set(after.values()) == {"control", "newer"}
    n = sum(arm == "control" for arm in after.values())
    assert abs(n - 1_000) < 5 * (10_000 * 0.1 * 0.9) ** 0.5  # five standard errors of a share of .1
    experiment.refresh_from_db()
    assert asking.is_watched(experiment)
    exposures = asking.exposures_of(experiment, [], at=NOON + timedelta(days=20))
    assert exposures.arms == ("control", "newer")
    assert (exposures.window.start, exposures.phase) == (NOON + timedelta(days=15), experiment.phase)


def test_where_less_was_covered_who_is_held_back_was_in_the_control_or_outside() -> None:
    before, after = around_the_decision(draft(holdback=BACK, coverage=Decimal("0.1")))
    assert came_from(before, after) == {"control", None}  # the control had [0, .05) of the range
    assert set(after) == set(UNITS)


def test_a_control_smaller_than_what_is_held_back_is_filled_up_from_the_next_arm() -> None:
    experiment = draft(holdback=BACK)
    for arm, weight in zip(experiment.arms.order_by("position"), ("0.05", "0.95"), strict=True):
        arm.weight = Decimal(weight)
        arm.save()
    assert came_from(*around_the_decision(experiment)) == {"control", "new"}


def test_nobody_is_held_back_unless_it_was_planned() -> None:
    experiment = draft()
    before, after = around_the_decision(experiment)
    assert set(before.values()) == {"control", "new"}
    assert set(after.values()) == {"new"}


def test_who_is_held_back_from_a_later_phase_was_in_its_control() -> None:
    experiment = at_state(Status.RUNNING, arms=("control", "new", "newer"), holdback=BACK)
    lifecycle.remove_arm(experiment.pk, actor="pm", at=NOON + timedelta(days=2), arm="newer", reason="It lost.")
    before = published()
    lifecycle.stop(experiment.pk, actor="pm", at=NOON + timedelta(days=14))
    lifecycle.ship(experiment.pk, actor="pm", at=NOON + timedelta(days=15), note="It won.")
    after = published()
    assert before.phase == after.phase == 2
    assert came_from(arms(before), arms(after)) == {"control"}
