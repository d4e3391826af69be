"""What runs when, per layer: the calendar of experiments and the allocation map of one layer."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import groupby
from typing import Any

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.db.models import Prefetch, Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils import timezone

from experiments.models import BUCKETS, LIVE, Claim, Decision, Experiment, Layer, Status
from firstlight.console import charts, words
from firstlight.console.pictures import Picture, exported

BACK = timedelta(days=90)
NO_LAYER = "Without a layer"
TONES = {
    Status.SCHEDULED: "withheld",
    Status.RUNNING: "neutral",
    Status.PAUSED: "unsettled",
    Status.STOPPED: "withheld",
    Status.DECIDED: "withheld",  # nothing to ship
    Status.ARCHIVED: "withheld",
}


@dataclass(frozen=True, slots=True)
class Row:
    """One experiment of the table below the picture."""

    experiment: Experiment
    address: str
    start: datetime
    end: datetime
    note: str


def page(request: HttpRequest) -> HttpResponse:
    _may_see(request)
    now = timezone.now()
    groups = list(_groups(_near(now), now))
    context = {
        **admin.site.each_context(request),
        "title": "Calendar",
        "opts": Experiment._meta,
        "sentence": sentence([row.experiment for _, rows in groups for row in rows]),
        "groups": [(name, _picture(name, rows, now), rows) for name, rows in groups],
        "pictures": bool(groups),
        "export": reverse("admin:experiments_experiment_calendar"),
    }
    return TemplateResponse(request, "experiments/calendar.html", context)


def export(request: HttpRequest, picture: str, form: str) -> HttpResponse:
    _may_see(request)
    now = timezone.now()
    pictures = [_picture(name, rows, now) for name, rows in _groups(_near(now), now)]
    return exported(pictures, picture, form, name="calendar")


def sentence(experiments: Sequence[Experiment]) -> str:
    running = sum(one.status == Status.RUNNING for one in experiments)
    planned = sum(one.status == Status.SCHEDULED for one in experiments)
    if not experiments:
        return "Nothing ran in the last 90 days, and nothing is planned."
    paused = sum(one.status == Status.PAUSED for one in experiments)
    told = f"{words.plural(running, 'experiment')} running" + (f", {paused} paused" if paused else "")
    return f"{told}, {planned} scheduled." if planned else f"{told}, none scheduled."


def dates(one: Experiment, now: datetime) -> tuple[datetime, datetime]:
    """From when to when it ran, runs as planned, or is going to run."""
    start = one.started_at or one.scheduled_for or now
    planned = start + timedelta(days=one.planned_days)
    return start, one.stopped_at or (max(planned, now) if one.status in LIVE else planned)


def allocation(layer: Layer, now: datetime) -> Picture | None:
    """Who held, holds and is going to hold which buckets of the layer; None when nobody ever did."""
    claims = Claim.objects.filter(layer=layer).filter(Q(released_at=None) | Q(released_at__gte=now - BACK))
    held = [_share(claim, now) for claim in claims.select_related("experiment")]
    if not held:
        return None
    free = BUCKETS - sum(c.end - c.first for c in held if c.until > now >= c.start)
    caption = f"{words.percent(free / BUCKETS)} of the layer is free now. The line is today."
    rows = [{"experiment": one.label, "first": one.first, "end": one.end, "state": one.note} for one in held]
    drawing = charts.shares_over_time(held, now=now, buckets=BUCKETS)
    return Picture(f"allocation-{layer.pk}", f"Who holds “{layer.name}”", drawing, rows, caption)


def _share(claim: Claim, now: datetime) -> charts.Share:
    one = claim.experiment
    start, end = dates(one, now)
    until = claim.released_at or end
    tone = _tone(one) if claim.released_at is None else "withheld"
    note = f"{one.get_status_display()}, buckets {claim.first_bucket:,} to {claim.end_bucket:,}"
    return charts.Share(one.key, note, claim.first_bucket, claim.end_bucket, start, max(until, start), tone)


def _tone(one: Experiment) -> str:
    return "better" if one.decision == Decision.SHIPPED else TONES[Status(one.status)]


def _near(now: datetime) -> QuerySet[Experiment]:
    """What runs, is scheduled, or ran within `BACK`."""
    recent = Q(stopped_at__gte=now - BACK) | Q(status__in=[*LIVE, Status.SCHEDULED])
    rows = Experiment.objects.filter(recent, is_template=False).select_related("layer")
    return rows.prefetch_related(Prefetch("scenarios")).order_by("layer__name", "started_at", "key")


def _groups(rows: Iterable[Experiment], now: datetime) -> Iterator[tuple[str, list[Row]]]:
    for name, several in groupby(rows, key=lambda one: one.layer.name if one.layer else NO_LAYER):
        yield name, [_row(one, now) for one in several]


def _row(one: Experiment, now: datetime) -> Row:
    start, end = dates(one, now)
    if one.status == Status.SCHEDULED:
        note = f"scheduled, {words.plural(one.planned_days, 'day')}"
    elif one.status in LIVE:
        left = start + timedelta(days=one.planned_days) - now
        note = f"{one.status}, {words.duration(left)} left" if left > timedelta(0) else f"{one.status}, plan reached"
    else:
        note = one.decision or one.status
    return Row(one, reverse("admin:experiments_experiment_results", args=[one.pk]), start, end, note)


def _picture(name: str, rows: Sequence[Row], now: datetime) -> Picture:
    stretches = [
        charts.Stretch(row.experiment.name, row.note, row.start, row.end, _tone(row.experiment)) for row in rows
    ]
    table = [
        {"experiment": row.experiment.key, "layer": name, "start": row.start, "end": row.end, "state": row.note}
        for row in rows
    ]
    layer = rows[0].experiment.layer
    key = f"layer-{layer.pk}" if layer else "no-layer"
    return Picture(key, name, charts.timeline(stretches, now=now), table, "Planned time included. The line is today.")


def _may_see(request: HttpRequest) -> None:
    if not request.user.has_perm("experiments.view_experiment"):
        raise PermissionDenied


def settings_of(layer: Layer) -> dict[str, Any]:
    """What the page of a layer shows above its form."""
    picture = allocation(layer, timezone.now())
    folder = reverse("admin:experiments_layer_change", args=[layer.pk]).removesuffix("change/")
    return {"pictures": [picture] if picture else [], "export": folder}
