"""A shop with people, a plan and findings, for tests of what people see."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import numpy as np
from django.contrib.auth.models import Group
from django.utils import timezone

from bandits.models import Campaign, Posterior
from experiments.asking import definitions_of
from experiments.models import Arm, Experiment, ExperimentMetric, Look, Status
from experiments.reading import Given, Plan, read
from firstlight.accounts.models import User
from firstlight.catalog.models import Item, Scenario
from firstlight.kernel.moments import Moments
from firstlight.kernel.windows import Window
from firstlight.metrics.models import Grain, Metric, ScenarioMeasure
from firstlight.metrics.read import Cells

HOSTILE = "</script><img src=x onerror=alert(1)>"


def person(role: str, *, password: str = "correct horse battery") -> User:
    """Staff in that role; `everything` is no role but a superuser."""
    name = role.replace(" ", "-")
    user = User.objects.create_user(name, password=password, is_staff=True, is_superuser=role == "everything")
    user.groups.set(Group.objects.filter(name=role))
    return user


def scenario(key: str = "home_feed", name: str = "Home feed") -> Scenario:
    return Scenario.objects.get_or_create(key=key, defaults={"name": name})[0]


def metric(key: str, name: str, kind: str, numerator: str, **more: Any) -> Metric:
    made = {"name": name, "kind": kind, "numerator_event": numerator, **more}
    return Metric.objects.update_or_create(key=key, defaults=made)[0]


def experiment(key: str = "ranker", name: str = "New ranker", *, status: str = Status.RUNNING) -> Experiment:
    """Two arms, a goal and a guardrail; begun nine days ago unless it is a draft."""
    started = None if status == Status.DRAFT else timezone.now() - timedelta(days=9)
    stopped = timezone.now() if status == Status.STOPPED else None
    made = Experiment.objects.create(key=key, name=name, status=status, started_at=started, stopped_at=stopped)
    made.scenarios.add(scenario())
    for position, arm in enumerate(("control", "din")):
        Arm.objects.create(
            experiment=made, position=position, key=arm, weight=Decimal("0.5"), parameters={"ranker": arm}
        )
    goal = metric(
        "shop-click-rate", name=f"Click rate of {name}", kind="ratio", numerator="click", denominator_event="impression"
    )
    kept = metric("shop-refunds", "Refunded", "mean", "refund", direction="decrease")
    ExperimentMetric.objects.create(experiment=made, metric=goal)
    ExperimentMetric.objects.create(experiment=made, metric=kept, role="guardrail", margin=Decimal("0.05"))
    return made


def look(of: Experiment, *, lift: float = 0.2, seed: int = 5) -> Look:
    """Findings of made-up moments, read and judged by the real thing."""
    assert of.started_at is not None
    rng, at = np.random.default_rng(seed), timezone.now()
    by_day: dict[str, dict[Any, Moments]] = {one.metric.key: {} for one in of.measured.select_related("metric")}
    for effect, arm in enumerate(of.arms.all()):
        for day in range(9):
            where = (arm.key, (of.started_at + timedelta(days=day)).astimezone(UTC).date())
            views = rng.poisson(5, 800) + 1
            clicks = rng.binomial(views, 0.1 * (1 + lift * effect))
            drawn = {"shop-click-rate": np.column_stack([clicks, views]), "shop-refunds": rng.gamma(5, 10, 800)}
            for key, days in by_day.items():
                days[where] = Moments.of(drawn[key].astype(float))
    plan = Plan.of(of, Window(of.started_at, at), definitions_of(of))
    cells = {
        key: Cells(("value", "denominator") if "rate" in key else ("value",), days) for key, days in by_day.items()
    }
    given = Given({a.key: 7_200 for a in of.arms.all()}, 3, cells)
    results = {**read(plan, given, at=at), "sql": "SELECT 1 -- <b>"}
    found = results["verdict"]
    return Look.objects.create(
        experiment=of,
        number=of.looks.count() + 1,
        until=at,
        batch=1,
        verdict=found["kind"],
        sentence=found["sentence"],
        results=results,
    )


def campaign(key: str = "new", name: str = "New arrivals", *, status: str = Status.RUNNING) -> Campaign:
    started = None if status == Status.DRAFT else timezone.now() - timedelta(days=4)
    return Campaign.objects.create(
        key=key, name=name, scenario=scenario(), positions=[3, 8], status=status, started_at=started
    )


def posteriors(of: Campaign, *, n: int = 3, title: str = "Linen dress") -> None:
    """The first item is clearly the best; each step shows every item more often."""
    keys = [f"sku-{i}" for i in range(12)]
    Item.objects.bulk_create([Item(key=key, title=f"{title} {key}") for key in keys])
    for number in range(1, n + 1):
        trials = [float(400 * number)] * len(keys)
        Posterior.objects.create(
            campaign=of,
            number=number,
            batch=number,
            prior_a=1.0,
            prior_b=50.0,
            items=keys,
            trials=trials,
            successes=[40.0 * number] + [4.0 * number] * (len(keys) - 1),
        )


def measures(of: Scenario, *, days: int = 5) -> None:
    """1,000 impressions and 40 clicks a day from two recall sources, and two orders."""
    for day in range(days):
        for source, share in (("", 1.0), ("i2i", 0.7), ("hot", 0.3)):
            ScenarioMeasure.objects.create(
                scenario=of,
                grain=Grain.DAY,
                starts_at=datetime(2026, 11, 1 + day, tzinfo=UTC),
                recall_source=source,
                impressions=int(1000 * share),
                clicks=int(50 * share),
                clicked_impressions=int(40 * share),
                carts=5,
                orders=2,
                units=100,
                buyers=2,
                returning_units=40,
                gross={"INR": "120.00"},
                net={"INR": "100.50"},
                measured_at=timezone.now(),
            )
