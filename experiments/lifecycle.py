"""Start and stop an experiment: draft -> running -> stopped."""

from collections.abc import Iterator
from datetime import datetime
from decimal import Decimal

from django.db import IntegrityError, transaction
from django.db.backends.postgresql.psycopg_any import NumericRange

from experiments.models import BUCKETS, Arm, Claim, Experiment, MetricRole, Status, Unit
from firstlight.accounts import audit
from firstlight.postgres import locks

INTERESTS = {"user", "merchant", "platform"}
WEIGHTS = "its own objective weights"  # an arm's weights conflict as a parameter does
MOST_ARMS = 100


class UnableToStart(Exception):
    """Everything that is in the way, in words for the PM."""


class UnableToStop(Exception):
    """Why not, in words for the PM."""


@transaction.atomic
def start(experiment_id: int, *, actor: str, at: datetime) -> Experiment:
    """Let units in from `at` on. Raises `UnableToStart`, `Experiment.DoesNotExist`."""
    locks.wait_in_transaction("experiments")  # two that start at once must see each other's parameters
    experiment = Experiment.objects.select_for_update().get(pk=experiment_id)
    if experiment.status != Status.DRAFT:
        raise UnableToStart(_not_a_draft(experiment))
    if faults := [*_faults(experiment)] or [*_conflicts(experiment)]:
        raise UnableToStart(" ".join(faults))
    _claim(experiment, at)
    before = audit.state(experiment)
    experiment.status, experiment.started_at = Status.RUNNING, at
    experiment.save(update_fields=["status", "started_at"])
    audit.record(actor, "started", "experiment", experiment.key, before=before, after=audit.state(experiment))
    return experiment


@transaction.atomic
def stop(experiment_id: int, *, actor: str, at: datetime) -> Experiment:
    """Let nobody in from `at` on and free the buckets. Raises `UnableToStop`, `Experiment.DoesNotExist`."""
    experiment = Experiment.objects.select_for_update().get(pk=experiment_id)
    if experiment.status != Status.RUNNING:
        raise UnableToStop(f"“{experiment.key}” is not running, it is {_state(experiment)}.")
    if experiment.started_at and at < experiment.started_at:
        raise UnableToStop(
            f"“{experiment.key}” started later than that, on {experiment.started_at:%d %B %Y, %H:%M %Z}."
        )
    before = audit.state(experiment)
    experiment.claims.filter(released_at=None).update(released_at=at)
    experiment.status, experiment.stopped_at = Status.STOPPED, at
    experiment.save(update_fields=["status", "stopped_at"])
    audit.record(actor, "stopped", "experiment", experiment.key, before=before, after=audit.state(experiment))
    return experiment


def _not_a_draft(experiment: Experiment) -> str:
    if experiment.status == Status.RUNNING:
        return f"“{experiment.key}” is already running."
    return f"“{experiment.key}” has been stopped. Its result stands; make a new experiment to try again."


def _state(experiment: Experiment) -> str:
    return "a draft" if experiment.status == Status.DRAFT else "already stopped"


def _faults(experiment: Experiment) -> Iterator[str]:
    """What is wrong with it by itself."""
    arms = list(experiment.arms.order_by("position"))
    if len(arms) < 2:
        yield "It needs at least two arms: the control and what is tried." if arms else "It has no arms."
    elif (total := sum((arm.weight for arm in arms), Decimal(0))) != 1:
        yield f"The weights of its arms sum to {total.normalize():f}, not to 1."
    if len(arms) > MOST_ARMS:
        yield f"It has {len(arms)} arms; {MOST_ARMS} are the most."
    yield from (f"The arm “{arm.key}” has no share of the units." for arm in arms if arm.weight <= 0)
    yield from (fault for arm in arms for fault in _faults_of(arm))
    if not experiment.measured.filter(role=MetricRole.PRIMARY).exists():
        yield "It has no goal: choose a primary metric."
    if not experiment.scenarios.exists():
        yield "It runs in no scenario."
    if experiment.coverage <= 0:
        yield "Its coverage is 0: nobody would take part."
    if experiment.unit in {Unit.ITEM, Unit.MERCHANT}:
        yield f"It cannot split by {experiment.unit.removesuffix('_id')}: one answer to a user shows many of them."


def _faults_of(arm: Arm) -> Iterator[str]:
    if not isinstance(arm.parameters, dict):
        yield f"The parameters of the arm “{arm.key}” are not names with values."
    weights = arm.objective_weights
    if weights is None:
        return
    if not isinstance(weights, dict) or set(weights) != INTERESTS:
        yield f"The objective weights of the arm “{arm.key}” must name exactly user, merchant and platform."
    elif not all(_is_share(weight) for weight in weights.values()):
        yield f"The objective weights of the arm “{arm.key}” must be numbers from 0 to 1."
    elif abs(sum(weights.values()) - 1) > 1e-9:
        yield f"The objective weights of the arm “{arm.key}” sum to {sum(weights.values()):g}, not to 1."


def _is_share(weight: object) -> bool:
    return isinstance(weight, int | float) and not isinstance(weight, bool) and 0 <= weight <= 1


def _conflicts(experiment: Experiment) -> Iterator[str]:
    """With what runs already. A parameter belongs to one layer, for there its experiments exclude each other."""
    running = Experiment.objects.filter(status=Status.RUNNING).exclude(pk=experiment.pk)
    for other in running.select_related("layer").prefetch_related("arms").order_by("key"):
        if experiment.layer_id is not None and other.layer_id == experiment.layer_id:
            if other.unit != experiment.unit:
                yield (
                    f"“{other.key}” splits the layer “{other.layer}” by {other.unit.removesuffix('_id')}, "
                    f"so this one cannot split it by {experiment.unit.removesuffix('_id')}: they would overlap."
                )
        elif (both := _sets(experiment) & _sets(other)) and _meet(experiment, other):
            named = ", ".join(sorted(both))
            yield f"“{other.key}” runs in the same scenario and sets {named} too: put both into one layer."


def _sets(experiment: Experiment) -> set[str]:
    """Names of the parameters that its arms set."""
    arms = list(experiment.arms.all())
    own = {WEIGHTS} if any(arm.objective_weights is not None for arm in arms) else set()
    return own | {f"“{name}”" for arm in arms for name in arm.parameters}


def _meet(one: Experiment, other: Experiment) -> bool:
    return one.scenarios.filter(pk__in=other.scenarios.values("pk")).exists()


def _claim(experiment: Experiment, at: datetime) -> None:
    """Take its buckets of the layer; the database refuses what somebody holds."""
    if experiment.layer is None:
        return
    base = experiment.layer.pk * BUCKETS
    span = NumericRange(base + experiment.first_bucket, base + experiment.end_bucket)
    try:
        with transaction.atomic():
            Claim.objects.create(experiment=experiment, layer=experiment.layer, span=span, claimed_at=at)
    except IntegrityError as error:
        holders = Experiment.objects.filter(claims__released_at=None, claims__span__overlap=span).order_by(
            "first_bucket"
        )
        held = ", ".join(f"“{one.key}” ({one.first_bucket:,} to {one.end_bucket:,})" for one in holders)
        wanted = f"{experiment.first_bucket:,} to {experiment.end_bucket:,}"
        raise UnableToStart(f"The buckets {wanted} of the layer “{experiment.layer}” are held by {held}.") from error
