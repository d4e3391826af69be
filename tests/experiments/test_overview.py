"""The calendar, the allocation map and the past tests, on rows as they are stored."""

from datetime import UTC, datetime, timedelta
from math import hypot
from typing import Any

import pytest
from django.db.backends.postgresql.psycopg_any import NumericRange
from django.test import Client
from django.utils import timezone

from experiments import calendar, past
from experiments.models import BUCKETS, Arm, Claim, Decision, Experiment, Layer, Status

pytestmark = pytest.mark.django_db
NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)


def experiment(key: str, status: Status = Status.RUNNING, started: int = 5, **values: Any) -> Experiment:
    """`started` days before today."""
    start = timezone.now() - timedelta(days=started)
    ended = (
        {} if status in {Status.RUNNING, Status.PAUSED, Status.SCHEDULED} else {"stopped_at": start + timedelta(days=3)}
    )
    begun = {"scheduled_for": start} if status == Status.SCHEDULED else {"started_at": start}
    return Experiment.objects.create(key=key, name=key.title(), status=status, **{**begun, **ended, **values})


def shipped(
    key: str, lift: tuple[float, float, float], shrunken: tuple[float, float, float] | None, metric: str = "ctr"
) -> Experiment:
    row = experiment(key, Status.DECIDED, 30, decision=Decision.SHIPPED, shipped_arm="new", tags=["ranking"])
    Arm.objects.create(experiment=row, key="new", weight=1, parameters={"ranker": key})
    names = ("value", "low", "high")
    estimate: dict[str, Any] = {"arm": "new", "lift": dict(zip(names, lift, strict=True))}
    if shrunken:
        estimate["shrunken"] = dict(zip(names, shrunken, strict=True))
    other = {"arm": "other", "lift": {"value": 9.0, "low": 9.0, "high": 9.0}}
    goal = {"metric": metric, "name": "Click rate", "role": "primary", "direction": "increase"}
    metrics = [{**goal, "estimates": [estimate, other]}, {**goal, "role": "guardrail", "estimates": [other]}]
    row.looks.create(number=1, until=NOW, batch=1, verdict="ship", sentence="Ship it.", results={"metrics": metrics})
    return row


def test_a_bar_runs_to_its_planned_end_or_to_today_or_to_where_it_stopped() -> None:
    now = timezone.now()
    running = experiment("running", planned_days=14)
    over = experiment("over", started=20, planned_days=14)
    stopped = experiment("stopped", Status.STOPPED)
    planned = experiment("planned", Status.SCHEDULED, started=-2, planned_days=7)
    assert running.started_at and calendar.dates(running, now)[1] == running.started_at + timedelta(days=14)
    assert calendar.dates(over, now)[1] == now
    assert calendar.dates(stopped, now)[1] == stopped.stopped_at
    start = planned.scheduled_for
    assert start and calendar.dates(planned, now) == (start, start + timedelta(days=7))


def test_the_calendar_has_a_picture_per_layer(admin_client: Client, django_assert_max_num_queries: Any) -> None:
    layer = Layer.objects.create(key="ranking", name="Ranking")
    experiment("free")
    experiment("layered", layer=layer)
    experiment("waits", Status.PAUSED)
    experiment("old", Status.STOPPED, 200)
    with django_assert_max_num_queries(12):
        page = admin_client.get("/admin/experiments/experiment/calendar/").content.decode()
    assert "2 experiments running, 1 paused, none scheduled." in page
    assert page.count('class="fl-chart"') == 2 and "Old" not in page
    svg = admin_client.get(f"/admin/experiments/experiment/calendar/layer-{layer.pk}.svg")
    assert svg.status_code == 200 and b"Layered" in svg.content
    assert (
        b"layered,Ranking" in admin_client.get(f"/admin/experiments/experiment/calendar/layer-{layer.pk}.csv").content
    )


def test_an_empty_calendar_says_what_to_do(admin_client: Client) -> None:
    page = admin_client.get("/admin/experiments/experiment/calendar/").content.decode()
    assert "Plan an experiment and start or schedule it" in page


def test_the_map_of_a_layer_knows_past_and_present_owners(admin_client: Client) -> None:
    layer = Layer.objects.create(key="ranking", name="Ranking")
    now = timezone.now()
    base = layer.pk * BUCKETS
    for key, first, end, released in (("now", 0, 2_500, None), ("before", 0, 5_000, now - timedelta(days=6))):
        row = experiment(key, Status.STOPPED if released else Status.RUNNING, 10, layer=layer)
        span = NumericRange(base + first, base + end)
        Claim.objects.create(
            experiment=row, layer=layer, span=span, claimed_at=row.started_at or now, released_at=released
        )
    picture = calendar.allocation(layer, now)
    assert picture and "75 % of the layer is free now" in picture.caption
    held = [(row["experiment"], row["first"], row["end"]) for row in picture.rows]
    assert sorted(held) == [("before", 0, 5_000), ("now", 0, 2_500)]
    page = admin_client.get(f"/admin/experiments/layer/{layer.pk}/change/").content.decode()
    assert "Who holds “Ranking”" in page
    assert admin_client.get(f"/admin/experiments/layer/{layer.pk}/allocation-{layer.pk}.svg").status_code == 200


def test_what_was_shipped_adds_up_and_what_was_not_corrected_is_left_out() -> None:
    shipped("one", (0.05, 0.01, 0.09), (0.03, 0.00, 0.06))
    shipped("two", (0.02, 0.00, 0.04), (0.01, -0.03, 0.05))
    shipped("three", (0.5, 0.4, 0.6), None)
    (total,) = past.totals(past.found("", ""))
    assert (total.name, total.n) == ("Click rate", 2)
    assert total.observed == pytest.approx(0.07)
    assert total.value == pytest.approx(0.04)
    assert total.low == pytest.approx(0.04 - hypot(0.03, 0.04))
    assert total.high == pytest.approx(0.04 + hypot(0.03, 0.04))


def test_two_metrics_of_one_name_are_not_added_up() -> None:
    shipped("one", (0.05, 0.01, 0.09), (0.03, 0.00, 0.06))
    shipped("two", (0.02, 0.00, 0.04), (0.01, -0.03, 0.05), metric="another")
    assert [(total.name, total.n) for total in past.totals(past.found("", ""))] == [("Click rate", 1)] * 2


@pytest.mark.parametrize(("asked", "found"), [("one", 1), ("Rank", 2), ("ranker", 2), ("two ranking", 1), ("no", 0)])
def test_past_tests_are_found_by_words_tags_and_parameters(asked: str, found: int) -> None:
    shipped("one", (0.05, 0.01, 0.09), None)
    shipped("two", (0.05, 0.01, 0.09), None)
    experiment("running")
    assert len(past.found(asked, "")) == found


def test_the_page_of_past_tests_says_how_many_won(admin_client: Client, django_assert_max_num_queries: Any) -> None:
    shipped("one", (0.05, 0.01, 0.09), (0.03, 0.00, 0.06))
    experiment("lost", Status.DECIDED, 20, decision=Decision.REJECTED, decision_note="Slower pages.")
    experiment("same", Status.DECIDED, 20, type="aa", decision=Decision.INCONCLUSIVE)  # had nothing to win
    with django_assert_max_num_queries(12):
        page = admin_client.get("/admin/experiments/experiment/past/").content.decode()
    assert "1 of 2 decided tests shipped, a win rate of 50 %." in page
    assert "Slower pages." in page and 'href="?parameter=ranker"' in page
    only = admin_client.get("/admin/experiments/experiment/past/?parameter=ranker").content.decode()
    assert "Only tests that set" in only and "Slower pages." not in only
    assert admin_client.get("/admin/experiments/experiment/past/shipped.svg").status_code == 200


@pytest.mark.parametrize("page", ["calendar", "past"])
def test_nobody_sees_them_without_permission(client: Client, django_user_model: Any, page: str) -> None:
    user = django_user_model.objects.create_user("nobody", password="correct horse", is_staff=True)
    client.force_login(user)
    assert client.get(f"/admin/experiments/experiment/{page}/").status_code == 403
