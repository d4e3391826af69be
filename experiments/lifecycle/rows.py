"""One command at a time on an experiment's row, and the trail of what it changed."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from experiments.lifecycle.states import COMMANDS, refusal
from experiments.models import LIVE, Experiment
from firstlight.accounts import audit
from firstlight.postgres import locks


def opened(experiment_id: int, command: str, at: datetime) -> Experiment:
    """Its row, locked to the end of the transaction, in a state from which the command leads on.

    Raises the refusal of the command, and `Experiment.DoesNotExist`.
    """
    locks.wait_in_transaction("experiments")  # two that start at once must see each other's parameters
    rows = Experiment.objects.select_for_update(of=("self",)).select_related("owner", "layer")
    experiment = rows.get(pk=experiment_id)
    wanted = COMMANDS[command]
    if experiment.status not in wanted.sources:
        raise refusal(experiment, wanted)
    if experiment.status in LIVE and experiment.started_at and at < experiment.started_at:
        started = f"{experiment.started_at:%d %B %Y, %H:%M %Z}"
        raise wanted.refusal(f"“{experiment.key}” started later than that, on {started}.")
    return experiment


def written(
    experiment: Experiment, action: str, actor: str, *, told: Mapping[str, Any] | None = None, **fields: Any
) -> Experiment:
    """With these fields, stored and in the trail; `told` is what the trail keeps besides, by name."""
    before = audit.state(experiment)
    for name, value in fields.items():
        setattr(experiment, name, value)
    experiment.save(update_fields=list(fields))
    after = {**audit.state(experiment), **(told or {})}
    audit.record(actor, action, "experiment", experiment.key, before=before, after=after)
    return experiment
