"""Other weights or an arm less open a phase: the old one keeps its weights and its time."""

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from experiments import lifecycle
from experiments.lifecycle import UnableToChange, phases
from experiments.models import Experiment, Phase
from experiments.section import rules_of
from firstlight.accounts.models import AuditEntry
from firstlight.assignment import rules
from firstlight.assignment.index import assign
from tests.experiments.plans import DAY, HOUR, NOON, draft

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _unpublished(settings: Any) -> None:
    settings.AFTER_CHANGE = "builtins.dict"


def running(*arms: str, **fields: Any) -> Experiment:
    experiment = draft("ranker", arms=arms or ("control", "new"), **fields)
    return lifecycle.start(experiment.pk, actor="pm", at=NOON)


def told() -> list[tuple[Any, ...]]:
    return [(one.number, one.weights, one.started_at, one.ended_at, one.reason) for one in Phase.objects.all()]


def change(experiment: Experiment, reason: str = "", reshuffle: Any = False, **weights: str) -> Experiment:
    exact = {arm: Decimal(weight) for arm, weight in weights.items()}
    return lifecycle.change_weights(
        experiment.pk, actor="pm", at=NOON + DAY, weights=exact, reason=reason, reshuffle=reshuffle
    )


def test_the_first_phase_has_the_weights_of_the_plan_and_ends_with_the_stop() -> None:
    experiment = running()
    even = {"control": 0.5, "new": 0.5}
    assert told() == [(1, even, NOON, None, "")]
    lifecycle.stop(experiment.pk, actor="pm", at=NOON + HOUR)
    assert told() == [(1, even, NOON, NOON + HOUR, "")]


def test_other_weights_open_the_next_phase_and_deal_every_unit_anew_where_that_is_asked_for() -> None:
    experiment = running()
    before = next(rules_of([Experiment.objects.get()]))
    change(experiment, "Less risk", reshuffle=True, control="0.8", new="0.2")
    after = next(rules_of([Experiment.objects.get()]))
    assert told() == [
        (1, {"control": 0.5, "new": 0.5}, NOON, NOON + DAY, ""),
        (2, {"control": 0.8, "new": 0.2}, NOON + DAY, None, "Less risk"),
    ]
    assert (before.phase, after.phase) == (1, 2) and before.seed != after.seed
    assert after.ranges == rules.ranges([0.8, 0.2], 1.0)
    entry = AuditEntry.objects.get(action="changed the weights")
    assert entry.changes["phase"] == [1, 2]
    assert [[arm["weight"] for arm in arms] for arms in entry.changes["arms"]] == [
        ["0.5000", "0.5000"],
        ["0.8000", "0.2000"],
    ]


def arms_of(n: int = 20_000) -> list[str | None]:
    rule = next(rules_of([Experiment.objects.get()]))
    met = [assign(rule, {"user_id": f"u-{i}"}) for i in range(n)]
    return [arm.key if arm else None for arm in met]


def test_other_weights_take_no_more_units_from_their_arm_than_they_must() -> None:
    experiment = running("control", "new", "third", coverage=Decimal("0.4"))
    before = arms_of()
    change(experiment, control="0.6", new="0.2", third="0.2")
    after = arms_of()
    moved = [(one, other) for one, other in zip(before, after, strict=True) if one != other]
    assert {other for _, other in moved} == {"control"}
    # 0.4 x (0.6 - 0.3334) of the units, within four standard errors
    assert abs(len(moved) / 20_000 - 0.10664) < 4 * (0.10664 * 0.89336 / 20_000) ** 0.5
    assert next(rules_of([Experiment.objects.get()])).seed == "ranker"


def test_more_coverage_after_other_weights_takes_no_unit_from_its_arm() -> None:
    experiment = running(coverage=Decimal("0.2"))
    change(experiment, control="0.7", new="0.3")
    before = arms_of()
    lifecycle.ramp_to(experiment.pk, actor="pm", at=NOON + DAY, coverage=Decimal("0.9"))
    after = arms_of()
    assert {(one, other) for one, other in zip(before, after, strict=True) if one} == {
        ("control", "control"),
        ("new", "new"),
    }
    assert after.count("new") / (20_000 * 0.9) == pytest.approx(0.3, abs=4 * (0.21 / 18_000) ** 0.5)


def test_without_an_arm_only_its_units_move_and_what_testers_saw_of_it_is_forgotten() -> None:
    experiment = running("control", "new", "third")
    Experiment.objects.update(testers={"t-1": "third", "t-2": "new"})
    before = arms_of()
    lifecycle.remove_arm(experiment.pk, actor="pm", at=NOON + DAY, arm="third")
    moved = {one for one, other in zip(before, arms_of(), strict=True) if one != other}
    assert moved == {"third"}
    assert Experiment.objects.get().testers == {"t-2": "new"}


def test_who_has_met_an_arm_is_refused_only_where_units_bring_it_along() -> None:
    weights = {"control": Decimal("0.6"), "new": Decimal("0.4")}
    asked: dict[str, Any] = {"actor": "pm", "at": NOON + DAY, "weights": weights, "refuse_former": True}
    experiment = running()
    with pytest.raises(UnableToChange, match="Only a reshuffled sticky experiment"):
        lifecycle.change_weights(experiment.pk, reshuffle=True, **asked)
    sticky = lifecycle.start(draft("sticky", sticky=True).pk, actor="pm", at=NOON)
    with pytest.raises(UnableToChange, match="Only a reshuffled sticky experiment"):
        lifecycle.change_weights(sticky.pk, **asked)
    lifecycle.change_weights(sticky.pk, reshuffle=True, **asked)
    rule = next(rules_of([Experiment.objects.get(key="sticky")]))
    assert (rule.seed, rule.since_phase, rule.refused_before) == ("sticky:2", 2, 2)


@pytest.mark.parametrize(
    ("weights", "words"),
    [
        ({"control": "0.5", "new": "0.5"}, "its weights already"),
        ({"control": "1"}, "Give every arm its weight: control and new"),
        ({"control": "0.5", "new": "0.4", "blue": "0.1"}, "Give every arm its weight"),
        ({"control": "0.5", "new": "0.4"}, "sum to 0.9, not to 1"),
        ({"control": "1", "new": "0"}, "“new” has no share"),
    ],
)
def test_weights_that_cannot_run_are_refused_and_nothing_changes(weights: dict[str, str], words: str) -> None:
    experiment, before = running(), told()
    with pytest.raises(UnableToChange, match=words):
        change(experiment, **weights)
    assert told() == before
    assert [arm.weight for arm in experiment.arms.all()] == [Decimal("0.5")] * 2


def test_a_holdout_stays_balanced() -> None:
    with pytest.raises(UnableToChange, match="balanced by design"):
        change(running(type="holdout"), control="0.6", new="0.4")


def test_without_an_arm_the_others_share_its_units() -> None:
    experiment = running("control", "a", "b", "c")
    lifecycle.remove_arm(experiment.pk, actor="pm", at=NOON + DAY, arm="b", reason="Slow")
    assert told()[1] == (2, {"control": 0.3334, "a": 0.3333, "c": 0.3333}, NOON + DAY, None, "Slow")
    assert [arm.key for arm in next(rules_of([Experiment.objects.get()])).arms] == ["control", "a", "c"]
    entry = AuditEntry.objects.get(action="removed an arm")
    was, now = ([arm["key"] for arm in arms] for arms in entry.changes["arms"])
    assert (was, now) == (["control", "a", "b", "c"], ["control", "a", "c"])


@pytest.mark.parametrize(
    ("arm", "words"), [("blue", "no arm “blue”, but control, a and b"), ("control", "“control” is the control")]
)
def test_an_arm_that_cannot_go_stays(arm: str, words: str) -> None:
    experiment = running("control", "a", "b")
    with pytest.raises(UnableToChange, match=words):
        lifecycle.remove_arm(experiment.pk, actor="pm", at=NOON, arm=arm)
    assert experiment.arms.count() == 3 and Phase.objects.count() == 1


def test_the_last_treatment_is_not_removed() -> None:
    with pytest.raises(UnableToChange, match="stop “ranker” instead"):
        lifecycle.remove_arm(running().pk, actor="pm", at=NOON, arm="new")


@given(st.lists(st.integers(1, 10_000), min_size=2, max_size=20))
def test_rescaled_weights_keep_their_proportions_and_sum_to_exactly_one(parts: list[int]) -> None:
    weights = [Decimal(part) / 10_000 for part in parts]
    scaled = phases.rescaled(weights)
    assert sum(scaled) == 1
    total = sum(parts)
    for part, weight in zip(parts[1:], scaled[1:], strict=True):
        assert abs(float(weight) - part / total) <= 0.00005 + 1e-12
