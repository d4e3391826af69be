"""Who sees an arm because somebody said so: people who try it out, and are never counted."""

from collections.abc import Iterable, Mapping
from datetime import datetime

from django.db import transaction

from experiments.lifecycle import prerequisites
from experiments.lifecycle.rows import opened, written
from experiments.lifecycle.states import UnableToForce
from experiments.models import Experiment
from firstlight.console import words

MOST, LONGEST = 1_000, 200


@transaction.atomic
def force(experiment_id: int, *, actor: str, at: datetime, testers: Mapping[str, str]) -> Experiment:
    """These, {id: arm}, in the place of those there were. Raises `UnableToForce`, `Experiment.DoesNotExist`."""
    experiment = opened(experiment_id, "force", at)
    check(experiment, testers.values())
    if len(testers) > MOST or any(not 0 < len(unit) <= LONGEST for unit in testers):
        raise UnableToForce(f"At most {MOST:,} testers, each by an id of 1 to {LONGEST} characters.")
    return written(experiment, "named testers", actor, testers=dict(testers))


def check(experiment: Experiment, arms: Iterable[str]) -> None:
    """Raises `UnableToForce` where nobody can be put into one of these arms."""
    if not prerequisites.can_force(experiment):
        raise UnableToForce("Only an A/B or A/A test of users, devices or sessions puts single units into an arm.")
    known = list(experiment.arms.order_by("position").values_list("key", flat=True))
    if missing := sorted({*arms} - {*known}):
        raise UnableToForce(f"It has no arm {words.listing(missing)}, but {words.listing(known)}.")
