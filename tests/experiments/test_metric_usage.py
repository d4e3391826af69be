"""What experiments tell the page of a metric, against numbers worked out from the looks by hand."""

from datetime import timedelta
from math import sqrt
from typing import Any

import pytest
from django.test import Client, RequestFactory
from django.urls import reverse
from django.utils import timezone
from scipy.stats import norm

from experiments import metric_usage
from experiments.models import Experiment, Look, Status
from firstlight.kernel.withheld import Withheld
from firstlight.metrics import versions
from firstlight.metrics.models import Metric
from firstlight.metrics.usage import Effects, Sensitivity, Spread, Usage
from tests import shop

pytestmark = pytest.mark.django_db


def asked(key: str = "shop-click-rate", role: str = "analyst") -> Usage | None:
    request: Any = RequestFactory().get("/")
    request.user = shop.person(role)
    return metric_usage.usage(request, Metric.objects.get(key=key))


def told(key: str = "shop-click-rate") -> Usage:
    found = asked(key)
    assert found is not None
    return found


def of(look: Look, key: str = "shop-click-rate") -> Any:
    return next(one for one in look.results["metrics"] if one["metric"] == key)


def end(experiment: Experiment) -> None:
    """As a test that is over; its looks stay."""
    Experiment.objects.filter(pk=experiment.pk).update(status=Status.STOPPED, stopped_at=timezone.now())


def test_a_metric_that_nobody_uses_has_no_numbers() -> None:
    Metric.objects.get_or_create(
        key="shop-click-rate", defaults={"name": "x", "kind": "mean", "numerator_event": "click"}
    )
    found = told()
    assert (found.uses, found.n_uses, found.levels) == ((), 0, ())
    assert all(isinstance(one, Withheld) for one in (found.spread, found.effects, found.sensitivity))


def test_who_may_not_see_experiments_learns_nothing_of_them() -> None:
    shop.look(shop.experiment())
    assert asked(role="nobody") is None


def test_every_test_is_told_with_its_role_and_version() -> None:
    begun, draft = shop.experiment(), shop.experiment("next", "Next", status=Status.DRAFT)
    look = shop.look(begun)
    number = versions.pin(Metric.objects.get(key="shop-refunds"))
    begun.measured.filter(role="guardrail").update(version=number)
    newest, oldest = told("shop-refunds").uses
    assert (newest.name, newest.role, newest.version) == (draft.name, "guardrail", None)
    assert (oldest.name, oldest.version, oldest.sentence) == (begun.name, 1, look.sentence)
    assert (newest.state, oldest.state) == ("draft", look.verdict)


def test_the_spread_is_that_of_the_units_of_the_largest_control() -> None:
    shop.look(shop.experiment("small", "Small"), seed=1)
    large = shop.look(shop.experiment("large", "Large"), seed=2)
    control = of(large, "shop-refunds")["arms"][0]
    spread = told("shop-refunds").spread
    assert isinstance(spread, Spread)
    assert spread.units == control["units"]
    # gamma(5, 10): mean 50, deviation 10 sqrt 5; 7,200 units leave 1 % of error
    assert spread.mean == pytest.approx(50, rel=0.02)
    assert spread.deviation == pytest.approx(10 * sqrt(5), rel=0.04)
    assert spread.relative == pytest.approx(1 / sqrt(5), rel=0.05)


def test_typical_lifts_are_those_of_tests_that_are_over() -> None:
    lifts = []
    for i, lift in enumerate((0.0, 0.3, 0.6)):
        run = shop.experiment(f"test-{i}", f"Test {i}")
        estimate = of(shop.look(run, lift=lift, seed=i))["estimates"][0]
        lifts.append(abs(estimate["lift"]["value"]))
        end(run)
    running = shop.experiment("running", "Running")
    shop.look(running, lift=3.0)
    effects = told().effects
    assert isinstance(effects, Effects)
    assert effects.n == 3
    assert effects.median == sorted(lifts)[1]
    assert effects.n_clear == 2  # nothing differed in the first


def test_an_aa_test_says_nothing_of_lifts() -> None:
    run = shop.experiment(status=Status.DRAFT)
    Experiment.objects.filter(pk=run.pk).update(
        type="aa", status=Status.RUNNING, started_at=timezone.now() - timedelta(days=9)
    )
    run.refresh_from_db()
    shop.look(run)
    end(run)
    assert isinstance(told().effects, Withheld)


def test_sensitivity_is_the_closed_form_for_a_week_of_typical_traffic() -> None:
    look = shop.look(shop.experiment())
    usage = told("shop-refunds")
    found, spread = usage.sensitivity, usage.spread
    assert isinstance(found, Sensitivity)
    assert isinstance(spread, Spread)
    started = look.experiment.started_at
    assert started is not None
    week = 14_400 * 7 / ((look.until - started) / timedelta(days=1))
    assert found.units == pytest.approx(week, rel=1e-6)
    wanted = (norm.ppf(0.975) + norm.ppf(0.8)) * spread.relative * sqrt(2 / (week / 2))
    assert found.lift == pytest.approx(wanted, rel=1e-3)  # normal for t, and the other tail
    assert found.saved == 0


def test_history_has_the_last_look_of_each_day() -> None:
    run = shop.experiment()
    for seed in (1, 2):
        last = shop.look(run, seed=seed)
    shown = told().levels
    assert [(level.at, level.series) for level in shown] == [(last.until.date(), run.name)]
    assert shown[0].value == of(last)["arms"][0]["mean"]


def test_a_look_of_an_earlier_release_is_read_as_far_as_it_goes() -> None:
    run = shop.experiment()
    results: dict[str, list[object]] = {"arms": [], "metrics": []}
    run.looks.create(number=1, until=timezone.now(), batch=1, verdict="end", sentence="Over.", results=results)
    found = told()
    assert found.uses[0].sentence == "Over."
    assert found.levels == ()
    assert isinstance(found.spread, Withheld)


PAGE = "shop-click-rate"


def test_the_page_answers_with_few_queries_however_many_tests_there_are(
    client: Client, django_assert_max_num_queries: Any
) -> None:
    for i in range(8):
        shop.look(shop.experiment(f"test-{i}", f"Test {i}"), seed=i)
    shop.measures(shop.scenario())
    client.force_login(shop.person("viewer"))
    address = reverse("console:metric", args=[PAGE])
    client.get(address)
    with django_assert_max_num_queries(20) as seen:
        text = client.get(address).content.decode()
    few = len(seen)
    for i in range(8, 12):
        shop.look(shop.experiment(f"test-{i}", f"Test {i}"), seed=i)
    with django_assert_max_num_queries(few):
        client.get(address)
    assert text.count('class="fl-named"') == 8
    assert 'data-chart="chart-by-scenario"' in text
    assert 'data-chart="chart-in-tests"' in text
    assert "at 80 % power" in text


def test_the_pictures_are_taken_away(client: Client) -> None:
    shop.look(shop.experiment())
    shop.measures(shop.scenario())
    client.force_login(shop.person("viewer"))
    folder = reverse("console:metric", args=[PAGE])
    lines = client.get(f"{folder}by-scenario.csv").content.decode().splitlines()
    assert lines[0] == "day,series,value"
    assert {line.split(",")[1:][1] for line in lines[1:]} == {"0.05"}  # 50 clicks of 1,000 impressions
    assert client.get(f"{folder}in-tests.png").content[:4] == b"\x89PNG"
    assert client.get(f"{folder}nothing.csv").status_code == 404
