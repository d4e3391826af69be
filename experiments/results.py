"""The page of an experiment's result: sentence, picture, table; every look of the past can be opened."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property
from typing import Any

from django.contrib import admin
from django.db.models import prefetch_related_objects
from django.http import Http404, HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils import timezone

from experiments import comments
from experiments import page as shapes
from experiments.models import Experiment, Look, Progress, Redrawn
from experiments.page import Choice, Json, records
from firstlight.console.pictures import exported
from firstlight.metrics.models import Kind, Metric

LONGEST = timedelta(hours=1)  # an analysis
LISTED = 50  # looks and comments that the page shows


@dataclass(frozen=True)
class Reading:
    """One look and how it is looked at; what page, report and export have in common."""

    experiment: Experiment
    look: Look | None
    choice: Choice

    @classmethod
    def of(cls, request: HttpRequest, experiment: Experiment) -> "Reading":
        prefetch_related_objects([experiment], "arms", "ramp", "phases", "scenarios", "measured__metric")
        asked = request.GET.get("look")
        look = _look(experiment, asked)
        return cls(experiment, look, Choice.of(request.GET, look.number if look and asked is not None else None))

    @cached_property
    def results(self) -> Json:
        assert self.look is not None
        stored = self.look.results
        return shapes.whole(stored, _shares(stored) if shapes.is_old(stored) else frozenset())

    @cached_property
    def sections(self) -> list[shapes.Section]:
        return shapes.sections(self.results, self.choice) if self.look else []

    @cached_property
    def records(self) -> list[shapes.Section]:
        """Plan, course and looks, as the database has them now."""
        experiment = self.experiment
        arms, measured = list(experiment.arms.all()), list(experiment.measured.all())
        looks = list(experiment.looks.order_by("-number").defer("results")[:LISTED])
        return [
            records.plan(experiment, arms, measured),
            records.course(experiment.phases.all(), experiment.ramp.all(), arms),
            *([records.redrawn(self.look, self.results)] if self.look else []),
            *([records.history(looks, self.look)] if looks else []),
        ]

    @property
    def context(self) -> dict[str, Any]:
        """What every form of the page says."""
        known = {
            "experiment": self.experiment,
            "look": self.look,
            "choice": self.choice,
            "decided": records.decided(self.experiment, list(self.experiment.arms.all())),
            "records": self.records,
        }
        return known | (self._found() if self.look else {})

    def _found(self) -> dict[str, Any]:
        assert self.look is not None
        results = self.results
        checks = shapes.health(results)
        return {
            "verdict": results["verdict"],
            "verdict_tone": shapes.verdict_tone(self.look.verdict),
            "health": checks,
            "health_sentence": shapes.health_sentence(checks),
            "figures": shapes.figures(results),
            "sections": [s for s in self.sections if not s.is_missing],
            "missing": [s for s in self.sections if s.is_missing],
            "is_old": shapes.is_old(results),
            "pictures": [picture for section in self.sections for picture in section.pictures],
            "sql": results["sql"],
            "read_on_from": (since := results["read_on_from"]) and datetime.fromisoformat(since),
        }


def page(
    request: HttpRequest, experiment: Experiment, *, may_change: bool, refusal: str = "", said: str = ""
) -> HttpResponse:
    """`refusal`: why what was `said` could not be written down."""
    reading = Reading.of(request, experiment)
    running = _running(experiment, timezone.now())
    context = {
        **admin.site.each_context(request),
        "title": experiment.name,
        "opts": Experiment._meta,
        "object": experiment,
        "may_change": may_change,
        "may_comment": request.user.has_perm("experiments.add_comment"),
        "comments": list(experiment.comments.order_by("-at", "-pk")[:LISTED])[::-1],
        "refusal": refusal,
        "said": said,
        "longest": comments.LONGEST,
        "progress": running,
        "export": reverse("admin:experiments_experiment_results", args=[experiment.pk]),
        "after": _awaited(request, reading, running),
        **reading.context,
    }
    return TemplateResponse(request, "experiments/results.html", context, status=422 if refusal else 200)


def _running(experiment: Experiment, at: datetime) -> Progress | None:
    """The analysis that is under way; one that was asked for long ago has died with its worker."""
    return Progress.objects.filter(experiment=experiment, finished_at=None, asked_at__gt=at - LONGEST).first()


def _awaited(request: HttpRequest, reading: Reading, running: Progress | None) -> int | None:
    """What was `made` before somebody asked for more; None when nobody did."""
    asked = _number(request.GET.get("after"))
    if asked is None and running is not None and reading.choice.look is None:
        return made(reading.experiment)
    return asked


def made(experiment: Experiment) -> int:
    """Looks and checks of looks so far: it has grown when an analysis has brought something."""
    newest = experiment.looks.order_by("-number").values_list("number", flat=True).first() or 0
    return newest + Redrawn.objects.filter(look__experiment=experiment).count()


def export(request: HttpRequest, experiment: Experiment, picture: str, form: str) -> HttpResponse:
    reading = Reading.of(request, experiment)
    found = [p for section in reading.sections for p in section.pictures]
    return exported(found, picture, form, name=experiment.key)


def progress(experiment: Experiment) -> dict[str, Any]:
    """How far the analysis has come, for the bar that asks every other second."""
    found = Progress.objects.filter(experiment=experiment).first()
    if found is None:
        return {"number": made(experiment)}
    return {
        "number": made(experiment),
        "stage": found.stage,
        "share": found.share,
        "finished": found.finished_at is not None,
        "failure": found.failure,
    }


def _shares(results: Json) -> frozenset[str]:
    """Of a look that kept no definitions: metrics whose mean is a share of units, or a ratio of like to like."""
    metrics = Metric.objects.filter(key__in=[m["metric"] for m in results["metrics"]])
    like = (m for m in metrics if m.kind == Kind.RATIO and m.numerator_value == m.denominator_value)
    return frozenset(m.key for m in metrics if m.kind == Kind.PROPORTION) | {m.key for m in like}


def _look(experiment: Experiment, asked: str | None) -> Look | None:
    """The one asked for by number, else the newest; 404 for a number that was never taken."""
    if asked is None:
        return experiment.looks.order_by("-number").first()
    found = experiment.looks.filter(number=_number(asked) or 0).first()
    if found is None:
        raise Http404("There is no such look.")
    return found


def _number(text: str | None) -> int | None:
    """Of an address, where anything may stand; numbers past PostgreSQL's integers name nothing."""
    return int(text) if text and text.isascii() and text.isdigit() and len(text) < 9 else None
