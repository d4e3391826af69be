"""The page of a campaign: what it is doing now, what it was worth, what became of items; all from what is stored."""

from typing import Any

from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import reverse

from bandits import page as shapes
from bandits import pool, rooms
from bandits.models import Campaign
from bandits.page import leaders, planned
from bandits.page.known import Known
from bandits.reading import Reading
from firstlight.console.pictures import exported

OFFERED = 30  # items that the search field offers


def page(request: HttpRequest, campaign: Campaign, *, may_change: bool) -> HttpResponse:
    reading = Reading.of(request, campaign, may_change=may_change)
    context = {
        **admin.site.each_context(request),
        "title": campaign.name,
        "opts": Campaign._meta,
        "campaign": campaign,
        "object": campaign,
        "may_change": may_change,
        "may_export": request.user.has_perm("exports.add_job"),
        "settings": planned.settings(campaign),
        "pool": pool_size(campaign),
        "export": reverse("admin:bandits_campaign_results", args=[campaign.pk]),
        "choice": reading.choice,
        "query": reading.choice.query,
        **_sections(reading),
        **(_newest(reading, reading.newest) if reading.newest else {}),
    }
    return TemplateResponse(request, "bandits/results.html", context)


def export(request: HttpRequest, campaign: Campaign, picture: str, form: str) -> HttpResponse:
    made = [one for section in rooms.sections(Reading.of(request, campaign)) for one in section.pictures]
    return exported(made, picture, form, name=campaign.key)


def _sections(reading: Reading) -> dict[str, Any]:
    made = rooms.sections(reading)
    return {
        "sections": [one for one in made if not one.is_missing],
        "missing": [one for one in made if one.is_missing],
        "pictures": [picture for one in made for picture in one.pictures],
    }


def _newest(reading: Reading, known: Known) -> dict[str, Any]:
    return {
        "newest": known,
        "sentence": leaders.sentence(known, reading.names, reading.wording),
        "figures": shapes.figures(known, reading.wording),
        "offered": [(known.items[i], reading.names.get(known.items[i], "")) for i in known.best[:OFFERED].tolist()],
    }


def pool_size(campaign: Campaign) -> int:
    """Items that would take part now."""
    return pool.items(campaign).count()
