"""One look at an experiment: lake -> moments -> reading -> a row that nobody changes."""

import hashlib
import json
from dataclasses import asdict, dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from django.db import transaction

from experiments import history, progress, reading
from experiments.models import Decision, Experiment, Look
from experiments.reading import Cells, Given, Plan
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
    plan = Plan.of(experiment, exposures.window)
    digest = _digest(plan, definitions, exposures.scenarios)
    basis = Basis(table.latest_batch(), experiment.status, experiment.phase, digest)
    last = experiment.looks.first()
    if last and last.results.get("basis") == basis.stored():
        return last
    progress.note(experiment_id, "reading the lake")
    measured = _measure(definitions, exposures, basis.batch)
    progress.note(experiment_id, "comparing arms")
    results = reading.read(plan, _given(experiment, measured, last), at=at)
    told = {"definitions": {one.key: _plain(one) for one in definitions}, "sql": measured.sql, "basis": basis.stored()}
    progress.note(experiment_id, "storing the look")
    return _store(experiment, results | told, basis, _until(exposures))


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


def closes_at(experiment: Experiment, definitions: list[Definition]) -> datetime | None:
    """When the last attribution window closes; None while units still join, or are held back to watch the long run."""
    if experiment.stopped_at is None or is_watched(experiment):
        return None
    return experiment.stopped_at + timedelta(hours=max((one.window_hours or 0 for one in definitions), default=0))


def is_watched(experiment: Experiment) -> bool:
    """Shipped, with some units held back in the control."""
    return experiment.decision == Decision.SHIPPED and experiment.holdback > 0


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


def _given(experiment: Experiment, measured: Measured, last: Look | None) -> Given:
    """With what earlier looks at the same phase have spent."""
    before = last.results if last and last.results.get("plan", {}).get("phase") == experiment.phase else {}
    return Given(
        units=measured.units,
        mixed_units=measured.mixed_units,
        metrics={key: Cells(by_day=days) for key, days in measured.by_day.items()},
        number=last.number + 1 if last else 1,
        sequence=tuple(before.get("sequence", ())),
        planned_n=before.get("plan", {}).get("planned_n"),
        past=tuple(history.past_of(experiment)),
    )


def _plain(definition: Definition) -> Any:
    """As it will be read back: tuples are lists."""
    return json.loads(json.dumps(asdict(definition)))


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
