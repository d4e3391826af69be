"""Who holds which buckets of a layer: now, in the past, and by plan. The database itself refuses an overlap."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from django.db import IntegrityError, transaction
from django.db.backends.postgresql.psycopg_any import NumericRange

from experiments.models import BUCKETS, Claim, Experiment, FurtherLayer, Layer, Status
from firstlight.console import words


class AlreadyHeld(Exception):
    """Which buckets somebody else holds, in words for the PM."""


@dataclass(frozen=True, slots=True)
class Share:
    """Buckets of one layer, `first` included, `end` not."""

    layer: Layer
    first: int
    end: int

    @property
    def span(self) -> NumericRange:
        base = self.layer.pk * BUCKETS
        return NumericRange(base + self.first, base + self.end)

    def __str__(self) -> str:
        return f"{self.first:,} to {self.end:,}"


def shares(experiment: Experiment) -> list[Share]:
    """What its plan asks for, of every layer that it names; none for one that overlaps with all."""
    own = [Share(experiment.layer, experiment.first_bucket, experiment.end_bucket)] if experiment.layer else []
    further = experiment.further_layers.select_related("layer").order_by("layer__key")
    return own + [Share(one.layer, one.first_bucket, one.end_bucket) for one in further]


def faults(experiment: Experiment) -> Iterator[str]:
    """What of it others hold."""
    for share in shares(experiment):
        held = Claim.objects.filter(released_at=None, span__overlap=share.span).exclude(experiment=experiment)
        if holders := [_holder(claim) for claim in held.select_related("experiment").order_by("span")]:
            yield f"The buckets {share} of the layer “{share.layer}” are held by {words.listing(holders)}."


def take(experiment: Experiment, at: datetime) -> None:
    """Hold all of it from `at` on; what it holds already it keeps. Raises `AlreadyHeld`, and then holds no more."""
    kept = {(claim.span.lower, claim.span.upper) for claim in experiment.claims.filter(released_at=None)}
    missing = [one for one in shares(experiment) if (one.span.lower, one.span.upper) not in kept]
    rows = [Claim(experiment=experiment, layer=one.layer, span=one.span, claimed_at=at) for one in missing]
    try:
        with transaction.atomic():
            Claim.objects.bulk_create(rows)
    except IntegrityError as error:
        raise AlreadyHeld(" ".join(faults(experiment))) from error


def release(experiment: Experiment, at: datetime) -> None:
    experiment.claims.filter(released_at=None).update(released_at=at)


def _holder(claim: Claim) -> str:
    return f"“{claim.experiment.key}” ({claim.first_bucket:,} to {claim.end_bucket:,})"


class Held(StrEnum):
    PAST = "past"
    NOW = "now"
    PLANNED = "planned"


@dataclass(frozen=True, slots=True)
class Holding:
    """One bar of a layer's map."""

    first: int
    end: int
    experiment: str  # key
    name: str
    status: str
    held: Held
    since: datetime | None  # None: planned, from nobody knows when
    until: datetime | None  # None: not released yet


def holdings(layer: Layer) -> list[Holding]:
    """The whole allocation map of a layer: past, now, and what drafts ask for; each by time, then by bucket."""
    claims = Claim.objects.filter(layer=layer).select_related("experiment").order_by("claimed_at", "span")
    return [*map(_claimed, claims), *_planned(layer)]


def _claimed(claim: Claim) -> Holding:
    of = claim.experiment
    held = Held.NOW if claim.released_at is None else Held.PAST
    return Holding(
        claim.first_bucket, claim.end_bucket, of.key, of.name, of.status, held, claim.claimed_at, claim.released_at
    )


def _planned(layer: Layer) -> list[Holding]:
    """Of those that hold nothing yet; a scheduled one holds its claim."""
    waiting = Experiment.objects.filter(status__in=[Status.DRAFT, Status.IN_REVIEW], is_template=False)
    own = [(one.first_bucket, one.end_bucket, one) for one in waiting.filter(layer=layer)]
    named = FurtherLayer.objects.filter(layer=layer, experiment__in=waiting).select_related("experiment")
    every = own + [(one.first_bucket, one.end_bucket, one.experiment) for one in named]
    bars = [Holding(first, end, of.key, of.name, of.status, Held.PLANNED, None, None) for first, end, of in every]
    return sorted(bars, key=lambda bar: (bar.first, bar.experiment))
