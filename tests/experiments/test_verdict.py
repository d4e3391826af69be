"""The decision, case by case, in the words a product manager reads."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from experiments.findings import Finding
from experiments.health import Check
from experiments.verdict import Kind, Progress, Question, Verdict, decide
from firstlight.kernel.withheld import Reason, Withheld
from firstlight.stats.estimates import Estimate
from firstlight.stats.guardrails import Guardrail, State
from firstlight.stats.tails import Tail

OVER, EARLY = Progress(14.2, 14, is_stopped=False), Progress(9.0, 14, is_stopped=False)
STOPPED_EARLY = Progress(3.0, 14, is_stopped=True)
GOOD = Check("sample_ratio", True, 0.6, "as planned")
BAD = Check("sample_ratio", False, 1e-9, "The arms got 4,000 : 6,000 units.")
SILENT = Check("exposures", False, None, "No new unit has come since Monday.")


def goal(value: float, p: float | None, half: float = 0.05, **changes: Any) -> Finding:
    estimate = Estimate(value, value - half, value + half)
    found = Finding("Clicks", "New", "primary", 1, 0.02, estimate, estimate, p)
    return replace(found, **changes)


def guard(state: State, broken: float = 0.5, **changes: Any) -> Finding:
    found = Guardrail(state, Tail(0.5, -0.3), Tail(broken, -1))
    return replace(goal(0.0, 0.9, metric="Returns", role="guardrail", guardrail=found), **changes)


def verdict(*findings: Finding, checks: tuple[Check, ...] = (GOOD,), progress: Progress = OVER) -> Verdict:
    return decide(findings, checks, progress, 0.95)


def test_a_goal_that_is_better_ships_at_the_planned_end() -> None:
    found = verdict(goal(0.105, 0.001), guard(State.NOT_WORSE))
    assert found.kind is Kind.SHIP
    assert found.sentence == "Ship New: “Clicks” is better, +10.5 % (+5.5 % to +15.5 %)."
    assert "“Returns” in New: not worse than −2.0 %." in found.reasons


@pytest.mark.parametrize("p", [0.04, 1e-30])
def test_before_the_planned_end_nothing_ships_however_clear(p: float) -> None:
    found = verdict(goal(0.105, p), progress=EARLY)
    assert found.kind is Kind.KEEP_RUNNING
    assert found.sentence.startswith("Keep running, about 5 days left.")
    assert "before the planned end of 14 days" in found.reasons[0]


def test_a_null_is_told_by_what_it_rules_out_and_never_as_no_effect() -> None:
    found = verdict(goal(0.01, 0.7))
    assert found.kind is Kind.END
    assert (
        "No clear difference in “Clicks” for New: we can rule out more than +6.0 % and less than −4.0 %."
        in found.sentence
    )
    assert "no effect" not in " ".join([found.sentence, *found.reasons])


def test_without_a_percentage_the_difference_is_told() -> None:
    blank = Withheld(Reason.UNBOUNDED_LIFT)
    assert "rule out more than 0.06000 and less than −0.04000" in verdict(goal(0.01, 0.7, lift=blank)).sentence
    assert "a difference of 0.3000 (0.2500 to 0.3500)" in verdict(goal(0.3, 0.001, lift=blank)).sentence


def test_a_goal_that_got_worse_aborts() -> None:
    found = verdict(goal(-0.1, 0.01))
    assert found.kind is Kind.ABORT
    assert found.sentence.startswith("Do not ship New: “Clicks” got worse in New, −10.0 %")


def test_before_the_end_only_overwhelming_harm_aborts() -> None:
    assert verdict(goal(-0.1, 0.01), progress=EARLY).kind is Kind.KEEP_RUNNING
    found = verdict(goal(-0.1, 0.0009), progress=EARLY)
    assert (found.kind, found.sentence[:7]) == (Kind.ABORT, "Stop it")
    assert verdict(goal(0.0, 0.9), guard(State.WORSE, 0.0009), progress=EARLY).kind is Kind.ABORT
    assert verdict(goal(0.0, 0.9), guard(State.WORSE, 0.02), progress=EARLY).kind is Kind.KEEP_RUNNING


def test_a_broken_guardrail_forbids_what_the_goal_would_ship() -> None:
    found = verdict(goal(0.1, 0.001), guard(State.WORSE, 0.01))
    assert found.kind is Kind.ABORT
    assert "“Returns” is worse than −2.0 % in New" in found.sentence


@pytest.mark.parametrize(
    "guardrail", [guard(State.NOT_SETTLED), guard(State.NOT_WORSE, guardrail=Withheld(Reason.NO_SPREAD))]
)
def test_a_guardrail_that_is_not_settled_holds_the_ship_back(guardrail: Finding) -> None:
    found = verdict(goal(0.1, 0.001), guardrail)
    assert found.kind is Kind.CANNOT_TELL
    assert "not settled" in found.sentence


def test_a_guardrail_that_is_not_settled_does_not_turn_a_null_into_a_riddle() -> None:
    assert verdict(goal(0.0, 0.9), guard(State.NOT_SETTLED)).kind is Kind.END


@pytest.mark.parametrize("finding", [goal(0.1, 0.001), goal(-0.1, 0.001), goal(0.0, 0.9)])
@pytest.mark.parametrize("progress", [OVER, EARLY])
def test_bad_health_comes_before_any_lift(finding: Finding, progress: Progress) -> None:
    found = verdict(finding, checks=(GOOD, BAD), progress=progress)
    assert found.kind is Kind.ABORT
    assert "4,000 : 6,000" in found.sentence
    assert verdict(finding, checks=(SILENT,), progress=progress).kind is Kind.CANNOT_TELL


def test_bad_health_of_a_stopped_one_is_a_riddle_for_there_is_nothing_to_stop() -> None:
    assert verdict(goal(0.1, 0.001), checks=(BAD,), progress=STOPPED_EARLY).kind is Kind.CANNOT_TELL


def test_stopped_before_the_planned_end_cannot_tell() -> None:
    found = verdict(goal(0.1, 0.001), progress=STOPPED_EARLY)
    assert found.kind is Kind.CANNOT_TELL
    assert "stopped after 3 of 14 planned days" in found.sentence


def test_without_a_number_it_says_why() -> None:
    blank = Withheld(Reason.TOO_FEW_UNITS)
    found = verdict(goal(0, None, difference=blank, lift=blank))
    assert found.kind is Kind.CANNOT_TELL
    assert "fewer than two units in an arm" in found.sentence


def test_of_two_arms_the_one_that_gained_more_and_harmed_nothing_ships() -> None:
    small, large = goal(0.06, 0.01, arm="Small"), goal(0.2, 0.001, arm="Large")
    assert verdict(small, large).sentence.startswith("Ship Large")
    assert verdict(
        small, large, guard(State.WORSE, 0.001, arm="Large"), guard(State.NOT_WORSE, arm="Small")
    ).sentence.startswith("Ship Small")


# Sequential plans


WEEK = Progress(9.0, 14, is_stopped=False, is_sequential=True, least_days=7)
FIRST_DAYS = replace(WEEK, days=2.5)


def test_a_sequential_plan_ships_as_soon_as_the_bound_is_crossed() -> None:
    found = verdict(goal(0.105, 0.01), guard(State.NOT_WORSE), progress=WEEK)
    assert found.kind is Kind.SHIP
    assert "every look before has spent" in found.reasons[0]
    assert verdict(goal(0.105, 0.06), progress=WEEK).kind is Kind.KEEP_RUNNING


def test_what_is_better_already_waits_for_the_minimum_run_time() -> None:
    found = verdict(goal(0.105, 0.01), guard(State.NOT_WORSE), progress=FIRST_DAYS)
    assert found.kind is Kind.KEEP_RUNNING
    assert found.sentence.startswith("Keep running, about 5 days left: “Clicks” is better already in New, +10.5 %")
    assert found.sentence.endswith("nothing ships before 7 days were seen.")


def test_stopped_before_the_minimum_run_time_nothing_ships_though_the_bound_was_crossed() -> None:
    stopped = replace(FIRST_DAYS, is_stopped=True)
    assert verdict(goal(0.105, 0.01), progress=stopped).kind is Kind.CANNOT_TELL
    assert verdict(goal(0.105, 0.01), progress=replace(WEEK, is_stopped=True)).kind is Kind.SHIP


def test_harm_that_crosses_the_bound_aborts_at_any_look() -> None:
    assert verdict(goal(-0.1, 0.01), progress=FIRST_DAYS).kind is Kind.ABORT
    assert verdict(goal(0.0, 0.9), guard(State.WORSE, 0.02), progress=FIRST_DAYS).kind is Kind.ABORT


def test_an_unsettled_guardrail_makes_a_sequential_plan_go_on_until_its_end() -> None:
    assert verdict(goal(0.1, 0.001), guard(State.NOT_SETTLED), progress=WEEK).kind is Kind.KEEP_RUNNING
    assert verdict(goal(0.1, 0.001), guard(State.NOT_SETTLED), progress=replace(WEEK, days=15)).kind is Kind.CANNOT_TELL


def test_days_over_but_units_missing_is_not_the_end() -> None:
    found = verdict(goal(0.0, 0.9), progress=replace(WEEK, days=15.0, share=0.75))
    assert found.kind is Kind.KEEP_RUNNING
    assert "about 5 days left" in found.sentence  # 15 days brought three quarters


# Checks that forbid one verdict and not another


WEAK = Check("low_power", False, None, "By the planned end only +30 % can be detected.")
FEW = Check("outliers", False, None, "A few units carry “Clicks”.")
OPEN = Check("immature", False, None, "400 units have not had their whole time yet.")
ADJUSTED = Check("covariates", False, None, "Not adjusted for the past.")


@pytest.mark.parametrize(
    ("check", "finding", "kind"),
    [
        (WEAK, goal(0.0, 0.9), Kind.CANNOT_TELL),
        (WEAK, goal(0.1, 0.001), Kind.SHIP),
        (FEW, goal(0.1, 0.001), Kind.CANNOT_TELL),
        (FEW, goal(0.0, 0.9), Kind.END),
        (FEW, goal(-0.1, 0.001), Kind.ABORT),
        (OPEN, goal(0.1, 0.001), Kind.CANNOT_TELL),
        (OPEN, goal(0.0, 0.9), Kind.CANNOT_TELL),
        (ADJUSTED, goal(0.1, 0.001), Kind.SHIP),
    ],
)
def test_a_check_holds_back_what_it_speaks_against_and_is_a_reason_always(
    check: Check, finding: Finding, kind: Kind
) -> None:
    found = verdict(finding, checks=(GOOD, check))
    assert found.kind is kind
    assert check.sentence in found.reasons
    assert (check.sentence in found.sentence) == (kind is Kind.CANNOT_TELL)


# Other questions than what to ship


def asked(question: Question, *findings: Finding, progress: Progress = OVER) -> Verdict:
    return decide(findings, (GOOD,), progress, 0.95, question)


@pytest.mark.parametrize("value", [0.1, -0.1])
def test_a_difference_in_an_aa_test_is_an_alarm_whichever_way_it_goes(value: float) -> None:
    found = asked(Question.SAME, goal(value, 0.001))
    assert found.kind is Kind.ABORT
    assert found.sentence.startswith("Alarm: the arms are the same, yet “Clicks” differs")


def test_no_difference_in_an_aa_test_is_as_it_should_be() -> None:
    found = asked(Question.SAME, goal(0.01, 0.7))
    assert (found.kind, found.sentence[:32]) == (Kind.END, "No difference, as it should be. ")
    assert asked(Question.SAME, goal(0.01, 0.7), progress=WEEK).kind is Kind.KEEP_RUNNING


def test_a_holdout_tells_what_all_that_was_shipped_is_worth() -> None:
    found = asked(Question.WORTH, goal(0.04, 0.001))
    assert (found.kind, found.sentence[:32]) == (Kind.END, "All that was shipped together. “")
    assert "+4.0 %" in found.sentence
    assert asked(Question.WORTH, goal(-0.04, 0.001)).sentence.startswith("Look for what to take back: ")
    assert asked(Question.WORTH, goal(0.04, 0.001), progress=WEEK).kind is Kind.KEEP_RUNNING


def test_after_shipping_it_tells_whether_it_lasts() -> None:
    assert asked(Question.LASTING, goal(0.04, 0.001)).sentence.startswith("It lasts: “Clicks” is still better in New")
    assert "not settled" in asked(Question.LASTING, goal(0.01, 0.5)).sentence
    assert asked(Question.LASTING, goal(-0.04, 0.001)).kind is Kind.ABORT


@given(
    lift=st.floats(-0.3, 0.3),
    p=st.floats(0, 1),
    state=st.sampled_from(State),
    broken=st.floats(0, 1),
    days=st.floats(0, 30),
    is_stopped=st.booleans(),
    is_sequential=st.booleans(),
    question=st.sampled_from(Question),
)
def test_less_of_x_is_more_of_minus_x(
    lift: float,
    p: float,
    state: State,
    broken: float,
    days: float,
    is_stopped: bool,
    is_sequential: bool,
    question: Question,
) -> None:
    progress = Progress(days, 14, is_stopped, is_sequential, least_days=7)
    more = asked(question, goal(lift, p), guard(state, broken), progress=progress)
    less = asked(question, goal(-lift, p, sign=-1), guard(state, broken, sign=-1), progress=progress)
    assert more.kind is less.kind
