"""What the first page says about experiments."""

from django.http import HttpRequest
from django.urls import reverse

from experiments.admin import STATUS_TONES, time_left
from experiments.models import Experiment, Look, Status
from experiments.page import n_units, verdict_tone
from firstlight.console import words
from firstlight.console.dashboard import Entry, Panel
from firstlight.console.dashboard import Step as FirstStep
from firstlight.console.navigation import may_see

SHOWN = 8


def panel(request: HttpRequest) -> Panel | None:
    if not may_see(request, "experiments.experiment"):
        return None
    rows = Experiment.objects.exclude(status=Status.DRAFT).order_by("status", "-started_at")[:SHOWN]
    add = reverse("admin:experiments_experiment_add") if request.user.has_perm("experiments.add_experiment") else ""
    return Panel(
        "Experiments",
        link=reverse("admin:experiments_experiment_changelist"),
        entries=[_entry(row) for row in rows],
        empty="No experiment has been started yet.",
        steps=[FirstStep("Run an experiment", "two arms, one goal, one scenario", add, bool(rows))],
    )


def _entry(row: Experiment) -> Entry:
    look = row.looks.order_by("-number").first()
    return Entry(
        row.name,
        reverse("admin:experiments_experiment_results", args=[row.pk]),
        look.verdict if look else row.status,
        verdict_tone(look.verdict) if look else STATUS_TONES[Status(row.status)],
        look.sentence if look else "No analysis yet; workers look every hour.",
        _figures(row, look),
    )


def _figures(row: Experiment, look: Look | None) -> list[tuple[str, str]]:
    units = [("units", words.count(n_units(look.results["arms"])))] if look else []
    return [*units, ("", time_left(row))]
