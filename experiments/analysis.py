"""One look at an experiment: lake -> moments -> reading -> a row that nobody changes."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from django.db import transaction

from experiments import alerts, asking, gathering, history, progress, reading
from experiments.asking import UnableToLook, is_open
from experiments.gathering import Gathered
from experiments.models import Experiment, Look
from experiments.reading import Given, Plan
from firstlight.kernel.windows import Window
from firstlight.lake import table
from firstlight.metrics.definitions import Definition
from firstlight.metrics.read import Exposures
from firstlight.objectives import weights
from firstlight.postgres import locks

__all__ = ["Basis", "UnableToLook", "is_open", "look"]


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
    definitions = asking.definitions_of(experiment)
    exposures = asking.exposures_of(experiment, definitions, at=at)
    plan = Plan.of(experiment, exposures.window, definitions, asking.settled_at(experiment))
    basis = Basis(table.latest_batch(), experiment.status, experiment.phase, _digest(plan, definitions, exposures))
    last = experiment.looks.first()
    if last and last.results.get("basis") == basis.stored():
        return last
    progress.note(experiment_id, "reading the lake")
    gathered = gathering.gather(experiment, definitions, exposures, until_batch=basis.batch)
    progress.note(experiment_id, "comparing arms")
    results = reading.read(plan, _given(experiment, plan, exposures, gathered, last), at=at)
    since = gathered.since.isoformat() if gathered.since else None
    told: dict[str, Any] = {
        "definitions": _stored(definitions),
        "sql": gathered.sql,
        "read_on_from": since,
        "basis": basis.stored(),
    }
    told |= {"dealt_in": exposures.dealt_in, "earlier_units": gathered.earlier_units}
    progress.note(experiment_id, "storing the look")
    return _store(experiment, results | told, basis, exposures.end)


def _digest(plan: Plan, definitions: Sequence[Definition], exposures: Exposures) -> str:
    """Of all that was planned; not of the clock, for a window that grows with it is no change of plan."""
    timeless = replace(plan, window=Window(plan.started_at, plan.started_at), settled_at=None)
    asked: tuple[Any, ...] = (exposures.scenarios, exposures.pre_days, exposures.slices)
    if exposures.testers:
        asked += (exposures.testers,)
    return hashlib.sha256(repr((timeless, definitions, asked)).encode()).hexdigest()


def _given(experiment: Experiment, plan: Plan, exposures: Exposures, gathered: Gathered, last: Look | None) -> Given:
    """With what earlier looks at the same units have spent."""
    before = last.results if last and _is_same(last, plan) else {}
    return Given(
        units=gathered.units,
        mixed_units=gathered.mixed_units,
        metrics=gathered.metrics,
        number=last.number + 1 if last else 1,
        sequence=tuple(before.get("sequence", ())),
        planned_n=before.get("plan", {}).get("planned_n"),
        past=tuple(history.past_of(experiment)),
        growth=gathered.growth,
        credits=gathered.credits,
        site_shares=gathered.site_shares,
        crossed=gathered.crossed,
        other_arms=gathered.other_arms,
        weights=_weights(experiment),
        slices_of_units=frozenset(one.key for one in exposures.slices if one.of == "unit"),
    )


def _weights(experiment: Experiment) -> dict[str, float]:
    """Of users, merchants and the platform: those in force in its scenarios, on average."""
    scenarios = list(experiment.scenarios.all())
    mixes = [weights.in_force(scenario) for scenario in scenarios] or [weights.DEFAULT]
    return {interest: float(sum(mix[interest] for mix in mixes)) / len(mixes) for interest in weights.INTERESTS}


def _is_same(last: Look, plan: Plan) -> bool:
    """A change of phase asks other units, and so does shipping."""
    before = last.results.get("plan", {})
    return (before.get("phase"), before.get("shipped_arm")) == (plan.phase, plan.shipped_arm)


def _stored(definitions: Sequence[Definition]) -> dict[str, Any]:
    """In full: a definition that changes later changes nothing here."""
    return {one.key: {"key": one.key, "version": one.version, **one.stored()} for one in definitions}


def _store(experiment: Experiment, results: dict[str, Any], basis: Basis, until: datetime) -> Look:
    """As the next look, unless somebody looked at the same or further on in the meantime."""
    with transaction.atomic():
        locks.wait_in_transaction("look", str(experiment.pk))
        last = experiment.looks.first()
        if last and (last.results.get("basis") == basis.stored() or last.batch > basis.batch):
            return last
        made = experiment.looks.create(
            number=last.number + 1 if last else 1,
            until=until,
            batch=basis.batch,
            verdict=results["verdict"]["kind"],
            sentence=results["verdict"]["sentence"],
            results=results,
        )
        alerts.after(made)
        return made
