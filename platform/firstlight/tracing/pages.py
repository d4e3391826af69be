"""The page of one trace, and the list that leads to it."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlencode

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils import timezone

from bandits.models import Campaign
from firstlight.catalog.models import Item, Scenario
from firstlight.console.navigation import may_see
from firstlight.console.pictures import exported
from firstlight.events import traces
from firstlight.kernel.windows import Window
from firstlight.tracing import rooms, telling
from firstlight.tracing.telling import Told

LONGEST = 200  # characters of an id
RECENT = timedelta(hours=24)
MOST_RECENT = 50


@dataclass(frozen=True, slots=True)
class Wanted:
    """What the reader is looking for."""

    trace: str = ""
    scenario: str = ""
    unit: str = ""

    @classmethod
    def of(cls, request: HttpRequest) -> "Wanted":
        return cls(*(request.GET.get(n, "").strip().replace("\0", "")[:LONGEST] for n in ("trace", "scenario", "unit")))


def listed(request: HttpRequest) -> HttpResponse:
    """Newest decisions, and a way to any trace whose id is known."""
    _check(request)
    wanted = Wanted.of(request)
    if wanted.trace:
        return HttpResponseRedirect(reverse("tracing:trace", args=[wanted.trace]))
    at = timezone.now()
    found = traces.recent(Window(at - RECENT, at), MOST_RECENT, scenario=wanted.scenario, unit=wanted.unit)
    context = {
        **admin.site.each_context(request),
        "title": "Traces",
        "wanted": wanted,
        "scenarios": Scenario.objects.order_by("name").values_list("key", "name"),
        "section": rooms.recent(found, at) if found else None,
    }
    return TemplateResponse(request, "tracing/traces.html", context)


def page(request: HttpRequest, trace_id: str) -> HttpResponse:
    _check(request)
    found = _told(trace_id, timezone.now())
    sections = rooms.sections(found, _titles(found), _pages(request, found)) if found else []
    context: dict[str, Any] = {
        **admin.site.each_context(request),
        "title": "Trace",
        "trace_id": trace_id,
        "found": found,
        "verdict": rooms.verdict(found) if found else None,
        "sentence": rooms.sentence(found) if found else "",
        "figures": rooms.figures(found) if found else [],
        "sections": sections,
        "pictures": [picture for section in sections for picture in section.pictures],
        "export": reverse("tracing:trace", args=[trace_id]),
    }
    return TemplateResponse(request, "tracing/trace.html", context, status=200 if found else 404)


def export(request: HttpRequest, trace_id: str, picture: str, form: str) -> HttpResponse:
    _check(request)
    found = _told(trace_id, timezone.now())
    if found is None:
        raise Http404("Nothing names this trace.")
    name = "".join(c for c in trace_id if c.isascii() and (c.isalnum() or c in "-_"))[:80]
    drawn = [one for section in rooms.sections(found, _titles(found)) for one in section.pictures]
    return exported(drawn, picture, form, name=f"trace-{name}")


def _told(trace_id: str, at: datetime) -> Told | None:
    return telling.told(trace_id, at=at) if len(trace_id) <= LONGEST and "\0" not in trace_id else None


def _titles(found: Told) -> dict[str, str]:
    keys = [way.item for way in found.journey.ways]
    return dict(Item.objects.filter(key__in=keys).values_list("key", "title"))


def _pages(request: HttpRequest, found: Told) -> dict[str, str]:
    """Of the campaigns that placed something, where each says why it showed it; none for who may not see them."""
    keys = {way.slot["campaign"] for way in found.journey.ways if way.slot}
    if not keys or not may_see(request, "bandits.campaign"):
        return {}
    rows = Campaign.objects.filter(key__in=keys).values_list("key", "pk")
    asked = urlencode({"trace": found.trace_id})
    return {key: f"{reverse('admin:bandits_campaign_results', args=[pk])}?{asked}#why" for key, pk in rows}


def _check(request: HttpRequest) -> None:
    if not (may_see(request, "lake.batch") and may_see(request, "catalog.scenario")):
        raise PermissionDenied
