"""Plans that can run, and experiments in any state, for the tests of what may be done with them."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from experiments import lifecycle
from experiments.models import Arm, Experiment, ExperimentMetric, Look, MetricRole, RampStage, Status
from firstlight.accounts.models import User
from firstlight.catalog.models import Scenario
from firstlight.metrics.models import Kind, Metric

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)


def scenario(key: str = "home", **fields: Any) -> Scenario:
    return Scenario.objects.get_or_create(key=key, defaults={"name": key.title(), **fields})[0]


def person(name: str) -> User:
    return User.objects.get_or_create(username=name)[0]


def metric(key: str = "test-clicks") -> Metric:
    made = {"name": key.replace("-", " "), "kind": Kind.MEAN, "numerator_event": "click"}
    return Metric.objects.get_or_create(key=key, defaults=made)[0]


def draft(
    key: str = "ranker", *scenarios: Scenario, parameters: str = "", arms: tuple[str, ...] = (), **fields: Any
) -> Experiment:
    """One that can start: arms of one size that set one parameter, named for the experiment unless told otherwise."""
    experiment = Experiment.objects.create(key=key, name=key, **fields)
    experiment.refresh_from_db()  # as the database has it: decimals
    experiment.scenarios.set(scenarios or [scenario()])
    names = arms or ("control", "new")
    weights = [Decimal(1) - (len(names) - 1) * (each := round(Decimal(1) / len(names), 4)), *[each] * (len(names) - 1)]
    for position, (arm, weight) in enumerate(zip(names, weights, strict=True)):
        set_to = {} if fields.get("type") == "aa" else {parameters or key: arm}
        Arm.objects.create(experiment=experiment, position=position, key=arm, weight=weight, parameters=set_to)
    ExperimentMetric.objects.create(experiment=experiment, metric=metric(), role=MetricRole.PRIMARY)
    return experiment


def ramp(experiment: Experiment, *stages: tuple[str, int, int]) -> None:
    """(coverage, hours to hold, least units) each."""
    for position, (coverage, hours, units) in enumerate(stages):
        RampStage.objects.create(
            experiment=experiment,
            position=position,
            coverage=Decimal(coverage),
            hold_hours=hours,
            least_units=units,
        )


def look(
    experiment: Experiment, until: datetime, *, units: int = 1000, split: bool = True, guardrail: str = "not worse"
) -> Look:
    """What a gate reads of a look."""
    said = {"state": guardrail, "p": 0.01, "sentence": f"{guardrail} than −2.0 %"}
    metrics = [{"metric": "refunds", "name": "Refunds", "estimates": [{"arm": "new", "guardrail": said}]}]
    metrics += [{"metric": "clicks", "name": "Clicks", "estimates": [{"arm": "new", "guardrail": None}]}]
    sentence = "As planned." if split else "The arms got 900 : 100 units."
    health = [{"check": "sample_ratio", "passed": split, "p": 0.5 if split else 1e-9, "sentence": sentence}]
    arms = [{"key": arm, "units": units // 2} for arm in ("control", "new")]
    return Look.objects.create(
        experiment=experiment,
        number=experiment.looks.count() + 1,
        until=until,
        batch=1,
        verdict="keep running",
        sentence="",
        results={"arms": arms, "health": health, "metrics": metrics},
    )


def at_state(status: str, key: str = "ranker", **fields: Any) -> Experiment:
    """In that state, led there by the commands themselves; started at noon where it has started."""
    experiment = draft(key, **fields)
    for command, more in PATHS[Status(status)]:
        getattr(lifecycle, command)(experiment.pk, actor="pm", at=NOON, **more)
    experiment.refresh_from_db()
    assert experiment.status == status
    return experiment


_START: list[tuple[str, dict[str, Any]]] = [("start", {})]
_STOP = [*_START, ("stop", {})]
_DECIDE = [*_STOP, ("decide", {"decision": "rejected", "note": "No lift."})]
PATHS: dict[Status, list[tuple[str, dict[str, Any]]]] = {
    Status.DRAFT: [],
    Status.IN_REVIEW: [("submit", {})],
    Status.SCHEDULED: [("schedule", {"start_at": NOON + DAY})],
    Status.RUNNING: _START,
    Status.PAUSED: [*_START, ("pause", {})],
    Status.STOPPED: _STOP,
    Status.DECIDED: _DECIDE,
    Status.ARCHIVED: [*_DECIDE, ("archive", {})],
}
