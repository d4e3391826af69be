"""How a metric was defined, and when. What was measured by an old definition stays as it was found.

An experiment pins the version it started with, so that nothing changes under a running plan.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from django.db import transaction
from django.utils import timezone

from firstlight.metrics.definitions import Definition
from firstlight.metrics.models import Metric, MetricVersion

NOBODY = "system"  # who changed a metric where no person and no key did


def keep(metric: Metric, *, by: str, at: datetime, note: str = "", may_certify: bool = False) -> int:
    """Number of the version that says what the saved metric says; a new one when its definition is new.

    A new definition loses the badge unless who made it may certify: what was vouched for is no longer there.
    """
    with transaction.atomic():
        row = Metric.objects.select_for_update(of=("self",)).get(pk=metric.pk)
        last, now = row.versions.first(), Definition.of(row)
        if last is None or not _says(last, now):
            last = row.versions.create(
                number=last.number + 1 if last else 1, definition=now.stored(), changed_by=by, at=at, note=note
            )
            row.certified = row.certified and (may_certify or last.number == 1)
        row.version = last.number
        row.save(update_fields=["version", "certified"])
    metric.version, metric.certified = row.version, row.certified
    return row.version


def pin(metric: Metric) -> int:
    """Number of the version in force, for who measures by it from now on; `definition` gives it back for ever."""
    return keep(metric, by=NOBODY, at=timezone.now(), note="as it was when an experiment started", may_certify=True)


def definition(metric: Metric, number: int | None) -> Definition:
    """As it was under this number; None: as it stands. Raises `MetricVersion.DoesNotExist`."""
    if number is None:
        return Definition.of(metric)
    return Definition.read(metric.key, number, metric.versions.get(number=number).definition)


def definitions(pinned: Mapping[int, tuple[Metric, int | None]]) -> dict[int, Definition]:
    """Many at once, with one query: by whatever number the caller keeps them under."""
    wanted = {(metric.pk, number) for metric, number in pinned.values() if number is not None}
    rows = MetricVersion.objects.filter(metric__in={pk for pk, _ in wanted}) if wanted else []
    found = {(row.metric_id, row.number): row.definition for row in rows}
    return {
        key: Definition.of(metric) if number is None else Definition.read(metric.key, number, found[metric.pk, number])
        for key, (metric, number) in pinned.items()
    }


def _says(version: MetricVersion, definition: Definition) -> bool:
    """Not by their JSON: an earlier release may have stored more of it, or less."""
    return Definition.read(definition.key, definition.version, version.definition) == definition


def difference(before: Mapping[str, Any], after: Mapping[str, Any]) -> dict[str, tuple[Any, Any]]:
    """Field -> (before, after) of what two stored definitions say differently.

    >>> difference({"window_hours": None, "kind": "mean"}, {"window_hours": 24, "kind": "mean"})
    {'window_hours': (None, 24)}
    """
    names = sorted({*before, *after})
    return {name: (before.get(name), after.get(name)) for name in names if before.get(name) != after.get(name)}
