"""One look at an experiment: lake -> moments -> reading -> a row that nobody changes."""

import hashlib
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from django.db import transaction

from experiments import reading
from experiments.models import Experiment, ExperimentMetric, Look, Status
from experiments.reading import Plan, PlannedArm, PlannedMetric
from firstlight.kernel.windows import Window
from firstlight.lake import engine, table
from firstlight.metrics import read
from firstlight.metrics.definitions import Definition
from firstlight.metrics.read import Exposures, Measured
from firstlight.postgres import locks


class UnableToLook(Exception):
    """Why there is nothing to analyse, in words for the PM."""


@dataclass(frozen=True, slots=True)
class Basis:
    """What a look rests on. The same basis gives the same numbers, so it is not looked at twice."""

    batch: int  # last one read from the lake
    status: str
    phase: int
    plan: str  # digest of metrics, arms, margins, confidence

    def stored(self) -> dict[str, Any]:
        return {"batch": self.batch, "status": self.status, "phase": self.phase, "plan": self.plan}


def look(experiment_id: int, *, at: datetime) -> Look:
    """The newest look at what the lake holds now; a new one when that, the experiment or its plan has changed.

    Raises `Experiment.DoesNotExist`, and `UnableToLook` for one that never started.
    """
    experiment = Experiment.objects.get(pk=experiment_id)
    definitions = _definitions(experiment)
    exposures = exposures_of(experiment, definitions, at=at)
    plan = plan_of(experiment, exposures.window)
    digest = _digest(plan, definitions, exposures.scenarios)
    basis = Basis(table.latest_batch(), experiment.status, experiment.phase, digest)
    last = experiment.looks.first()
    if last and last.results.get("basis") == basis.stored():
        return last
    measured = _measure(definitions, exposures, basis.batch)
    results = reading.read(plan, measured.units, measured.mixed_units, measured.by_day, at=at)
    return _store(experiment, {**results, "sql": measured.sql, "basis": basis.stored()}, basis, _until(exposures))


def exposures_of(experiment: Experiment, definitions: list[Definition], *, at: datetime) -> Exposures:
    """Whose events count. Of a stopped experiment nobody is exposed any more, but what was begun may be finished."""
    if experiment.started_at is None:
        raise UnableToLook(f"“{experiment.key}” has not started yet.")
    end = min(at, experiment.stopped_at or at)
    return Exposures(
        experiment=experiment.key,
        phase=experiment.phase,
        unit=experiment.unit,
        arms=tuple(arm.key for arm in experiment.arms.order_by("position")),
        scenarios=tuple(experiment.scenarios.order_by("key").values_list("key", flat=True)),
        window=Window(experiment.started_at, max(end, experiment.started_at)),
        until=max(min(at, closes_at(experiment, definitions) or at), experiment.started_at),
    )


def plan_of(experiment: Experiment, window: Window) -> Plan:
    """What was planned before the start, as the reading takes it. Of an experiment that has started."""
    assert experiment.started_at is not None
    measured = experiment.measured.select_related("metric").order_by("pk")
    return Plan(
        arms=tuple(PlannedArm(arm.key, str(arm), float(arm.weight)) for arm in experiment.arms.order_by("position")),
        metrics=tuple(_planned(one) for one in measured),
        confidence=float(experiment.confidence),
        started_at=experiment.started_at,
        planned_days=experiment.planned_days,
        unit=experiment.unit,
        window=window,
        stopped_at=experiment.stopped_at,
    )


def _planned(one: ExperimentMetric) -> PlannedMetric:
    metric = one.metric
    values: dict[str, Any] = {"role": one.role, "kind": metric.kind, "direction": metric.direction}
    return PlannedMetric(
        key=metric.key, name=metric.name, objective=metric.objective, margin=float(one.margin), **values
    )


def closes_at(experiment: Experiment, definitions: list[Definition]) -> datetime | None:
    """When the last attribution window of a stopped experiment closes; None while it runs."""
    if experiment.status != Status.STOPPED or experiment.stopped_at is None:
        return None
    return experiment.stopped_at + timedelta(hours=max((one.window_hours or 0 for one in definitions), default=0))


def is_open(experiment: Experiment) -> bool:
    """Whether it runs, or was last looked at before its attribution windows had closed."""
    last, end = experiment.looks.first(), closes_at(experiment, _definitions(experiment))
    return end is None or last is None or last.until < end


def _definitions(experiment: Experiment) -> list[Definition]:
    return [Definition.of(one.metric) for one in experiment.measured.select_related("metric").order_by("pk")]


def _digest(plan: Plan, definitions: list[Definition], scenarios: tuple[str, ...]) -> str:
    """Of all that was planned; not of the clock, for a window that grows with it is no change of plan."""
    timeless = replace(plan, window=Window(plan.started_at, plan.started_at))
    return hashlib.sha256(repr((timeless, definitions, scenarios)).encode()).hexdigest()


def _measure(definitions: list[Definition], exposures: Exposures, batch: int) -> Measured:
    with engine.events(Window(exposures.window.start, _until(exposures)), until_batch=batch) as events:
        return read.measure(events, definitions, exposures)


def _until(exposures: Exposures) -> datetime:
    return exposures.until or exposures.window.end


def _store(experiment: Experiment, results: dict[str, Any], basis: Basis, until: datetime) -> Look:
    """As the next look, unless somebody looked at the same or further on in the meantime."""
    with transaction.atomic():
        locks.wait_in_transaction("look", str(experiment.pk))
        last = experiment.looks.first()
        if last and (last.results.get("basis") == basis.stored() or last.batch > basis.batch):
            return last
        return experiment.looks.create(
            number=last.number + 1 if last else 1,
            until=until,
            batch=basis.batch,
            verdict=results["verdict"]["kind"],
            sentence=results["verdict"]["sentence"],
            results=results,
        )
