"""Which command leads from which state to which: the whole table, told independently of the one that decides."""

from decimal import Decimal
from typing import Any

import pytest

from experiments import lifecycle
from experiments.models import Experiment, Status
from firstlight.accounts.models import AuditEntry
from tests.experiments.plans import DAY, HOUR, NOON, at_state, draft

pytestmark = pytest.mark.django_db
AT = NOON + HOUR
SAME = "same"

MORE: dict[str, dict[str, Any]] = {
    "schedule": {"start_at": AT + DAY},
    "decide": {"decision": "inconclusive", "note": "Too little."},
    "ship": {"note": "Better."},
    "change_weights": {"weights": {"control": Decimal("0.4"), "new": Decimal("0.6")}},
    "ramp_to": {"coverage": Decimal("0.9")},
    "force": {"testers": {"t-1": "new"}},
}

# state: {command that is allowed there: state it leads to}
ALLOWED: dict[str, dict[str, str]] = {
    "draft": {"submit": "in_review", "schedule": "scheduled", "start": "running", "archive": "archived"}
    | {"force": SAME},
    "in_review": {"approve": SAME, "return_to_draft": "draft", "archive": "archived", "force": SAME},
    "scheduled": {"return_to_draft": "draft", "schedule": "scheduled", "start": "running", "force": SAME},
    "running": {"pause": "paused", "stop": "stopped", "change_weights": SAME, "ramp_to": SAME, "force": SAME},
    "paused": {"resume": "running", "stop": "stopped", "change_weights": SAME, "force": SAME},
    "stopped": {"decide": "decided", "ship": "decided", "archive": "archived"},
    "decided": {"archive": "archived"},
    "archived": {},
}
COMMANDS = (
    *("submit", "approve", "return_to_draft", "schedule", "start", "pause", "resume", "stop", "decide", "ship"),
    *("archive", "change_weights", "ramp_to", "force"),
)


@pytest.fixture(autouse=True)
def _unpublished(settings: Any) -> None:
    settings.AFTER_CHANGE = "builtins.dict"


def do(command: str, experiment: Experiment, actor: str = "pm", **more: Any) -> Experiment:
    done: Experiment = getattr(lifecycle, command)(
        experiment.pk, actor=actor, at=AT, **{**MORE.get(command, {}), **more}
    )
    return done


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("state", list(Status))
def test_each_command_leads_where_it_should_or_is_refused_and_changes_nothing(state: Status, command: str) -> None:
    experiment = at_state(state, coverage=Decimal("0.5"))
    before, entries = Experiment.objects.values().get(), AuditEntry.objects.count()
    leads_to = ALLOWED[state].get(command)
    if leads_to is None:
        with pytest.raises(lifecycle.Unable) as refusal:
            do(command, experiment)
        assert str(refusal.value).startswith(("“ranker” is ", "Its review is not done"))
        assert Experiment.objects.values().get() == before
        assert AuditEntry.objects.count() == entries
        return
    done = do(command, experiment)
    experiment.refresh_from_db()
    assert done.status == experiment.status == (state if leads_to == SAME else leads_to)
    entry = AuditEntry.objects.first()
    assert (entry.actor, entry.kind, entry.subject) == ("pm", "experiment", "ranker")
    assert AuditEntry.objects.count() == entries + 1 and entry.changes


@pytest.mark.parametrize("state", list(Status))
def test_what_is_said_to_be_possible_is_what_the_state_allows(state: Status) -> None:
    """A state allows more than this plan: advance and roll_back want a ramp, start of a reviewed plan its approval."""
    allowed = {name for name in ALLOWED[state] if name != "ship"}
    told = lifecycle.possible(at_state(state, coverage=Decimal("0.5")))
    assert allowed <= told
    extra = {"advance", "roll_back", "remove_arm", *(("start", "schedule") if state == "in_review" else ())}
    assert told - allowed <= extra


def test_a_template_is_copied_and_never_started() -> None:
    template = draft("template", is_template=True)
    for command in ("start", "schedule", "submit"):
        with pytest.raises(lifecycle.Unable, match="template"):
            do(command, template)
    assert lifecycle.archive(template.pk, actor="pm", at=AT).status == Status.ARCHIVED


def test_a_scheduled_time_must_be_to_come() -> None:
    with pytest.raises(lifecycle.UnableToSchedule, match="has passed"):
        do("schedule", draft(), start_at=AT)


def test_a_pause_keeps_the_phase_and_the_start() -> None:
    experiment = at_state("paused")
    assert experiment.paused_at == NOON
    resumed = do("resume", experiment)
    assert (resumed.phase, resumed.started_at, resumed.paused_at) == (1, NOON, None)


def test_a_command_of_the_past_is_refused_while_it_runs() -> None:
    experiment = at_state("running")
    for command in ("pause", "stop", "change_weights", "ramp_to"):
        with pytest.raises(lifecycle.Unable, match="started later than that"):
            getattr(lifecycle, command)(experiment.pk, actor="pm", at=NOON - HOUR, **MORE.get(command, {}))


def test_what_is_gone_is_said_to_be_gone() -> None:
    for command in COMMANDS:
        with pytest.raises(Experiment.DoesNotExist):
            getattr(lifecycle, command)(0, actor="pm", at=AT, **MORE.get(command, {}))


def test_the_decision_keeps_who_why_when_and_the_look_it_rests_on() -> None:
    from tests.experiments.plans import look

    experiment = at_state("stopped")
    for until in (NOON + HOUR, NOON + DAY):
        look(experiment, until)
    done = do("ship", experiment, note="+2 % orders")
    assert (done.decision, done.shipped_arm, done.decision_look) == ("shipped", "new", 2)
    assert (done.decided_by, done.decided_at, done.decision_note) == ("pm", AT, "+2 % orders")


def test_without_a_look_the_decision_names_none() -> None:
    assert do("decide", at_state("stopped")).decision_look is None


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"decision": "perhaps", "note": "x"}, "A decision is one of shipped, rejected and inconclusive"),
        ({"decision": "rejected", "note": "  "}, "Say why"),
        ({"decision": "rejected", "note": "x", "arm": "new"}, "Only what is shipped names an arm"),
        ({"decision": "shipped", "note": "x", "arm": "control"}, "“control” is the control"),
        ({"decision": "shipped", "note": "x", "arm": "blue"}, "What can be shipped is new"),
    ],
)
def test_half_a_decision_is_refused_in_words(given: dict[str, Any], words: str) -> None:
    experiment = at_state("stopped")
    with pytest.raises(lifecycle.UnableToDecide, match=words):
        do("decide", experiment, **given)
    experiment.refresh_from_db()
    assert experiment.status == Status.STOPPED


@pytest.mark.parametrize(("kind", "words"), [("aa", "A/A test: there is nothing"), ("holdout", "Holdout: there is")])
def test_what_only_measures_ships_nothing(kind: str, words: str) -> None:
    experiment = at_state("stopped", type=kind)
    with pytest.raises(lifecycle.UnableToDecide, match=words):
        do("ship", experiment)
    assert do("decide", experiment).decision == "inconclusive"


def test_of_several_treatments_one_is_named() -> None:
    experiment = draft("ranker", arms=("control", "a", "b"))
    lifecycle.start(experiment.pk, actor="pm", at=NOON)
    lifecycle.stop(experiment.pk, actor="pm", at=AT)
    with pytest.raises(lifecycle.UnableToDecide, match="which arm is shipped: a and b"):
        do("ship", experiment)
    assert do("ship", experiment, arm="b").shipped_arm == "b"
