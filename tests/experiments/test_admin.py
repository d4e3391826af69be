"""What a product manager sees and does with experiments."""

import json
import re
from decimal import Decimal
from html import unescape
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from experiments import page
from experiments.models import Experiment, Look, SavedGroup, Status
from firstlight.accounts.models import AuditEntry
from tests import shop

pytestmark = pytest.mark.django_db
ADD = "/admin/experiments/experiment/add/"


@pytest.fixture(autouse=True)
def silent(settings: Any) -> None:
    """Nothing is published here: what changes is another room's test."""
    settings.AFTER_CHANGE = "tests.experiments.test_admin.nothing"


def nothing() -> None: ...


@pytest.fixture
def manager(client: Client) -> Client:
    client.force_login(shop.person("product manager"))
    return client


def at(name: str, row: Experiment) -> str:
    return reverse(f"admin:experiments_experiment_{name}", args=[row.pk])


LINES = ("ramp", "further_layers", "requires")


def form(**changes: str) -> dict[str, str]:
    """What the browser sends for a sound plan."""
    metric = shop.metric("shop-click-rate", "Click rate", "ratio", "click", denominator_event="impression")
    arms = {"arms-TOTAL_FORMS": "2", "arms-INITIAL_FORMS": "0", "arms-0-key": "control", "arms-1-key": "din"}
    measured = {"measured-TOTAL_FORMS": "1", "measured-INITIAL_FORMS": "0", "measured-0-metric": str(metric.pk)}
    plan = {"name": "New ranker", "key": "ranker", "unit": "user_id", "coverage": "1", "confidence": "0.95"}
    rest = {"planned_days": "14", "first_bucket": "0", "end_bucket": "10000", "scenarios": str(shop.scenario().pk)}
    weights = {"arms-0-weight": "0.5", "arms-1-weight": "0.5", "arms-1-parameters": '{"ranker": "din"}'}
    roles = {"measured-0-role": "primary", "measured-0-margin": "0.02"}
    how = {
        "type": "ab",
        "analysis": "group_sequential",
        "spending": "obrien_fleming",
        "correction": "holm",
        "cuped": "on",
    }
    more = {"pre_days": "14", "prior": "history", "prior_mean": "0", "prior_sd": "0.05", "holdback": "0"}
    special = {"switch_hours": "24", "burn_in_minutes": "0"}
    none = {f"{name}-{count}_FORMS": "0" for name in LINES for count in ("TOTAL", "INITIAL")}
    return plan | rest | how | more | special | arms | weights | measured | roles | none | changes


def errors(answer: Any) -> str:
    adminform, formsets = answer.context["adminform"], answer.context["inline_admin_formsets"]
    return json.dumps([adminform.form.errors, [one.formset.errors for one in formsets]], ensure_ascii=False)


def test_a_plan_made_by_the_form_is_kept_and_recorded(manager: Client) -> None:
    answer = manager.post(ADD, form())
    assert answer.status_code == 302
    row = Experiment.objects.get(key="ranker")
    assert [(a.position, a.key, a.weight, a.parameters) for a in row.arms.all()] == [
        (0, "control", Decimal("0.5"), {}),
        (1, "din", Decimal("0.5"), {"ranker": "din"}),
    ]
    entry = AuditEntry.objects.get(kind="experiment", action="created")
    assert (entry.actor, entry.subject) == ("product-manager", "ranker")
    assert [arm["key"] for arm in entry.changes["arms"][1]] == ["control", "din"]


@pytest.mark.parametrize(
    ("field", "value", "words"),
    [
        ("targeting", '{"country": {"$like": "IN"}}', "is no operator"),
        ("targeting", "[]", ""),
        ("links", '[{"label": "x", "url": "javascript:alert(1)"}]', "http(s) url"),
        ("slices", "shoe size", "not one of the available choices"),
        ("holdback", "0.9", "less than or equal to 0.5"),
    ],
)
def test_what_the_plan_cannot_take_is_said_beside_its_field(
    manager: Client, field: str, value: str, words: str
) -> None:
    answer = manager.post(ADD, form(**{field: value}))
    if not words:  # nothing at all is everybody
        assert Experiment.objects.get().targeting == {}
    else:
        assert words in str(answer.context["adminform"].form.errors[field])
        assert not Experiment.objects.exists()


def test_the_form_says_what_its_plan_promises_and_keeps_nothing_of_it(manager: Client) -> None:
    promised = manager.post(f"{ADD}preview/", form()).content.decode()
    assert "The plan is complete." in promised and "No guardrail is chosen" in promised
    wanting = manager.post(f"{ADD}preview/", form(name="", **{"arms-1-weight": "0.4"})).content.decode()
    assert "Still to fill in: name" in wanting and "arm" in wanting
    assert not Experiment.objects.exists() and not AuditEntry.objects.filter(kind="experiment").exists()


def test_the_promise_of_a_draft_is_that_of_the_form_before_it_is_saved(manager: Client) -> None:
    manager.post(ADD, form())
    row = Experiment.objects.get()
    lines = {"arms-INITIAL_FORMS": "2", "measured-INITIAL_FORMS": "1"}
    ids = {f"arms-{i}-id": str(arm.pk) for i, arm in enumerate(row.arms.all())}
    ids |= {"measured-0-id": str(row.measured.get().pk)} | {f"arms-{i}-experiment": str(row.pk) for i in range(2)}
    changed = form(hypothesis="More clicks.", **lines, **ids)
    promised = manager.post(at("preview", row), changed).content.decode()
    assert "The hypothesis is written." in promised
    row.refresh_from_db()
    assert row.hypothesis == ""


def test_nobody_previews_without_permission(client: Client) -> None:
    client.force_login(shop.person("viewer"))
    assert client.post(f"{ADD}preview/", form()).status_code == 403
    assert client.get(f"{ADD}preview/").status_code == 405


def test_a_ramp_only_lets_more_units_in(manager: Client) -> None:
    stage = {"position": "0", "coverage": "0.5", "hold_hours": "24", "least_units": "0"}
    later = {**stage, "position": "1", "coverage": "0.2"}
    ramp = {f"ramp-{i}-{name}": x for i, one in enumerate((stage, later)) for name, x in one.items()}
    answer = manager.post(ADD, form(**ramp, **{"ramp-TOTAL_FORMS": "2"}))
    assert "lets more units in than the one before" in errors(answer)
    answer = manager.post(ADD, form(**{**ramp, "ramp-1-coverage": "1"}, **{"ramp-TOTAL_FORMS": "2"}))
    assert [float(one.coverage) for one in Experiment.objects.get().ramp.all()] == [0.5, 1.0]


def test_a_change_is_recorded_with_what_it_was_before(manager: Client) -> None:
    manager.post(ADD, form())
    row = Experiment.objects.get(key="ranker")
    first, second = row.arms.all()
    measured = row.measured.get()
    kept = {"arms-INITIAL_FORMS": "2", "arms-0-id": str(first.pk), "arms-1-id": str(second.pk)}
    kept |= {"measured-INITIAL_FORMS": "1", "measured-0-id": str(measured.pk)}
    kept |= {f"{p}-experiment": str(row.pk) for p in ("arms-0", "arms-1", "measured-0")}
    answer = manager.post(at("change", row), form(**kept, name="Newer ranker"))
    assert answer.status_code == 302, errors(answer)
    assert AuditEntry.objects.get(action="changed").changes == {"name": ["New ranker", "Newer ranker"]}


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"arms-1-weight": "0.4"}, "The weights sum to 0.9; they must sum to 1."),
        ({"arms-1-parameters": '{"ranker": '}, "This is not JSON: expecting value at character"),
        ({"arms-1-parameters": "[1]"}, "Write names and values in braces"),
        ({"arms-1-objective_weights": '{"user": 1}'}, "Name exactly user, merchant and platform."),
        ({"arms-1-objective_weights": '{"user": 0.5, "merchant": 0.2, "platform": 0.2}'}, "The weights sum to 0.9"),
        ({"arms-1-objective_weights": '{"user": true, "merchant": 0, "platform": 0}'}, "Each weight is a number"),
        ({"measured-0-role": "guardrail"}, "One metric at least must be the goal."),
        ({"key": "no blanks"}, "Use letters, digits"),
        ({"first_bucket": "10", "end_bucket": "10"}, "The end must lie behind the start."),
        ({"coverage": "2"}, "less than or equal to 1"),
    ],
)
def test_a_refusal_stands_beside_its_field(manager: Client, changes: dict[str, str], told: str) -> None:
    answer = manager.post(ADD, form(**changes))
    assert answer.status_code == 200
    assert told in errors(answer).replace('\\"', '"')
    assert not Experiment.objects.exists()


def test_starting_and_stopping_ask_first_and_act_by_post_alone(manager: Client) -> None:
    row = shop.experiment(status=Status.DRAFT)
    asked = manager.get(at("start", row))
    assert asked.status_code == 200 and "Start “New ranker”?" in asked.content.decode()
    row.refresh_from_db()
    assert row.status == Status.DRAFT
    done = manager.post(at("start", row))
    assert (done.status_code, done["Location"]) == (302, at("results", row))
    row.refresh_from_db()
    assert row.status == Status.RUNNING
    assert manager.post(at("stop", row)).status_code == 302
    row.refresh_from_db()
    assert row.status == Status.STOPPED


def test_starting_twice_is_refused_in_words(manager: Client) -> None:
    row = shop.experiment()
    answer = manager.post(at("start", row))
    assert answer.status_code == 409
    assert "already running" in answer.content.decode() or "running" in answer.context["refusal"]


def test_steps_need_the_token_of_the_form() -> None:
    row, guarded = shop.experiment(), Client(enforce_csrf_checks=True)
    guarded.force_login(shop.person("product manager"))
    assert guarded.post(at("stop", row)).status_code == 403
    row.refresh_from_db()
    assert row.status == Status.RUNNING


def test_the_plan_of_a_running_experiment_is_fixed(manager: Client) -> None:
    row = shop.experiment()
    answer = manager.post(at("change", row), form(name="Other name", coverage="0.1", **{"arms-0-weight": "0.9"}))
    assert answer.status_code == 302
    row.refresh_from_db()
    assert (row.name, row.coverage) == ("Other name", Decimal(1))
    assert [a.weight for a in row.arms.all()] == [Decimal("0.5")] * 2


def test_the_result_page_says_the_sentence_draws_the_lifts_and_lists_every_metric(manager: Client) -> None:
    row = shop.experiment()
    look = shop.look(row)
    text = unescape(manager.get(at("results", row)).content.decode())
    assert look.sentence in text and look.results["verdict"]["reasons"][0] in text
    assert all(check["sentence"] in text for check in look.results["health"])
    assert "Click rate of New ranker" in text and "Refunded" in text and "SELECT 1" in text
    assert 'id="chart-lifts"' in text and 'id="chart-settling-shop-click-rate"' in text


def test_an_old_look_can_be_opened_and_one_that_was_never_taken_cannot(manager: Client) -> None:
    row = shop.experiment()
    first, second = shop.look(row, lift=0.0), shop.look(row, lift=0.5)
    assert first.sentence != second.sentence
    assert manager.get(at("results", row), {"look": "1"}).context["look"] == first
    assert manager.get(at("results", row)).context["look"] == second
    for bad in ("3", "-1", "x", "9" * 30, "१"):
        assert manager.get(at("results", row), {"look": bad}).status_code == 404


@pytest.mark.parametrize("status", [Status.DRAFT, Status.RUNNING, Status.PAUSED, Status.STOPPED])
def test_without_a_look_the_page_says_what_comes_next(manager: Client, status: str) -> None:
    row = shop.experiment(status=status)
    text = manager.get(at("results", row)).content.decode()
    assert ("Not started yet." if status == Status.DRAFT else "No analysis yet.") in text


def test_every_picture_can_be_taken_away(manager: Client) -> None:
    row = shop.experiment()
    shop.look(row)
    links = re.findall(r'href="(/admin/[^"]+\.(?:png|svg|csv)[^"]*)"', manager.get(at("results", row)).content.decode())
    assert len(links) == 12
    for link in links:
        assert manager.get(unescape(link)).status_code == 200
    csv = manager.get(at("results", row) + "lifts.csv").content.decode()
    assert csv.splitlines()[0].startswith("metric,role,arm,method,lift,lift_low,lift_high")


def test_hostile_names_are_text_everywhere_also_inside_the_charts(manager: Client) -> None:
    row = shop.experiment(name=shop.HOSTILE)
    row.arms.filter(position=1).update(name=shop.HOSTILE)
    shop.look(row)
    for address in (
        at("results", row),
        at("change", row),
        at("stop", row),
        "/admin/",
        "/admin/experiments/experiment/",
    ):
        assert shop.HOSTILE not in manager.get(address).content.decode()
        assert "<img src=x" not in manager.get(address).content.decode()


def test_analyse_now_asks_a_worker_and_the_page_waits(manager: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[int] = []
    monkeypatch.setattr("experiments.tasks.analyse.delay", lambda *, experiment_id: asked.append(experiment_id))
    row = shop.experiment()
    answer = manager.post(at("analyse", row))
    assert (asked, answer["Location"]) == ([row.pk], at("results", row) + "?after=0")
    assert "data-waiting" in manager.get(answer["Location"]).content.decode()
    assert manager.get(at("newest", row)).json()["number"] == 0
    assert manager.get(at("analyse", row)).status_code == 405


def test_a_queue_that_is_away_is_said_in_words(manager: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    from kombu.exceptions import OperationalError

    def away(**_: Any) -> None:
        raise OperationalError("no route")

    monkeypatch.setattr("experiments.tasks.analyse.delay", away)
    answer = manager.post(at("analyse", shop.experiment()), follow=True)
    assert "does not answer" in answer.content.decode()


@pytest.mark.parametrize(("role", "may"), [("viewer", False), ("analyst", False), ("operator", True)])
def test_who_may_not_change_sees_and_cannot(client: Client, role: str, may: bool) -> None:
    row = shop.experiment()
    shop.look(row)
    client.force_login(shop.person(role))
    text = client.get(at("results", row)).content.decode()
    assert ("Analyse now" in text) == may
    assert client.get(at("stop", row)).status_code == (200 if may else 403)
    assert client.get(ADD).status_code == 403


def test_a_stranger_is_sent_to_the_login(client: Client) -> None:
    row = shop.experiment()
    for name in ("results", "start", "newest"):
        answer = client.get(at(name, row))
        assert answer.status_code == 302 and "/login/" in answer["Location"]


def test_the_list_takes_as_many_queries_for_ten_as_for_one(manager: Client, django_assert_max_num_queries: Any) -> None:
    shop.look(shop.experiment())
    manager.get("/admin/experiments/experiment/")
    for i in range(9):
        shop.look(shop.experiment(f"other-{i}", f"Other {i}"))
    with django_assert_max_num_queries(16):
        text = manager.get("/admin/experiments/experiment/").content.decode()
    assert text.count("fl-named") == 10


@pytest.mark.parametrize(
    ("direction", "low", "high", "tone"),
    [
        ("increase", 0.01, 0.03, "better"),
        ("decrease", 0.01, 0.03, "worse"),
        ("decrease", -0.03, -0.01, "better"),
        ("increase", -0.03, -0.01, "worse"),
        ("increase", -0.01, 0.03, "unsettled"),
        ("increase", 0.0, 0.03, "unsettled"),
    ],
)
def test_the_colour_turns_with_the_direction(direction: str, low: float, high: float, tone: str) -> None:
    estimate = {"lift": {"value": (low + high) / 2, "low": low, "high": high}, "guardrail": None, "difference": {}}
    assert page.tone({"direction": direction}, estimate) == tone


def test_looks_are_never_changed_by_reading_them(manager: Client) -> None:
    row = shop.experiment()
    before = shop.look(row).results
    manager.get(at("results", row))
    assert Look.objects.get().results == before


def test_an_empty_page_says_what_to_do(admin_client: Client) -> None:
    page = admin_client.get("/admin/experiments/layer/").content.decode()
    assert "No layers yet" in page and "A layer keeps experiments apart" in page and "New layer" in page
    assert "Nothing matches" in admin_client.get("/admin/experiments/layer/?q=none").content.decode()


def test_a_prerequisite_is_kept_by_the_form_and_a_circle_is_refused_beside_it(manager: Client) -> None:
    manager.post(ADD, form())
    first = Experiment.objects.get(key="ranker")
    needs = {"requires-TOTAL_FORMS": "1", "requires-0-required": str(first.pk), "requires-0-arms": "din"}
    answer = manager.post(ADD, form(key="second", **(needs | {"requires-0-arms": "red"})))
    assert "“ranker” has no arm red, but control and din." in answer.content.decode()
    assert manager.post(ADD, form(key="second", **needs)).status_code == 302
    second = Experiment.objects.get(key="second")
    assert [(line.required.key, line.arms) for line in second.requires.all()] == [("ranker", ["din"])]
    lines = {f"{name}-INITIAL_FORMS": str(n) for name, n in (("arms", 2), ("measured", 1))}
    own = {f"arms-{i}-id": str(arm.pk) for i, arm in enumerate(first.arms.order_by("position"))}
    own |= {"measured-0-id": str(first.measured.get().pk)}
    back = {"requires-TOTAL_FORMS": "1", "requires-0-required": str(second.pk), "requires-0-arms": "din"}
    answer = manager.post(at("change", first), form(**lines, **own, **back))
    assert "It would require itself: “ranker” → “second” → “ranker”." in answer.content.decode()
    assert not first.requires.exists()


GROUP = "/admin/experiments/savedgroup/"


def test_a_group_is_kept_line_by_line_and_one_in_use_stays(manager: Client) -> None:
    sent = {"name": "Testers", "key": "testers", "attribute": "user_id", "values": "u-1\n\n u 2 \n81\n"}
    assert manager.post(f"{GROUP}add/", sent).status_code == 302
    group = SavedGroup.objects.get()
    assert group.values == ["u-1", "u 2", "81"]
    refused = manager.post(f"{GROUP}{group.pk}/change/", {**sent, "are_numbers": "on"})
    assert "Not every line is a number" in refused.content.decode()
    assert (
        manager.post(f"{GROUP}{group.pk}/change/", {**sent, "values": "7\n1.5", "are_numbers": "on"}).status_code == 302
    )
    assert SavedGroup.objects.get().values == [7, 1.5]
    unknown = manager.post(ADD, form(targeting='{"user_id": {"$inGroup": "tester"}}'))
    assert "There is no saved group “tester”." in unknown.content.decode()
    manager.post(ADD, form(targeting='{"user_id": {"$inGroup": "testers"}}'))
    listed = manager.get(GROUP).content.decode()
    assert "ranker" in listed
    asked = manager.post(f"{GROUP}{group.pk}/delete/", {"post": "yes"})
    assert "“testers” is named by the targeting of “ranker”" in asked.content.decode()
    assert SavedGroup.objects.exists()
    Experiment.objects.get().delete()
    assert manager.post(f"{GROUP}{group.pk}/delete/", {"post": "yes"}).status_code == 302
    assert not SavedGroup.objects.exists()


def test_the_page_of_testers_shows_a_link_for_each_arm(manager: Client) -> None:
    manager.post(ADD, form())
    shown = manager.get(at("force", Experiment.objects.get())).content.decode()
    assert shown.count("/preview?forced=") == 2
    assert "Preview link of “din”, good until" in shown
