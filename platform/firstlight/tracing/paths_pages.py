"""The page of a scenario's paths."""

from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any, cast
from urllib.parse import urlencode

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils import timezone

from experiments.models import Experiment
from firstlight.catalog.models import Scenario
from firstlight.console.navigation import may_see
from firstlight.console.pictures import exported
from firstlight.console.sections import Section
from firstlight.kernel.windows import Window
from firstlight.tracing import asking, paths, paths_rooms
from firstlight.tracing.asking import SPLIT, Asked, Found, Refused
from firstlight.tracing.paths import By

DAYS = (1, 7, 14, 31)
BY_NAMES = {"recall_source": "Recall source", "ranker": "Ranker", "both": "Both"}
MOST_EXPERIMENTS = 50  # to choose from, the newest


@dataclass(frozen=True, slots=True)
class View:
    """What the reader asked to see."""

    by: By = "recall_source"
    days: int = 7
    experiment: str = ""

    @classmethod
    def of(cls, request: HttpRequest) -> "View":
        by, days = request.GET.get("by", ""), request.GET.get("days", "")
        return cls(
            by if by in paths.BY else "recall_source",
            int(days) if days in map(str, DAYS) else 7,
            request.GET.get("experiment", "")[:100].replace("\0", ""),
        )

    @property
    def query(self) -> str:
        told = {"by": self.by, "days": self.days} | ({"experiment": self.experiment} if self.experiment else {})
        return f"?{urlencode(told)}"


def page(request: HttpRequest, key: str) -> HttpResponse:
    scenario, view = _scenario(request, key), View.of(request)
    found, refusal = _found(scenario, view)
    sections = _sections(found)
    context = {
        **admin.site.each_context(request),
        "title": f"Paths of {scenario.name}",
        "scenario": scenario,
        "view": view,
        "sentence": paths_rooms.sentence(found) if found else refusal,
        "is_empty": not (found and found.reading.paths),
        "refusal": refusal,
        "sections": sections,
        "pictures": [picture for section in sections for picture in section.pictures],
        "export": reverse("tracing:paths", args=[scenario.key]),
        "switches": _switches(view),
        "experiments": _experiments(scenario),
    }
    return TemplateResponse(request, "tracing/paths.html", context)


def export(request: HttpRequest, key: str, picture: str, form: str) -> HttpResponse:
    scenario = _scenario(request, key)
    found, _ = _found(scenario, View.of(request))
    drawn = [one for section in _sections(found) for one in section.pictures]
    return exported(drawn, picture, form, name=f"{scenario.key}-paths")


def _found(scenario: Scenario, view: View) -> tuple[Found | None, str]:
    """What was found, or why nothing was, in words."""
    at = timezone.now()
    experiment = Experiment.objects.filter(key=view.experiment).first() if view.experiment else None
    if view.experiment and experiment is None:
        return None, f"There is no experiment “{view.experiment}”."
    try:
        window = Window(at - timedelta(days=view.days), at)
        return asking.found_at_once(Asked(scenario, window, view.by, experiment), at=at), ""
    except Refused as refusal:
        return None, str(refusal)


def _sections(found: Found | None) -> list[Section]:
    return paths_rooms.sections(found) if found and found.reading.paths else []


def _switches(view: View) -> list[list[dict[str, Any]]]:
    by = [
        {"text": text, "query": replace(view, by=cast("By", one)).query, "on": one == view.by}
        for one, text in BY_NAMES.items()
    ]
    days = [
        {"text": f"{n} day{'' if n == 1 else 's'}", "query": replace(view, days=n).query, "on": n == view.days}
        for n in DAYS
    ]
    return [by, days]


def _experiments(scenario: Scenario) -> list[tuple[str, str]]:
    rows = Experiment.objects.filter(scenarios=scenario, type__in=SPLIT, started_at__isnull=False)
    return list(rows.order_by("-started_at").values_list("key", "name")[:MOST_EXPERIMENTS])


def _scenario(request: HttpRequest, key: str) -> Scenario:
    allowed = all(may_see(request, model) for model in ("catalog.scenario", "lake.batch", "experiments.experiment"))
    if not allowed:
        raise PermissionDenied
    return get_object_or_404(Scenario, key=key)
