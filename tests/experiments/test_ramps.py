"""Ramps: they add units, go on through their gates, and go back at the first sign of harm, with the evidence kept."""

from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from experiments import lifecycle
from experiments.lifecycle import UnableToRamp, UnableToStart, clock, ramps
from experiments.lifecycle.gates import Seen, Stage, Way, judge
from experiments.models import Experiment, RampStage, Status
from firstlight.accounts.models import AuditEntry
from firstlight.assignment import rules
from firstlight.assignment.hashing import BUCKETS
from firstlight.notices.models import Notice
from tests.experiments.plans import DAY, HOUR, NOON, draft, look, ramp

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _unpublished(settings: Any) -> None:
    settings.AFTER_CHANGE = "builtins.dict"


@pytest.fixture
def ramped() -> Experiment:
    """10 % for a day, then half for a day with 500 units, then all."""
    experiment = draft()
    ramp(experiment, ("0.1", 24, 0), ("0.5", 24, 500), ("1", 24, 0))
    return lifecycle.start(experiment.pk, actor="pm", at=NOON)


def state() -> tuple[str, float, list[str]]:
    experiment = Experiment.objects.get()
    return experiment.status, float(experiment.coverage), [one.outcome for one in experiment.ramp.all()]


def test_it_starts_with_the_coverage_of_the_first_stage(ramped: Experiment) -> None:
    assert state() == ("running", 0.1, ["holding", "waiting", "waiting"])
    assert RampStage.objects.first().entered_at == NOON


def test_a_ramp_that_takes_units_away_does_not_start() -> None:
    experiment = draft()
    ramp(experiment, ("0.5", 1, 0), ("0.5", 1, 0))
    with pytest.raises(UnableToStart, match=r"goes from 0\.5 to 0\.5; a ramp only adds units"):
        lifecycle.start(experiment.pk, actor="pm", at=NOON)


# --- the gate, alone ---

HELD = Stage(NOON, timedelta(hours=24), 500)


def seen(until: datetime = NOON + DAY, units: int = 500, *, split: Any = None, broken: tuple[Any, ...] = ()) -> Seen:
    return Seen(3, until, units, split, broken)


BROKEN = ({"metric": "refunds", "name": "Refunds", "arm": "new", "state": "worse", "sentence": "worse than −2 %"},)
SPLIT = {"check": "sample_ratio", "passed": False, "sentence": "The arms got 900 : 100 units."}


@pytest.mark.parametrize(
    ("at", "look_of", "way", "words"),
    [
        (NOON + DAY, seen(), Way.ADVANCE, "Look 3: 500 units"),
        (NOON + DAY - HOUR, seen(NOON + DAY - HOUR), Way.HOLD, "another 1 hour"),
        (NOON + DAY, None, Way.HOLD, "waits for a look"),
        (NOON + DAY, seen(NOON + DAY - HOUR), Way.HOLD, "waits for a look at the whole of its hold"),
        (NOON + DAY, seen(units=499), Way.HOLD, "499 of 500 units"),
        (NOON + HOUR, seen(NOON + HOUR, broken=BROKEN), Way.ROLL_BACK, "“Refunds” is worse than −2 % in new"),
        (NOON + HOUR, seen(NOON + HOUR, split=SPLIT), Way.ROLL_BACK, "900 : 100"),
        (NOON + DAY, seen(broken=BROKEN), Way.ROLL_BACK, "Refunds"),
        (NOON + HOUR, seen(NOON, broken=BROKEN), Way.HOLD, "another 23 hours"),
    ],
)
def test_a_gate_needs_time_units_and_a_look_and_acts_on_harm_at_once(
    at: datetime, look_of: Seen | None, way: Way, words: str
) -> None:
    found = judge(HELD, look_of, at)
    assert found.way is way and words in found.sentence


@pytest.mark.parametrize(
    ("check", "is_harm"),
    [("sample_ratio", True), ("sample_ratio_watched", True), ("sample_ratio_segments", False), ("exposures", False)],
)
def test_both_tests_of_the_split_take_it_back_and_no_other_check_does(check: str, is_harm: bool) -> None:
    """A segment among many, or a pause of the traffic, is read by people first."""
    passed = {"check": "pre_exposure", "passed": True, "sentence": "Alike."}
    failed = {"check": check, "passed": False, "sentence": "Off."}
    found = Seen.of(1, NOON + HOUR, {"health": [passed, failed], "arms": [], "metrics": []})
    assert (judge(HELD, found, NOON + HOUR).way is Way.ROLL_BACK) == is_harm


# --- by itself ---


def test_by_the_clock_it_goes_from_stage_to_stage_and_tells(ramped: Experiment) -> None:
    seen_coverages = [0.1]
    for hour in range(1, 100):
        at = NOON + hour * HOUR
        look(ramped, at, units=20 * hour)
        clock.ramp(at)
        seen_coverages.append(state()[1])
    assert seen_coverages == sorted(seen_coverages)
    assert state() == ("running", 1.0, ["advanced"] * 3)
    times = RampStage.objects.values_list("entered_at", "left_at")
    entered, left = ([(at - NOON) // HOUR for at in column if at] for column in zip(*times, strict=True))
    assert (entered, left) == ([0, 24, 48], [24, 48, 72])
    assert [one.evidence["units"] for one in RampStage.objects.all()] == [480, 960, 1440]
    assert list(Notice.objects.order_by("id").values_list("kind", flat=True)) == ["experiment.ramped"] * 3
    assert "the last stage of its ramp is done" in Notice.objects.first().sentence
    actions = AuditEntry.objects.order_by("id").values_list("actor", "action")
    assert list(actions)[1:] == [("ramp", "ramped"), ("ramp", "ramped"), ("ramp", "completed the ramp")]


def test_too_few_units_hold_it(ramped: Experiment) -> None:
    for hour in (24, 48, 72):
        look(ramped, NOON + hour * HOUR, units=499)
        clock.ramp(NOON + hour * HOUR)
    assert state() == ("running", 0.5, ["advanced", "holding", "waiting"])


@pytest.mark.parametrize("harm", [{"guardrail": "worse"}, {"split": False}])
def test_harm_takes_it_back_with_the_evidence_and_it_stays_there(ramped: Experiment, harm: dict[str, Any]) -> None:
    look(ramped, NOON + DAY)
    clock.ramp(NOON + DAY)
    look(ramped, NOON + DAY + HOUR, **harm)
    clock.ramp(NOON + DAY + HOUR)
    assert state() == ("running", 0.1, ["advanced", "rolled_back", "waiting"])
    evidence = RampStage.objects.get(position=1).evidence
    assert evidence["look"] == 2 and evidence["units"] == 1000
    assert bool(evidence["guardrails"]) == ("guardrail" in harm) and bool(evidence["sample_ratio"]) == ("split" in harm)
    notice = Notice.objects.first()
    assert notice.kind == "experiment.rolled_back" and notice.evidence == evidence
    assert notice.sentence.startswith("“ranker” is back at 10 % of the units. Look 2:")
    told = AuditEntry.objects.first()
    assert (told.actor, told.action) == ("ramp", "rolled back")
    assert told.changes["coverage"] == ["0.5000", "0.1000"] and told.changes["evidence"][1] == evidence
    for hour in range(2, 60):
        look(ramped, NOON + DAY + hour * HOUR)
        clock.ramp(NOON + DAY + hour * HOUR)
    assert state()[1] == 0.1


def test_harm_in_the_first_stage_pauses_it(ramped: Experiment) -> None:
    look(ramped, NOON + HOUR, guardrail="worse")
    clock.ramp(NOON + HOUR)
    assert state() == ("paused", 0.1, ["rolled_back", "waiting", "waiting"])
    assert "is paused. Look 1: “Refunds” is worse" in Notice.objects.first().sentence
    lifecycle.resume(ramped.pk, actor="pm", at=NOON + DAY)
    assert state() == ("running", 0.1, ["holding", "waiting", "waiting"])
    clock.ramp(NOON + DAY + HOUR)
    assert state()[0] == "running"  # the look that paused it is of the time before it was resumed


def test_a_new_phase_is_not_judged_by_what_the_old_one_did(ramped: Experiment) -> None:
    """Somebody answers the harm with other weights, before the gate is asked."""
    look(ramped, NOON + 2 * HOUR, guardrail="worse")
    weights = {"control": Decimal("0.9"), "new": Decimal("0.1")}
    lifecycle.change_weights(ramped.pk, actor="pm", at=NOON + 3 * HOUR, weights=weights)
    clock.ramp(NOON + 3 * HOUR)
    assert state() == ("running", 0.1, ["holding", "waiting", "waiting"])
    assert RampStage.objects.get(outcome="holding").entered_at == NOON + 3 * HOUR
    look(ramped, NOON + 4 * HOUR, guardrail="worse")
    clock.ramp(NOON + 4 * HOUR)
    assert state()[0] == "paused"


def test_a_step_done_twice_is_done_once(ramped: Experiment) -> None:
    """A worker that dies after its commit is asked again by the broker."""
    look(ramped, NOON + DAY)
    assert ramps.step(ramped.pk, at=NOON + DAY).way is Way.ADVANCE
    before, entries = state(), AuditEntry.objects.count()
    assert ramps.step(ramped.pk, at=NOON + DAY).way is Way.HOLD
    assert (state(), AuditEntry.objects.count(), Notice.objects.count()) == (before, entries, 1)


def test_a_worker_that_dies_within_leaves_nothing_half_done(
    ramped: Experiment, monkeypatch: pytest.MonkeyPatch
) -> None:
    look(ramped, NOON + DAY)
    before = state()

    def die(*_: Any, **__: Any) -> None:
        raise SystemExit

    with monkeypatch.context() as dying:
        dying.setattr(ramps, "announce", die)
        with pytest.raises(SystemExit):
            ramps.step(ramped.pk, at=NOON + DAY)
    assert state() == before
    clock.ramp(NOON + DAY)
    assert state()[1] == 0.5


def test_one_that_stops_or_pauses_in_the_meantime_is_left_alone(ramped: Experiment) -> None:
    look(ramped, NOON + DAY)
    lifecycle.pause(ramped.pk, actor="pm", at=NOON + HOUR)
    clock.ramp(NOON + DAY)
    assert state() == ("paused", 0.1, ["holding", "waiting", "waiting"])
    lifecycle.stop(ramped.pk, actor="pm", at=NOON + 2 * DAY)
    assert RampStage.objects.first().left_at == NOON + 2 * DAY


# --- by hand ---


def test_by_hand_it_goes_on_without_waiting_and_after_a_roll_back_again(ramped: Experiment) -> None:
    lifecycle.advance(ramped.pk, actor="pm", at=NOON + HOUR)
    assert state() == ("running", 0.5, ["advanced", "holding", "waiting"])
    lifecycle.roll_back(ramped.pk, actor="pm", at=NOON + 2 * HOUR, reason="Slow pages")
    assert state() == ("running", 0.1, ["advanced", "rolled_back", "waiting"])
    assert RampStage.objects.get(position=1).evidence == {"by": "pm", "sentence": "Slow pages"}
    with pytest.raises(UnableToRamp, match="rolled back already"):
        lifecycle.roll_back(ramped.pk, actor="pm", at=NOON + 2 * HOUR)
    lifecycle.advance(ramped.pk, actor="pm", at=NOON + 3 * HOUR)
    assert state() == ("running", 0.5, ["advanced", "holding", "waiting"])
    assert RampStage.objects.get(position=1).entered_at == NOON + 3 * HOUR


def test_a_done_ramp_can_be_rolled_back_and_not_advanced(ramped: Experiment) -> None:
    for hour in range(3):
        lifecycle.advance(ramped.pk, actor="pm", at=NOON + hour * HOUR)
    with pytest.raises(UnableToRamp, match="Its ramp is done"):
        lifecycle.advance(ramped.pk, actor="pm", at=NOON + DAY)
    lifecycle.roll_back(ramped.pk, actor="pm", at=NOON + DAY)
    assert state() == ("running", 0.5, ["advanced", "advanced", "rolled_back"])


def test_without_a_ramp_there_is_nothing_to_advance_or_roll_back() -> None:
    experiment = lifecycle.start(draft().pk, actor="pm", at=NOON)
    for command in (lifecycle.advance, lifecycle.roll_back):
        with pytest.raises(UnableToRamp, match="It has no ramp"):
            command(experiment.pk, actor="pm", at=NOON)


@pytest.mark.parametrize(
    ("to", "outcomes"),
    [
        ("0.3", ["holding", "waiting", "waiting"]),
        ("0.5", ["advanced", "holding", "waiting"]),
        ("0.7", ["advanced", "holding", "waiting"]),
        ("1", ["advanced", "advanced", "holding"]),
    ],
)
def test_covering_more_by_hand_passes_the_stages_it_reaches(ramped: Experiment, to: str, outcomes: list[str]) -> None:
    lifecycle.ramp_to(ramped.pk, actor="pm", at=NOON + HOUR, coverage=Decimal(to))
    assert state() == ("running", float(to), outcomes)
    assert RampStage.objects.get(outcome="holding").entered_at == NOON + HOUR


@pytest.mark.parametrize("to", ["0.1", "0.05", "0", "1.1", "-1"])
def test_a_ramp_only_adds(ramped: Experiment, to: str) -> None:
    with pytest.raises(UnableToRamp, match="covers 10 % of the units, and a ramp only adds"):
        lifecycle.ramp_to(ramped.pk, actor="pm", at=NOON + HOUR, coverage=Decimal(to))
    assert state()[1] == 0.1


def test_after_a_roll_back_covering_more_does_not_let_it_go_on_by_itself(ramped: Experiment) -> None:
    lifecycle.advance(ramped.pk, actor="pm", at=NOON)
    lifecycle.roll_back(ramped.pk, actor="pm", at=NOON + HOUR)
    lifecycle.ramp_to(ramped.pk, actor="pm", at=NOON + HOUR, coverage=Decimal("0.3"))
    assert state() == ("running", 0.3, ["holding", "rolled_back", "waiting"])
    look(ramped, NOON + 3 * DAY)
    clock.ramp(NOON + 3 * DAY)
    assert state() == ("running", 0.3, ["holding", "rolled_back", "waiting"])


def test_a_step_is_no_phase_and_moves_nobody() -> None:
    """For every bucket: who had an arm before the step has it afterwards."""
    weights = [0.5, 0.3, 0.2]
    for low, high in ((0.05, 0.1), (0.1, 0.5), (0.5, 1.0)):
        before, after = (rules.ranges(weights, share) for share in (low, high))
        for bucket in range(0, BUCKETS, 7):
            point = bucket / BUCKETS
            was = [i for i, (start, end) in enumerate(before) if start <= point < end]
            now = [i for i, (start, end) in enumerate(after) if start <= point < end]
            assert not was or was == now


def test_a_step_keeps_the_phase(ramped: Experiment) -> None:
    lifecycle.advance(ramped.pk, actor="pm", at=NOON + HOUR)
    ramped.refresh_from_db()
    assert (ramped.phase, ramped.phases.count(), ramped.status) == (1, 1, Status.RUNNING)
