"""The page of an experiment's result: sentence, picture, table; every look of the past can be opened."""

from typing import Any

from django.contrib import admin
from django.http import Http404, HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import reverse

from experiments import page as shapes
from experiments.models import Experiment, Look
from firstlight.console import words
from firstlight.console.pictures import exported
from firstlight.metrics.models import Kind, Metric


def page(request: HttpRequest, experiment: Experiment, *, may_change: bool) -> HttpResponse:
    look = _look(request, experiment)
    context = {
        **admin.site.each_context(request),
        "title": experiment.name,
        "opts": Experiment._meta,
        "experiment": experiment,
        "object": experiment,
        "look": look,
        "looks": list(experiment.looks.order_by("-number").defer("results")[:50]),
        "may_change": may_change,
        "settings": _settings(experiment),
        "export": reverse("admin:experiments_experiment_results", args=[experiment.pk]),
        "query": f"?look={look.number}" if look else "",
        "after": _number(request.GET.get("after")),
        **(_found(look) if look else {}),
    }
    return TemplateResponse(request, "experiments/results.html", context)


def export(request: HttpRequest, experiment: Experiment, picture: str, form: str) -> HttpResponse:
    look = _look(request, experiment)
    return exported(shapes.pictures(look.results) if look else [], picture, form, name=experiment.key)


def _found(look: Look) -> dict[str, Any]:
    results = look.results
    keys = [m["metric"] for m in results["metrics"]]
    return {
        "verdict": results["verdict"],
        "verdict_tone": shapes.verdict_tone(look.verdict),
        "health": results["health"],
        "figures": shapes.figures(results),
        "pictures": shapes.pictures(results),
        "blocks": shapes.table(results, _shares(keys)),
        "control": shapes.arm_name(results, results["control"]),
        "sql": results.get("sql", ""),
    }


def _shares(keys: list[str]) -> frozenset[str]:
    """Metrics whose mean is a percentage: a share of units, or a ratio of like to like."""
    metrics = Metric.objects.filter(key__in=keys)
    like = (m for m in metrics if m.kind == Kind.RATIO and m.numerator_value == m.denominator_value)
    return frozenset(m.key for m in metrics if m.kind == Kind.PROPORTION) | {m.key for m in like}


def _settings(experiment: Experiment) -> list[tuple[str, str]]:
    arms = [
        f"{arm.key} ({words.percent(float(arm.weight))}) {arm.parameters or ''}".strip()
        for arm in experiment.arms.all()
    ]
    layer = (
        f"{experiment.layer}, buckets {experiment.first_bucket} to {experiment.end_bucket - 1}"
        if experiment.layer
        else "overlaps with every other"
    )
    return [
        ("Key", experiment.key),
        ("Hypothesis", experiment.hypothesis or words.BLANK),
        ("Owner", str(experiment.owner or words.BLANK)),
        ("Scenarios", words.listing([s.name for s in experiment.scenarios.all()]) or words.BLANK),
        ("Unit", experiment.get_unit_display()),
        ("Takes part", words.percent(float(experiment.coverage))),
        ("Layer", layer),
        ("Arms", "; ".join(arms) or words.BLANK),
        ("Confidence", words.percent(float(experiment.confidence))),
        ("Plan", words.plural(experiment.planned_days, "day")),
        ("Started", f"{experiment.started_at:%-d %B %Y, %H:%M} UTC" if experiment.started_at else "not yet"),
        ("Stopped", f"{experiment.stopped_at:%-d %B %Y, %H:%M} UTC" if experiment.stopped_at else words.BLANK),
    ]


def _look(request: HttpRequest, experiment: Experiment) -> Look | None:
    """The one asked for by number, else the newest; 404 for a number that was never taken."""
    number = request.GET.get("look")
    if number is None:
        return experiment.looks.order_by("-number").first()
    found = experiment.looks.filter(number=_number(number) or 0).first()
    if found is None:
        raise Http404("There is no such look.")
    return found


def _number(text: str | None) -> int | None:
    """Of an address, where anything may stand; numbers past PostgreSQL's integers name nothing."""
    return int(text) if text and text.isascii() and text.isdigit() and len(text) < 9 else None
