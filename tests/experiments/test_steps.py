"""The pages of the steps: each asks first, acts by POST alone, and refuses where it was asked."""

from decimal import Decimal
from threading import Thread
from typing import Any

import pytest
from django.db import connection, transaction
from django.test import Client
from django.urls import reverse

from experiments import lifecycle, steps
from experiments.models import Experiment, Phase, Status
from tests import shop
from tests.experiments.plans import DAY, NOON, at_state, draft, ramp, scenario

pytestmark = pytest.mark.django_db
PREFIXES = ("arms", "measured", "ramp", "further_layers", "requires")


@pytest.fixture(autouse=True)
def _unpublished(settings: Any) -> None:
    settings.AFTER_CHANGE = "builtins.dict"


@pytest.fixture
def manager(client: Client) -> Client:
    client.force_login(shop.person("product manager"))
    return client


def at(name: str, row: Experiment) -> str:
    return reverse(f"admin:experiments_experiment_{name}", args=[row.pk])


ROADS: list[tuple[str, str, dict[str, str], str]] = [  # state, step, what the form sends, state afterwards
    ("draft", "submit", {}, "in_review"),
    ("draft", "schedule", {"start_at": "2036-01-01T10:00"}, "scheduled"),
    ("draft", "start", {}, "running"),
    ("draft", "archive", {}, "archived"),
    ("in_review", "approve", {"note": "Fine"}, "in_review"),
    ("in_review", "return_to_draft", {"note": ""}, "draft"),
    ("scheduled", "start", {}, "running"),
    ("running", "pause", {}, "paused"),
    ("running", "stop", {}, "stopped"),
    ("running", "ramp_to", {"coverage": "0.9"}, "running"),
    ("running", "change_weights", {"weight_control": "0.4", "weight_new": "0.6"}, "running"),
    ("running", "force", {"testers": "t-1 new\nmy device control\n"}, "running"),
    ("paused", "resume", {}, "running"),
    ("stopped", "decide", {"decision": "shipped", "arm": "new", "note": "Better"}, "decided"),
    ("decided", "archive", {}, "archived"),
]


@pytest.mark.parametrize(("state", "step", "sent", "then"), ROADS)
def test_a_step_asks_by_get_and_is_taken_by_post(
    manager: Client, state: str, step: str, sent: dict[str, str], then: str
) -> None:
    row = at_state(state, coverage="0.5")
    asked = manager.get(at(step, row))
    assert asked.status_code == 200
    text = asked.content.decode()
    assert all(f'name="{name}"' in text for name in sent) and "csrfmiddlewaretoken" in text
    row.refresh_from_db()
    assert row.status == state
    done = manager.post(at(step, row), sent)
    assert done.status_code == 302, done.content.decode()
    row.refresh_from_db()
    assert row.status == then
    assert manager.get(done["Location"]).status_code == 200


def test_pressed_twice_a_ramp_goes_on_once(manager: Client) -> None:
    row = draft()
    ramp(row, ("0.1", 24, 100), ("0.5", 24, 100), ("1", 24, 0))
    lifecycle.start(row.pk, actor="pm", at=NOON)
    assert (
        '<input type="hidden" name="from_coverage" value="0.1000"' in manager.get(at("advance", row)).content.decode()
    )
    codes = [manager.post(at("advance", row), {"from_coverage": "0.1000"}).status_code for _ in range(2)]
    assert codes == [302, 409]
    row.refresh_from_db()
    assert row.coverage == Decimal("0.5")
    codes = [manager.post(at("roll_back", row), {"from_coverage": "0.5"}).status_code for _ in range(2)]
    assert codes == [302, 409]
    row.refresh_from_db()
    assert row.coverage == Decimal("0.1")


def test_what_the_state_does_not_allow_is_refused_on_the_page(manager: Client) -> None:
    row = at_state("stopped")
    answer = manager.post(at("pause", row))
    assert answer.status_code == 409 and "“ranker” is stopped; only what is running" in answer.content.decode()


@pytest.mark.parametrize(
    ("state", "step", "sent", "told"),
    [
        ("running", "change_weights", {"weight_control": "0.4", "weight_new": "0.5"}, "The shares sum to 0.9"),
        ("running", "change_weights", {"weight_control": "x", "weight_new": "0.5"}, "Enter a number"),
        ("stopped", "decide", {"decision": "shipped", "arm": "new"}, "This field is required"),
        ("stopped", "decide", {"decision": "shipped", "arm": "control", "note": "x"}, "Select a valid choice"),
        ("draft", "schedule", {"start_at": "soon"}, "Enter a valid date/time"),
        ("draft", "copy", {"key": "no blanks"}, "Use letters"),
    ],
)
def test_a_fault_stands_beside_its_field(
    manager: Client, state: str, step: str, sent: dict[str, str], told: str
) -> None:
    row = at_state(state)
    answer = manager.post(at(step, row), sent)
    assert answer.status_code == 422 and told in answer.content.decode()
    row.refresh_from_db()
    assert row.status == state and Phase.objects.count() <= 1


def test_the_checklist_is_read_before_the_start(manager: Client) -> None:
    row = draft()
    row.measured.all().delete()
    text = manager.get(at("start", row)).content.decode()
    assert "It has no goal" in text and "fl-failed" in text and "No hypothesis is written" in text


def test_what_cannot_start_is_not_offered_a_button_that_is_refused(manager: Client) -> None:
    row = draft("ranker", scenario())
    row.measured.all().delete()
    page = manager.get(at("start", row)).content.decode()
    assert "Put in order first what is marked red." in page and 'type="submit" class="fl-button fl-main"' not in page
    assert 'type="submit" class="fl-button fl-main"' in manager.get(at("submit", row)).content.decode()


def test_a_copy_leads_to_the_new_draft(manager: Client) -> None:
    row = at_state("decided")
    answer = manager.post(at("copy", row), {"key": "again", "name": ""})
    new = Experiment.objects.get(key="again")
    assert answer["Location"] == at("change", new)


def labels(row: Experiment) -> list[str]:
    return [button.label.removesuffix("…") for button in steps.buttons(row)]


def test_what_leads_on_stands_first_and_nothing_is_offered_that_is_refused() -> None:
    assert labels(at_state("draft", "a")) == ["Start", "Submit", "Schedule", "Archive", "Testers", "Copy"]
    reviewed = draft("b", scenario("search", review_required=True))
    assert labels(reviewed) == ["Submit", "Archive", "Testers", "Copy"]
    lifecycle.submit(reviewed.pk, actor="pm", at=NOON)
    reviewed.refresh_from_db()
    assert labels(reviewed) == ["Approve", "Return to draft", "Archive", "Testers", "Copy"]
    lifecycle.approve(reviewed.pk, actor="eve", at=NOON)
    reviewed.refresh_from_db()
    assert labels(reviewed) == ["Start", "Return to draft", "Schedule", "Archive", "Testers", "Copy"]
    assert labels(at_state("running", "c")) == ["Pause", "Stop", "Change the shares", "Testers", "Copy"]
    assert labels(at_state("paused", "d")) == ["Resume", "Stop", "Change the shares", "Testers", "Copy"]
    assert labels(draft("e", is_template=True)) == ["Archive", "Copy"]
    assert labels(at_state("archived", "f")) == ["Copy"]


def test_a_ramp_offers_its_steps() -> None:
    row = draft("ramped", scenario("search"), arms=("control", "x", "y"))
    ramp(row, ("0.1", 1, 0), ("1", 1, 0))
    lifecycle.start(row.pk, actor="pm", at=NOON)
    row.refresh_from_db()
    assert {"Advance the ramp", "Cover more", "Roll back", "Remove an arm"} <= set(labels(row))
    for command in (lifecycle.advance, lifecycle.roll_back):
        command(row.pk, actor="pm", at=NOON)
    halted = Experiment.objects.get()
    assert halted.status == Status.RUNNING
    assert "Roll back" not in labels(halted) and "Advance the ramp" in labels(halted)


@pytest.mark.parametrize("state", list(Status))
def test_every_page_of_it_shows_in_every_state(manager: Client, state: str) -> None:
    row = at_state(state)
    for name in ("change", "results"):
        text = manager.get(at(name, row)).content.decode()
        assert all(button.address in text for button in steps.buttons(row))


def test_who_may_only_look_is_offered_nothing(client: Client) -> None:
    row = at_state("running")
    client.force_login(shop.person("viewer"))
    assert at("stop", row) not in client.get(at("results", row)).content.decode()
    assert [client.post(at(name, row)).status_code for name in steps.STEPS] == [403] * len(steps.STEPS)


def test_what_is_not_there_is_not_found(manager: Client) -> None:
    for pk in ("0", "9" * 30):
        assert manager.get(f"/admin/experiments/experiment/{pk}/stop/").status_code == 404


def test_scheduled_times_are_of_the_world(manager: Client) -> None:
    row = draft()
    manager.post(at("schedule", row), {"start_at": "2036-01-01T10:00"})
    row.refresh_from_db()
    assert row.scheduled_for.isoformat() == "2036-01-01T10:00:00+00:00"


@pytest.mark.django_db(transaction=True)
def test_a_form_that_is_saved_waits_for_a_step_and_overwrites_nothing() -> None:
    """Another connection stops it while the form of its name is on its way."""
    row = at_state("running")
    saver = Client()
    saver.force_login(shop.person("product manager"))
    sent = {"name": "Newer", "hypothesis": "", "tags": "", "links": "[]", "holdback": "0"}
    sent |= {f"{prefix}-{kind}_FORMS": "0" for prefix in PREFIXES for kind in ("TOTAL", "INITIAL")}
    answers: list[Any] = []

    def save() -> None:
        answers.append(saver.post(at("change", row), sent).status_code)
        connection.close()

    thread = Thread(target=save)
    with transaction.atomic():
        lifecycle.stop(row.pk, actor="pm", at=NOON + DAY)
        thread.start()
        thread.join(1)
        assert thread.is_alive()  # it waits for the row
    thread.join(20)
    row.refresh_from_db()
    assert answers == [302]
    assert (row.name, row.status, row.stopped_at) == ("Newer", Status.STOPPED, NOON + DAY)


def test_who_archives_what_is_shipped_is_told_that_it_is_given_out_no_more(manager: Client) -> None:
    row = at_state("stopped")
    lifecycle.ship(row.pk, actor="pm", at=NOON + DAY, note="Better")
    assert "gives out “new” until then" in manager.get(at("archive", row)).content.decode()
    other = at_state("decided", "rejected")
    assert "until then" not in manager.get(at("archive", other)).content.decode()
