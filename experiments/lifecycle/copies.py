"""A new draft from an old plan: of one that ran, to try again, or of a template."""

from datetime import datetime

from django.core.exceptions import ValidationError
from django.db import transaction

from experiments.lifecycle.states import UnableToCopy
from experiments.models import Arm, Experiment, ExperimentMetric, FurtherLayer, Prerequisite, RampStage
from firstlight.accounts import audit
from firstlight.accounts.models import User
from firstlight.catalog.models import key_validator

PLAN = (
    *("type", "hypothesis", "tags", "links", "unit", "cluster", "switch_hours", "burn_in_minutes", "layer"),
    *("first_bucket", "end_bucket", "targeting", "coverage", "confidence", "analysis", "spending", "correction"),
    *("prior", "prior_mean", "prior_sd", "cuped", "pre_days", "slices", "planned_days", "planned_units", "holdback"),
    *("sticky", "fallback"),
)
LINES = {  # rows that belong to the plan, with what of them is planned
    Arm: ("position", "key", "name", "weight", "parameters", "objective_weights"),
    ExperimentMetric: ("metric", "role", "margin"),
    FurtherLayer: ("layer", "first_bucket", "end_bucket"),
    Prerequisite: ("required", "arms"),
    RampStage: ("position", "coverage", "hold_hours", "least_units"),
}


@transaction.atomic
def copy(
    experiment_id: int, *, actor: str, at: datetime, key: str, name: str = "", is_template: bool = False
) -> Experiment:
    """The plan alone, as a draft of who copies. Raises `UnableToCopy`, `Experiment.DoesNotExist`."""
    source = Experiment.objects.get(pk=experiment_id)
    _check(key)
    owner = User.objects.filter(username=actor).first() or source.owner
    new = Experiment.objects.create(
        key=key,
        name=name or source.name,
        owner=owner,
        is_template=is_template,
        copied_from=source,
        **{field: getattr(source, field) for field in PLAN},
    )
    new.scenarios.set(source.scenarios.all())
    for model, fields in LINES.items():
        rows = model.objects.filter(experiment=source).order_by("pk")  # type: ignore[attr-defined]
        model.objects.bulk_create(  # type: ignore[attr-defined]
            model(experiment=new, **{field: getattr(row, field) for field in fields}) for row in rows
        )
    audit.record(actor, "created", "experiment", key, before={}, after=audit.state(new, "arms", "measured"))
    return new


def _check(key: str) -> None:
    try:
        key_validator(key)
    except ValidationError as error:
        raise UnableToCopy(f"“{key}” cannot be a key. {error.messages[0]}") from error
    if len(key) > 100:
        raise UnableToCopy("A key has at most 100 characters.")
    if Experiment.objects.filter(key=key).exists():
        raise UnableToCopy(f"“{key}” is there already; choose another key.")
