"""The measures of each scenario kept abreast of the lake, day by day, so that a run that is cut short loses nothing."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime, timedelta
from typing import Any

from django.db import transaction
from django.db.models import F, Max

from firstlight.catalog.models import Scenario
from firstlight.lake import engine, table
from firstlight.metrics import scenarios
from firstlight.metrics.models import MeasuredDay, ScenarioMeasure

IDENTITY = ["scenario", "grain", "recall_source", "starts_at"]
MEASURED = [*scenarios.COUNTS, "gross", "net", "measured_at"]


def catch_up(*, at: datetime) -> int:
    """Measure every day that the lake has changed since, newest first; returns how many days."""
    batch = table.latest_batch()
    note(batch)
    behind = MeasuredDay.objects.filter(measured__lt=F("touched")).order_by("-day").values_list("day", flat=True)
    days = list(behind)
    for day in days:
        measure_day(day, batch, at=at)
    return len(days)


def note(batch: int) -> None:
    """Write down which days the batches since the last note may have changed."""
    since = MeasuredDay.objects.aggregate(last=Max("touched"))["last"] or 0
    if batch > since:
        held, touched = _days(since)
        rows = [MeasuredDay(day=day, touched=batch) for day in sorted(affected(touched) & held)]
        MeasuredDay.objects.bulk_create(rows, update_conflicts=True, unique_fields=["day"], update_fields=["touched"])


def affected(touched: Iterable[date]) -> set[date]:
    """Late events change who returns for seven days, and a click the impressions of the day before."""
    return {day + timedelta(days=n) for day in touched for n in range(-1, 8)}


def measure_day(day: date, batch: int, *, at: datetime) -> None:
    """All measures of the day from the lake as of `batch`, in place of those that stand."""
    with engine.events(scenarios.reach(day), until_batch=batch) as events:
        found = scenarios.measure(events, day)
    with transaction.atomic():
        store(day, found, at=at)
        MeasuredDay.objects.filter(day=day, measured__lt=batch).update(measured=batch)


def store(day: date, found: Sequence[Mapping[str, Any]], *, at: datetime) -> None:
    """Upsert, and take away what the day no longer has: an order can move to another scenario by a late click.

    Scenarios that the catalogue does not know are left out.
    """
    known = Scenario.objects.in_bulk(field_name="key")
    rows = [
        ScenarioMeasure(**{**row, "scenario": known[row["scenario"]], "measured_at": at})
        for row in found
        if row["scenario"] in known
    ]
    kept = ScenarioMeasure.objects.bulk_create(
        rows, batch_size=5_000, update_conflicts=True, unique_fields=IDENTITY, update_fields=MEASURED
    )
    span = scenarios.span(day)
    stands = ScenarioMeasure.objects.filter(starts_at__gte=span.start, starts_at__lt=span.end)
    stands.exclude(pk__in=[row.pk for row in kept]).delete()


def _days(since: int) -> tuple[set[date], set[date]]:
    """Days the lake holds, and those that batches after `since` brought events of, both from the Delta log alone."""
    lake = table.opened()
    files = lake.get_add_actions(flatten=True) if lake else None
    held: set[date] = set()
    touched: set[date] = set()
    for file in _rows(files):
        held.add(file["partition.day"])
        newest = file.get("max.batch")
        if newest is None or newest > since:  # a file without statistics may hold anything
            touched.add(file["partition.day"])
    return held, touched


def _rows(files: Any) -> list[dict[str, Any]]:
    import pyarrow as pa

    return [] if files is None else pa.table(files).select(["partition.day", "max.batch"]).to_pylist()
