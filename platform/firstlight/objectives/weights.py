"""Versions of the weights: added, never changed."""

from collections.abc import Mapping
from decimal import Decimal, InvalidOperation

from django.db import transaction
from django.db.models import Max

from firstlight.accounts import audit
from firstlight.accounts.models import User
from firstlight.catalog.models import Scenario
from firstlight.objectives.models import JourneyStage, Weights
from firstlight.postgres.locks import wait_in_transaction

INTERESTS = ("user", "merchant", "platform")
# For a scenario that nobody has weighed yet: the buyer first, for who finds nothing brings neither shop nor seller
# anything; served as source "default", version 0.
DEFAULT = {"user": Decimal("0.6"), "merchant": Decimal("0.15"), "platform": Decimal("0.25")}


class UnableToPublish(Exception):
    """Why these weights cannot be a version, in words."""


def read(weights: Mapping[str, object]) -> dict[str, Decimal]:
    """The three weights, exact; refused unless each is a fraction of at most 3 decimals and together they are 1."""
    if set(weights) != set(INTERESTS):
        raise UnableToPublish("Give the weights user, merchant and platform, and no other.")
    try:
        exact = {interest: Decimal(str(weights[interest])) for interest in INTERESTS}
    except InvalidOperation as error:
        raise UnableToPublish("A weight is a number from 0 to 1.") from error
    if not all(w.is_finite() and 0 <= w <= 1 and w == round(w, 3) for w in exact.values()):
        raise UnableToPublish("A weight is a number from 0 to 1 with at most 3 decimals.")
    if sum(exact.values()) != 1:
        raise UnableToPublish(f"The weights sum to {sum(exact.values())}, not to 1.")
    return exact


@transaction.atomic
def publish_version(scenario: Scenario, stage: str, weights: Mapping[str, object], reason: str, actor: str) -> Weights:
    """The next version for the scenario (stage "") or one journey stage of it. Raises `UnableToPublish`.

    Weights that are in force already make no new version.
    """
    if stage not in ("", *JourneyStage.values):
        raise UnableToPublish(f"There is no journey stage “{stage}”.")
    exact = read(weights)
    wait_in_transaction("weights", scenario.key)  # versions are counted up
    last = Weights.objects.filter(scenario=scenario, stage=stage).first()
    if last and mix(last) == exact:
        return last
    newest = Weights.objects.filter(scenario=scenario).aggregate(newest=Max("version"))["newest"] or 0
    author = User.objects.filter(username=actor).first()
    version = Weights.objects.create(
        scenario=scenario, stage=stage, version=newest + 1, reason=reason, created_by=author, **exact
    )
    before = audit.state(last) if last else {}
    audit.record(actor, "weighed", "scenario", scenario.key, before=before, after=audit.state(version))
    return version


def in_force(scenario: Scenario) -> dict[str, Decimal]:
    """Of the whole scenario, whatever the stage of a visit."""
    newest = Weights.objects.filter(scenario=scenario, stage="").first()
    return mix(newest) if newest else DEFAULT


def mix(version: Weights) -> dict[str, Decimal]:
    return {"user": version.user, "merchant": version.merchant, "platform": version.platform}
